// SPDX-License-Identifier: Apache-2.0
#include "boot/kexec.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fcntl.h>
#include <linux/kexec.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/compression.hpp"
#include "archive/cpio_writer.hpp"
#include "base/strings.hpp"
#include "boot/modules.hpp"
#include "boot/options.hpp"
#include "network/links.hpp"
#include "sys/root_dir.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kernel_name = "vmlinuz-";
constexpr std::size_t longest_command_line = 2047; // of x86 (COMMAND_LINE_SIZE)
constexpr std::size_t largest_file = 256 << 20;
// Of our own root, beside the modules.
constexpr const char* own_files[]{"/init", "/etc/slipway", "/bin", "/lib/firmware"};

// "kernel/net/virtio_net.ko.xz": "kernel/net/virtio_net.ko".
std::string unpacked_name(std::string_view file) {
    auto end = file.rfind(".ko");
    return std::string(end == std::string_view::npos ? file : file.substr(0, end + 3));
}

std::string module_of(std::string_view file) {
    auto name = basename_of(file);
    return replace_all(std::string(name.substr(0, name.find(".ko"))), "-", "_");
}

// The modules that the bootstrap has, as it was built.
std::set<std::string> own_modules() {
    utsname kernel{};
    ::uname(&kernel);
    std::set<std::string> names;
    auto dep =
        sys::read_file(fmt::format("/lib/modules/{}/modules.dep", kernel.release), largest_file)
            .value_or("");
    for (auto line : split_lines(dep))
        names.insert(module_of(line.substr(0, line.find(':'))));
    return names;
}

class Composition {
public:
    Composition(const sys::RootDir& image, const std::string& release)
        : image_(image), inside_(fmt::format("/lib/modules/{}/", release)) {}

    Result<std::string> run() {
        for (const auto* directory :
             {"/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/root", "/var"})
            tree_.add_directory(directory);
        for (const auto* path : own_files)
            SLIPWAY_CHECK(add_own(path));
        SLIPWAY_CHECK(add_modules());
        return archive::write_cpio(tree_.entries());
    }

private:
    Status add_own(const fs::path& path) {
        struct stat info {};
        if (::lstat(path.c_str(), &info) != 0)
            return {};
        std::error_code failed;
        if (S_ISLNK(info.st_mode)) {
            tree_.add(path.string(), S_IFLNK | 0777, fs::read_symlink(path, failed).string());
            return {};
        }
        if (!S_ISDIR(info.st_mode)) {
            SLIPWAY_TRY(auto content, sys::read_file(path, largest_file));
            tree_.add(path.string(), info.st_mode & (S_IFMT | 0777), std::move(content));
            return {};
        }
        for (const auto& entry : fs::directory_iterator(path, failed))
            SLIPWAY_CHECK(add_own(entry.path()));
        return {};
    }

    Result<std::string> read(const std::string& name) const {
        SLIPWAY_TRY(auto path, sys::GuestPath::parse(inside_ + name));
        return image_.read(path, largest_file);
    }

    Status check(const ModuleIndex& index, const std::string& builtin) const {
        std::set<std::string> needed{"loop", "overlay"};
        SLIPWAY_TRY(auto links, network::ethernet_links());
        for (const auto& link : links)
            if (link.has_carrier && !link.driver.empty())
                needed.insert(link.driver);
        for (const auto& name : needed) {
            auto lines = split_lines(builtin);
            bool is_built_in = std::any_of(lines.begin(), lines.end(), [&](auto line) {
                return module_of(line) == replace_all(name, "-", "_");
            });
            if (!is_built_in && index.files_for(name).empty())
                return fail(Code::NotFound,
                            fmt::format("the image's kernel has no {}, without which it could not "
                                        "load the image, and there would be no way back",
                                        name),
                            "pack the image with its kernel's modules");
        }
        return {};
    }

