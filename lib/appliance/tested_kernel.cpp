// SPDX-License-Identifier: Apache-2.0
#include "appliance/tested_kernel.hpp"

#include <algorithm>
#include <filesystem>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "appliance/kernel.hpp"
#include "appliance/kernel_modules.hpp"
#include "base/strings.hpp"
#include "sys/cache.hpp"
#include "sys/directories.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_text = 64 << 20;

// A file's content, mapped: a vmlinux with debug information has hundreds of megabytes.
class Mapped {
public:
    static Result<Mapped> open(const std::string& path) {
        SLIPWAY_TRY(auto fd, sys::open_file(path, O_RDONLY | O_NONBLOCK));
        struct stat info {};
        if (::fstat(fd.raw(), &info) != 0)
            return fail_errno(fmt::format("looking at {}", path));
        if (!S_ISREG(info.st_mode) || info.st_size == 0)
            return fail(Code::Corrupt, fmt::format("{} is no Linux kernel", path));
        Mapped mapped;
        mapped.size_ = static_cast<std::size_t>(info.st_size);
        mapped.bytes_ = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, fd.raw(), 0);
        if (mapped.bytes_ == MAP_FAILED)
            return fail_errno(fmt::format("reading {}", path));
        return mapped;
    }
    Mapped(Mapped&& other) noexcept
        : bytes_(std::exchange(other.bytes_, MAP_FAILED)), size_(other.size_) {}
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    Mapped& operator=(Mapped&&) = delete;
    ~Mapped() {
        if (bytes_ != MAP_FAILED)
            ::munmap(bytes_, size_);
    }
    [[nodiscard]] std::string_view text() const {
        return {static_cast<const char*>(bytes_), size_};
    }

private:
    Mapped() = default;
    void* bytes_ = MAP_FAILED;
    std::size_t size_ = 0;
};

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

std::string text_of(const std::string& path) {
    auto text = sys::read_file(path, largest_text);
    return text ? *text : std::string();
}

Result<TestedKernel> from_file(const std::string& file) {
    SLIPWAY_TRY(auto content, Mapped::open(file));
    auto kind = kernel_kind(content.text());
    if (!kind)
        return fail(std::move(kind.error()).in(file));
    TestedKernel kernel{.kind = *kind, .file = file};
    if (*kind == KernelKind::BzImage) {
        SLIPWAY_TRY(kernel.release, parse_kernel_release(content.text()));
    } else if (*kind != KernelKind::Package)
        kernel.release = release_in_banner(content.text());
    return kernel;
}

// Where distributions, packages and installations keep what belongs to a kernel's file.
void add_neighbours(TestedKernel& kernel) {
    auto directory = std::string(dirname_of(kernel.file));
    for (const auto& place :
         {fmt::format("{}/../lib/modules/{}", directory, kernel.release),
          fmt::format("{}/../usr/lib/modules/{}", directory, kernel.release), directory,
          fmt::format("{}/../lib/uml/modules/{}", directory, kernel.release),
          fmt::format("/lib/modules/{}", kernel.release)})
        if (kernel.modules.empty() && exists(place + "/modules.dep"))
            kernel.modules = place;
    for (const auto& place : {fmt::format("{}/config-{}", directory, kernel.release),
                              fmt::format("{}/config", directory), kernel.modules + "/config"})
        if (kernel.config.empty() && exists(place))
            kernel.config = text_of(place);
    if (!kernel.modules.empty())
        kernel.builtin = text_of(kernel.modules + "/modules.builtin");
}

Status run_tool(const sys::Host& host, std::vector<std::string> argv, const std::string& what) {
    sys::ProcessSpec spec{.argv = std::move(argv)};
    SLIPWAY_TRY(auto ran, sys::run(*host.runner, spec, {.cancel = host.cancel}));
    return sys::check_tool(spec, ran, what);
}

// What tells one state of a file from another, for a name in the cache.
Result<std::string> fingerprint(const std::string& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0)
        return fail_errno(file);
    return fmt::format("{}-{:x}-{:x}-{:x}", basename_of(file), info.st_size, info.st_mtim.tv_sec,
                       info.st_mtim.tv_nsec);
}

Result<std::string> place_in_cache(const std::string& name) {
    SLIPWAY_TRY(auto cache, sys::cache_directory());
    return fmt::format("{}/kernels/{}", cache, name);
}

