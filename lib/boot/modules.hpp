// SPDX-License-Identifier: Apache-2.0
// The kernel's modules for the hardware that is there, from a tree as depmod makes it.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace slipway::boot {

/// What modules.dep, modules.alias and modules.builtin say; pure.
class ModuleIndex {
public:
    ModuleIndex() = default;
    ModuleIndex(std::string_view dep, std::string_view alias, std::string_view builtin);

    /// Files to load, in order, for a module or an alias, such as a device's: none where nothing
    /// has it, or the kernel has it built in.
    [[nodiscard]] std::vector<std::string> files_for(std::string_view name_or_alias) const;

private:
    void add_with_needs(const std::string& name, std::vector<std::string>& files) const;
    struct Module {
        std::string file;
        std::vector<std::string> needs; ///< files, all that it needs in turn
    };
    std::map<std::string, Module> modules_;                    ///< by name, with '_'
    std::vector<std::pair<std::string, std::string>> aliases_; ///< pattern, module
    std::set<std::string> builtin_;
};

class ModuleLoader {
public:
    /// Of "/lib/modules/RELEASE" of the running kernel below `top`; without it, nothing is loaded.
    [[nodiscard]] static ModuleLoader open(const std::string& top = "");

    /// Tells each file that is loaded, before it is.
    void tell(std::function<void(const std::string&)> told) { told_ = std::move(told); }
    /// A module or an alias with all that it needs. NotFound: nothing has it. CAP_SYS_MODULE.
    [[nodiscard]] Status load(std::string_view name_or_alias);
    /// For every device in /sys that names one, again until no new one appears. What failed is
    /// told, and not tried again.
    [[nodiscard]] std::vector<Error> load_for_devices();

private:
    [[nodiscard]] Status load_files(const std::vector<std::string>& files);
    std::string directory_;
    ModuleIndex index_;
    std::function<void(const std::string&)> told_{};
    std::set<std::string> done_; ///< files, and aliases of devices
};

} // namespace slipway::boot
