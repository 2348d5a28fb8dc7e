// SPDX-License-Identifier: Apache-2.0
// What an initramfs holds of one kernel's modules, and by which generator's ways it loads them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "archive/initramfs_reader.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "sys/fd.hpp"

namespace slipway::guest {

/// The generator decides where a list of modules to load stands. With Unknown ones, loading by
/// modalias (modules.alias) has to do.
enum class InitramfsStyle { Unknown, InitramfsTools, Dracut, Mkinitcpio };

struct InitramfsContents {
    /// Where modules of this kernel stand: "usr/lib/modules", "lib/modules", or "" without any.
    std::string modules_root{};
    /// Modules that are inside and in the index (modules.dep), by name: what can be loaded.
    std::set<std::string> modules{};
    std::set<std::string> builtin{}; ///< by its own modules.builtin
    bool has_index = false;          ///< it has a modules.dep for this kernel
    /// Text of the files that give kernel arguments (kind_of_initramfs_file) or are a table of
    /// devices (device_table_at), and name a device.
    std::map<std::string, std::string> boot_files{};
};
[[nodiscard]] Json to_json(const InitramfsContents& contents);
[[nodiscard]] InitramfsContents contents_from_json(const Json& json);

/// Gathers the contents while an initramfs is read; show it every member.
class ContentsCollector {
public:
    /// "" stands for the kernel of the first modules that come, as in a rescue image, which is not
    /// named for one.
    explicit ContentsCollector(std::string kernel) : kernel_(std::move(kernel)) {}

    /// Reads the content of the few small files that it wants, and of nothing else.
    [[nodiscard]] Status visit(const archive::InitramfsEntry& entry,
                               archive::EntryContent& content);
    [[nodiscard]] InitramfsContents finish() const;

    /// "kernel/…/virtio.ko" for a module of this kernel, "" for other members.
    [[nodiscard]] std::string_view path_below_version(std::string_view path) const;
    [[nodiscard]] InitramfsStyle style() const { return style_; }
    /// Text of modules.builtin, modules.builtin.modinfo and modules.order of this kernel by file
    /// name, and of conf/modules and config by path.
    [[nodiscard]] const std::map<std::string, std::string>& files() const { return files_; }

private:
    struct Place {
        std::string_view root{}; ///< one of the module roots
        std::string_view version{};
        std::string_view below{}; ///< "" where the path is no place for modules of this kernel
    };
    [[nodiscard]] Place place_of(std::string_view path) const;
    void note_style(std::string_view path);

    std::string kernel_;
    std::string modules_root_;
    std::set<std::string> module_paths_; ///< below VERSION
    std::map<std::string, std::string> files_;
    std::map<std::string, std::string> boot_files_;
    InitramfsStyle style_ = InitramfsStyle::Unknown;
};

/// Reads a whole initramfs; `kernel` as of ContentsCollector. Errors as of archive::read_initramfs.
[[nodiscard]] Result<InitramfsContents> read_initramfs_contents(sys::BorrowedFd file,
                                                                const std::string& kernel);

} // namespace slipway::guest
