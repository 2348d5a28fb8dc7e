// SPDX-License-Identifier: Apache-2.0
// A kernel's modules and what they depend on, as its own index says.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// "virtio_blk" for "kernel/drivers/block/virtio-blk.ko.xz": module names know no difference
/// between
/// '-' and '_'. "" for what is no module.
[[nodiscard]] std::string module_name_of(std::string_view path);

/// What a Linux guest needs to find a disk on virtio-blk or virtio-scsi, without dependencies. The
/// first two must exist; the others where the kernel has them.
[[nodiscard]] const std::vector<std::string>& virtio_disk_modules();
[[nodiscard]] bool is_indispensable(std::string_view module);

/// modules.dep(5) and modules.builtin of one kernel.
class ModuleTree {
public:
    ModuleTree() = default;
    /// Never fails: lines that make no sense are passed over.
    [[nodiscard]] static ModuleTree parse(std::string_view modules_dep,
                                          std::string_view modules_builtin);
    /// Reads both below /lib/modules/VERSION; an absent modules.builtin is an empty one.
    [[nodiscard]] static Result<ModuleTree> read(const sys::RootDir& root,
                                                 const sys::GuestPath& directory);

    /// Path below /lib/modules/VERSION, or null where there is no such module.
    [[nodiscard]] const std::string* path_of(const std::string& name) const;
    [[nodiscard]] bool is_builtin(const std::string& name) const { return builtin_.contains(name); }
    /// The modules and all that they depend on, each once, sorted. What is not in the tree is left
    /// out.
    [[nodiscard]] std::vector<std::string> closure(const std::vector<std::string>& names) const;
    [[nodiscard]] bool empty() const { return modules_.empty() && builtin_.empty(); }
    [[nodiscard]] const std::set<std::string>& builtin() const { return builtin_; }
    /// Paths of all modules in the index, by name.
    [[nodiscard]] std::map<std::string, std::string> paths() const;

private:
    struct Module {
        std::string path;
        std::vector<std::string> needs; ///< names
    };
    std::map<std::string, Module> modules_;
    std::set<std::string> builtin_;
};

} // namespace slipway::guest
