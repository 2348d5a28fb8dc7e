// SPDX-License-Identifier: Apache-2.0
// A small guest in a temporary directory: kernel modules that depmod can index, and initramfs
// images.
#pragma once

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <stdlib.h>
#include <sys/stat.h>

#include "archive/cpio_writer.hpp"
#include "archive/initramfs_reader.hpp"
#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/process.hpp"
#include "sys/root_dir.hpp"

namespace slipway::testing_support {

constexpr mode_t file_mode = S_IFREG | 0644;
constexpr mode_t directory_mode = S_IFDIR | 0755;

template <class T> T must(Result<T> result) {
    if (!result)
        throw std::runtime_error(render_text(result.error()));
    return std::move(*result);
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error("mkdtemp");
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::string& path() const { return path_; }
    void write(const std::string& name, const std::string& content) const {
        auto target = std::filesystem::path(path_ + "/" + name);
        std::filesystem::create_directories(target.parent_path());
        if (!sys::write_file(target, content))
            throw std::runtime_error("writing " + name);
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        return must(sys::read_file(path_ + "/" + name, 64 << 20));
    }

private:
    std::string path_ = std::filesystem::temp_directory_path() / "slipway-test-XXXXXX";
};

/// An ELF object as depmod sees a module: an alias, a symbol that it exports, and one that it
/// needs.
inline std::string assemble_module(const std::string& alias, const std::string& exports,
                                   const std::string& needs) {
    auto source = ".section .modinfo,\"a\"\n.asciz \"license=GPL\"\n";
    std::string text(source);
    if (!alias.empty())
        text += ".asciz \"alias=" + alias + "\"\n";
    if (!exports.empty())
        text += ".section __ksymtab_strings,\"a\"\n.asciz \"" + exports +
                "\"\n.section .data\n.globl " + exports + "\n" + exports + ": .long 0\n";
    if (!needs.empty())
        text += ".section .data\n.quad " + needs + "\n";
    TemporaryDirectory directory;
    auto object = directory.path() + "/module.o";
    sys::LocalRunner runner;
    auto captured = must(sys::run(runner, {.argv = {"as", "-o", object, "-"}}, {.input = text}));
    if (captured.status != 0)
        throw std::runtime_error("as: " + captured.err);
    return directory.read("module.o");
}

struct TestModule {
    std::string path; ///< below VERSION
    std::string name;
    std::string content;
    std::string dependencies; ///< of modules.dep
};

/// The virtio modules of a kernel, of the shape of Debian's.
inline const std::vector<TestModule>& virtio_modules() {
    static const std::vector<TestModule> modules{
        {"kernel/drivers/virtio/virtio.ko", "virtio",
         assemble_module("", "register_virtio_driver", ""), ""},
        {"kernel/drivers/virtio/virtio_pci.ko", "virtio_pci",
         assemble_module("pci:v00001AF4d*sv*sd*bc*sc*i*", "", "register_virtio_driver"),
         "kernel/drivers/virtio/virtio.ko"},
        {"kernel/drivers/block/virtio_blk.ko", "virtio_blk",
         assemble_module("virtio:d00000002v*", "", "register_virtio_driver"),
         "kernel/drivers/virtio/virtio.ko"},
        {"kernel/drivers/scsi/scsi_mod.ko", "scsi_mod", assemble_module("", "scsi_register", ""),
         ""},
        {"kernel/drivers/scsi/virtio_scsi.ko", "virtio_scsi",
         assemble_module("virtio:d00000008v*", "", "scsi_register"),
         "kernel/drivers/virtio/virtio.ko kernel/drivers/scsi/scsi_mod.ko"},
        {"kernel/drivers/scsi/sd_mod.ko", "sd_mod",
         assemble_module("scsi:t-0x00*", "", "scsi_register"), "kernel/drivers/scsi/scsi_mod.ko"},
    };
    return modules;
}

/// Puts /lib/modules/VERSION into a guest, its modules compressed as `suffix` says: "", ".xz", ….
template <class Pack>
void write_module_tree(const TemporaryDirectory& guest, const std::string& kernel,
                       const std::string& suffix, Pack pack) {
    std::string dep;
    auto top = "lib/modules/" + kernel + "/";
    for (const auto& module : virtio_modules()) {
        guest.write(top + module.path + suffix, pack(module.content));
        dep += module.path + suffix + ":";
        std::string needs = module.dependencies;
        for (auto at = needs.find(".ko"); at != std::string::npos; at = needs.find(".ko", at + 3))
            needs.insert(at + 3, suffix);
        dep += (needs.empty() ? "" : " " + needs) + "\n";
    }
    guest.write(top + "modules.dep", dep);
    guest.write(top + "modules.builtin", "kernel/fs/ext4/ext4.ko\n");
}

/// The newest content of each path of an initramfs, with the links of the kernel's view left out.
inline std::map<std::string, std::string> read_image(const std::string& path) {
    std::map<std::string, std::string> contents;
    auto file = must(sys::open_file(path, O_RDONLY));
    must(archive::read_initramfs(
        file, [&](const archive::InitramfsEntry& entry, archive::EntryContent& content) -> Status {
            if (!S_ISREG(entry.mode))
                return {};
            SLIPWAY_TRY(contents[entry.path], content.read(64 << 20));
            return {};
        }));
    return contents;
}

} // namespace slipway::testing_support