Status add_dependencies(const sys::Host& host, const std::string& root) {
    std::error_code ignored;
    for (const auto* place : {"/lib/modules", "/usr/lib/modules", "/usr/lib/uml/modules"})
        for (const auto& entry : fs::directory_iterator(root + place, ignored)) {
            auto directory = entry.path().string();
            if (exists(directory + "/modules.dep"))
                continue;
            // depmod looks below lib/modules only.
            auto below = place == std::string_view("/usr/lib/uml/modules") ? root + "/usr/lib/uml"
                         : place == std::string_view("/usr/lib/modules")   ? root + "/usr"
                                                                           : root;
            if (below.ends_with("/uml") && !exists(below + "/lib"))
                fs::create_symlink(".", below + "/lib", ignored);
            SLIPWAY_CHECK(run_tool(host, {"depmod", "-b", below, entry.path().filename().string()},
                                   fmt::format("listing the modules in {}", directory)));
        }
    return {};
}

std::string first_match(const std::string& directory, std::string_view prefix) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored))
        if (entry.path().filename().string().starts_with(prefix))
            return entry.path().string();
    return {};
}

Status unpack_package(const sys::Host& host, const std::string& package, const std::string& place) {
    if (!sys::find_program("dpkg-deb"))
        return fail(Code::Unsupported, "dpkg-deb, which unpacks DEB packages, is not installed",
                    "apt install dpkg, or dnf install dpkg");
    SLIPWAY_CHECK(
        run_tool(host, {"dpkg-deb", "-x", package, place}, fmt::format("unpacking {}", package)));
    return add_dependencies(host, place);
}

Result<TestedKernel> from_package(const sys::Host& host, const std::string& package) {
    SLIPWAY_TRY(auto key, fingerprint(package));
    SLIPWAY_TRY(auto directory, place_in_cache(key));
    SLIPWAY_CHECK(sys::make_cached(
        directory, [&](const std::string& place) { return unpack_package(host, package, place); },
        host.cancel, host.log));
    for (const auto& found : {first_match(directory + "/boot", "vmlinuz-"),
                              first_match(directory + "/usr/bin", "linux")})
        if (!found.empty()) {
            SLIPWAY_TRY(auto kernel, from_file(found));
            add_neighbours(kernel);
            return kernel;
        }
    return fail(Code::NotFound, fmt::format("the package {} has no kernel in it", package),
                "a kernel's image is in packages such as linux-image-6.1.0-18-amd64");
}

// Modules of a build tree stand all over it: links, or copies, of them in the order of an
// installed kernel.
Status gather_modules(const sys::Host& host, const std::string& tree, const std::string& release,
                      const std::string& place) {
    auto directory = fmt::format("{}/lib/modules/{}", place, release);
    SLIPWAY_CHECK(sys::make_directories(directory));
    auto order = text_of(tree + "/modules.order");
    for (auto line : split_lines(order)) {
        auto path = std::string(trim(line));
        if (path.ends_with(".o")) // since Linux 6.2
            path.replace(path.size() - 2, 2, ".ko");
        if (path.empty())
            continue;
        auto target = fmt::format("{}/kernel/{}", directory, path);
        SLIPWAY_CHECK(sys::make_directories(std::string(dirname_of(target))));
        std::error_code failed;
        fs::create_hard_link(fmt::format("{}/{}", tree, path), target, failed);
        if (failed) {
            failed.clear();
            fs::copy_file(fmt::format("{}/{}", tree, path), target, failed);
        }
        if (failed)
            return fail_errno(fmt::format("taking the module {} of {}", path, tree),
                              failed.value());
    }
    for (const auto* name : {"modules.order", "modules.builtin", "modules.builtin.modinfo"}) {
        std::error_code ignored;
        fs::copy_file(fmt::format("{}/{}", tree, name), fmt::format("{}/{}", directory, name),
                      ignored);
    }
    return run_tool(host, {"depmod", "-b", place, release},
                    fmt::format("listing the modules of {}", tree));
}

// Where make put the file, or "".
std::string build_tree_of(const std::string& file) {
    for (const std::string_view built : {"/arch/x86/boot/bzImage", "/vmlinux", "/linux"})
        if (auto tree = file.substr(0, file.size() - std::min(file.size(), built.size()));
            file.ends_with(built) && exists(tree + "/.config") && exists(tree + "/modules.order"))
            return tree;
    return {};
}