    // Of the image's, those that we have of our own kernel.
    Status add_modules() {
        SLIPWAY_TRY(auto dep, read("modules.dep"));
        auto alias = read("modules.alias").value_or("");
        auto builtin = read("modules.builtin").value_or("");
        ModuleIndex index(dep, alias, builtin);
        SLIPWAY_CHECK(check(index, builtin));
        std::set<std::string> files;
        for (const auto& name : own_modules())
            for (auto& file : index.files_for(name))
                files.insert(std::move(file));
        for (const auto& file : files) {
            SLIPWAY_TRY(auto packed, read(file));
            SLIPWAY_TRY(auto content, archive::unpack(packed, largest_file));
            tree_.add(inside_ + unpacked_name(file), S_IFREG | 0644, std::move(content));
        }
        std::string names;
        for (auto line : split_lines(dep)) {
            auto colon = line.find(':');
            if (colon == std::string_view::npos ||
                !files.contains(std::string(line.substr(0, colon))))
                continue;
            names += unpacked_name(line.substr(0, colon)) + ":";
            for (auto need : split_words(line.substr(colon + 1)))
                names += " " + unpacked_name(need);
            names += "\n";
        }
        tree_.add(inside_ + "modules.dep", S_IFREG | 0644, std::move(names));
        tree_.add(inside_ + "modules.alias", S_IFREG | 0644, std::move(alias));
        tree_.add(inside_ + "modules.builtin", S_IFREG | 0644, std::move(builtin));
        return {};
    }

    const sys::RootDir& image_;
    std::string inside_;
    archive::CpioTree tree_;
};

} // namespace

std::string newest_kernel(const std::vector<std::string>& files_of_boot) {
    std::string newest;
    for (const auto& file : files_of_boot) {
        if (!file.starts_with(kernel_name) || file.find("rescue") != std::string::npos)
            continue;
        auto release = file.substr(kernel_name.size());
        if (newest.empty() || compare_versions(release, newest) > 0)
            newest = release;
    }
    return newest;
}

Result<std::string> command_line_for(std::string_view own, const std::string& url,
                                     const std::string& digest) {
    constexpr std::string_view replaced[]{"image_url",      "image_sha256", "slipway.entry",
                                          "slipway.mirror", "initrd",       "BOOT_IMAGE"};
    std::string text;
    for (const auto& [name, value] : parse_command_line(own)) {
        if (std::find(std::begin(replaced), std::end(replaced), name) != std::end(replaced))
            continue;
        auto word = value ? fmt::format("{}={}", name, *value) : name;
        text += word.find_first_of(" \t") == std::string::npos ? word + " "
                                                               : fmt::format("\"{}\" ", word);
    }
    text += fmt::format("image_url={} image_sha256={} slipway.entry=native", url, digest);
    if (text.size() > longest_command_line)
        return fail(Code::InvalidArgument,
                    fmt::format("the command line for the image's kernel has {} bytes, and {} is "
                                "what kernels take",
                                text.size(), longest_command_line));
    return text;
}

Status load_kernel_of(const loading::Entrance& entrance) {
    if (entrance.systemd == 0)
        return fail(Code::Unsupported, "the image is entered natively then, which needs systemd");
    SLIPWAY_TRY(auto image, sys::RootDir::open(entrance.root.path()));
    std::vector<std::string> files;
    if (auto listed = image.list(sys::GuestPath("/boot")))
        for (auto& entry : *listed)
            files.push_back(std::move(entry.name));
    auto release = newest_kernel(files);
    if (release.empty())
        return fail(Code::NotFound, "the image has no kernel in /boot",
                    "pack it with one, or load it with --entry contained or native");
    SLIPWAY_TRY(auto file, sys::GuestPath::parse(fmt::format("/boot/{}{}", kernel_name, release)));
    SLIPWAY_TRY(auto kernel, image.open_path(file, O_RDONLY));
    SLIPWAY_TRY(auto line, command_line_for(sys::read_file("/proc/cmdline").value_or(""),
                                            entrance.url, entrance.digest));
    SLIPWAY_TRY(auto bytes, Composition(image, release).run());
    SLIPWAY_TRY(auto initramfs, sys::make_memfd("initramfs", bytes));
    if (::syscall(SYS_kexec_file_load, kernel.raw(), initramfs.raw(), line.size() + 1, line.c_str(),
                  0UL) != 0)
        return fail_errno(fmt::format("loading the image's kernel {}", release));
    return {};
}

Error start_loaded_kernel() {
    ::sync();
    ::reboot(RB_KEXEC);
    return os_error("starting the image's kernel");
}

} // namespace slipway::boot