// `wanted` of the files that make puts there; "": the one that is usually booted.
Result<TestedKernel> from_build_tree(const sys::Host& host, const std::string& tree,
                                     const std::string& wanted = {}) {
    auto config = text_of(tree + "/.config");
    if (config.empty())
        return fail(Code::NotFound,
                    fmt::format("{} is no build tree of a kernel: no .config in it", tree),
                    "give the directory in which make was called (O=…)");
    std::vector<std::string> files{tree + "/arch/x86/boot/bzImage", tree + "/vmlinux"};
    if (config.find("\nCONFIG_UML=y") != std::string::npos || config.starts_with("CONFIG_UML=y"))
        files = {tree + "/linux", tree + "/vmlinux"};
    if (!wanted.empty())
        files = {wanted};
    auto file = std::find_if(files.begin(), files.end(), exists);
    if (file == files.end())
        return fail(Code::NotFound,
                    fmt::format("the kernel in {} is not built: no {}", tree, join(files, ", no ")),
                    "run make there first");
    SLIPWAY_TRY(auto kernel, from_file(*file));
    kernel.config = std::move(config);
    kernel.builtin = text_of(tree + "/modules.builtin");
    auto release = std::string(trim(text_of(tree + "/include/config/kernel.release")));
    if (!release.empty())
        kernel.release = release;
    if (trim(text_of(tree + "/modules.order")).empty())
        return kernel;
    SLIPWAY_TRY(auto image, fingerprint(*file));
    SLIPWAY_TRY(auto order, fingerprint(tree + "/modules.order"));
    SLIPWAY_TRY(auto place, place_in_cache(fmt::format("{}-{}-{}", kernel.release, image, order)));
    SLIPWAY_CHECK(sys::make_cached(
        place,
        [&](const std::string& directory) {
            return gather_modules(host, tree, kernel.release, directory);
        },
        host.cancel, host.log));
    kernel.modules = fmt::format("{}/lib/modules/{}", place, kernel.release);
    return kernel;
}

Result<TestedKernel> running_kernel() {
    utsname names{};
    ::uname(&names);
    for (const auto& file : {fmt::format("/boot/vmlinuz-{}", names.release),
                             fmt::format("/lib/modules/{}/vmlinuz", names.release),
                             fmt::format("/usr/lib/modules/{}/vmlinuz", names.release)}) {
        if (!exists(file))
            continue;
        if (::access(file.c_str(), R_OK) != 0)
            return fail(Code::Permission, fmt::format("{} may be read by root only", file),
                        fmt::format("sudo chmod a+r {}, or name a copy with --kernel", file));
        SLIPWAY_TRY(auto kernel, from_file(file));
        add_neighbours(kernel);
        return kernel;
    }
    return fail(
        Code::NotFound,
        fmt::format("the running kernel ({}) has no image in /boot or /lib/modules", names.release),
        "name a kernel with --kernel PATH, such as one of /boot/vmlinuz-*");
}

} // namespace

Result<TestedKernel> find_tested_kernel(const sys::Host& host, const std::string& named) {
    if (named == "host")
        return running_kernel();
    std::error_code failed;
    auto path = fs::absolute(named, failed).lexically_normal().string();
    if (!exists(path))
        return fail(
            Code::NotFound, fmt::format("there is no kernel {}", named),
            "give a bzImage, a vmlinux, a kernel's build tree, a User-mode Linux program, a "
            "DEB package, or 'host'");
    if (fs::is_directory(path, failed))
        return from_build_tree(host, path);
    SLIPWAY_TRY(auto kernel, from_file(path));
    if (kernel.kind == KernelKind::Package)
        return from_package(host, path);
    if (auto tree = build_tree_of(path); !tree.empty())
        return from_build_tree(host, tree, path);
    add_neighbours(kernel);
    return kernel;
}

Driver driver_of(const TestedKernel& kernel, std::string_view module, std::string_view option) {
    if (!kernel.config.empty()) {
        auto line = [&](std::string_view value) {
            auto text = fmt::format("CONFIG_{}={}\n", option, value);
            return kernel.config.starts_with(text) ||
                   kernel.config.find("\n" + text) != std::string::npos;
        };
        if (line("y"))
            return Driver::BuiltIn;
        return line("m") && !kernel.modules.empty() ? Driver::Module : Driver::Absent;
    }
    for (auto built_in : split_lines(kernel.builtin))
        if (module_name(built_in) == module_name(module))
            return Driver::BuiltIn;
    if (!kernel.modules.empty()) {
        auto dependencies = text_of(kernel.modules + "/modules.dep");
        std::string_view names[]{module};
        if (!module_closure(dependencies, names).empty())
            return Driver::Module;
    }
    return kernel.builtin.empty() ? Driver::Unknown : Driver::Absent;
}

std::vector<std::string> absent_drivers(const TestedKernel& kernel,
                                        std::span<const WantedDriver> wanted) {
    std::vector<std::string> absent;
    for (const auto& driver : wanted)
        if (driver_of(kernel, driver.module, driver.option) == Driver::Absent)
            absent.push_back(fmt::format("CONFIG_{}", driver.option));
    return absent;
}

} // namespace slipway::appliance
