// SPDX-License-Identifier: Apache-2.0
#include "appliance/kernel.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "appliance/kernel_modules.hpp"
#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t header_size = 64 << 10;
// Offsets in the header.
constexpr std::size_t magic_at = 0x202, version_at = 0x20E, pointers_from = 0x200;

bool has_modules(const std::string& directory) {
    return ::access((directory + "/modules.dep").c_str(), R_OK) == 0;
}

// The first of these directories that has modules, or "".
std::string modules_among(const std::vector<std::string>& directories) {
    auto found = std::find_if(directories.begin(), directories.end(), has_modules);
    return found == directories.end() ? std::string() : *found;
}

Result<std::string> release_of(const std::string& file) {
    SLIPWAY_TRY(auto fd, sys::open_file(file, O_RDONLY | O_NONBLOCK));
    std::string head(header_size, '\0');
    auto got = ::pread(fd.raw(), head.data(), head.size(), 0);
    head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    auto release = parse_kernel_release(head);
    if (!release)
        return fail(std::move(release.error()).in(file));
    return release;
}

Result<Kernel> named_kernel(const KernelChoice& choice) {
    SLIPWAY_TRY(auto release, release_of(choice.file));
    auto directory = std::string(dirname_of(choice.file));
    std::vector<std::string> places{choice.modules, choice.modules + "/" + release};
    if (choice.modules.empty())
        places = {directory, fmt::format("{}/../lib/modules/{}", directory, release),
                  fmt::format("/lib/modules/{}", release)};
    auto modules = modules_among(places);
    if (modules.empty())
        return fail(Code::NotFound,
                    fmt::format("the modules of the kernel {} ({}) were not found: no modules.dep "
                                "in {}",
                                choice.file, release, join(places, ", ")),
                    "name their directory in SLIPWAY_SANDBOX_MODULES; depmod -b makes modules.dep");
    return Kernel{choice.file, release, modules};
}

// Installed ones, the newest first.
std::vector<Kernel> installed_kernels() {
    std::vector<Kernel> kernels;
    constexpr std::string_view prefix = "vmlinuz-";
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/boot", ignored)) {
        auto name = entry.path().filename().string();
        if (!name.starts_with(prefix))
            continue;
        auto release = name.substr(prefix.size());
        kernels.push_back({entry.path().string(), release, "/lib/modules/" + release});
    }
    for (const auto& entry : fs::directory_iterator("/usr/lib/modules", ignored)) {
        auto file = entry.path().string() + "/vmlinuz";
        if (::access(file.c_str(), F_OK) == 0)
            kernels.push_back({file, entry.path().filename().string(), entry.path().string()});
    }
    std::stable_sort(kernels.begin(), kernels.end(), [](const auto& a, const auto& b) {
        return compare_versions(a.release, b.release) > 0;
    });
    return kernels;
}

} // namespace

Result<std::string> parse_kernel_release(std::string_view head) {
    auto none = [] { return fail(Code::Corrupt, "this is no x86 Linux kernel (bzImage)"); };
    if (head.size() < version_at + 2 || head.substr(magic_at, 4) != "HdrS")
        return none();
    auto byte = [head](std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(head[at]));
    };
    auto at = pointers_from + byte(version_at) + 256 * byte(version_at + 1);
    auto text = at < head.size() ? head.substr(at) : std::string_view();
    auto release = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
    constexpr std::size_t longest = 64; // of utsname
    // It becomes the name of a directory.
    constexpr std::string_view usual =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_+~";
    if (release.empty() || release.size() > longest || release.front() == '.' ||
        release.find_first_not_of(usual) != std::string_view::npos)
        return none();
    return std::string(release);
}

Result<Kernel> find_kernel(const KernelChoice& choice) {
    if (!choice.file.empty())
        return named_kernel(choice);
    std::string closed;
    for (auto& kernel : installed_kernels()) {
        if (!choice.modules.empty())
            kernel.modules = modules_among({choice.modules, choice.modules + "/" + kernel.release});
        if (kernel.modules.empty() || !has_modules(kernel.modules))
            continue;
        if (::access(kernel.file.c_str(), R_OK) == 0)
            return kernel;
        if (closed.empty())
            closed = kernel.file;
    }
    if (!closed.empty())
        return fail(Code::Permission, fmt::format("{} may be read by root only", closed),
                    fmt::format("sudo chmod a+r {}, or name a copy with --sandbox-kernel", closed));
    return fail(Code::Unsupported, "no kernel with its modules is installed here",
                "apt install linux-image-cloud-amd64, or name one with --sandbox-kernel");
}

bool has_module(const Kernel& kernel, std::string_view name) {
    constexpr std::size_t largest = 64 << 20;
    auto dependencies = sys::read_file(kernel.modules + "/modules.dep", largest);
    return dependencies && !module_closure(*dependencies, std::array{name}).empty();
}

} // namespace slipway::appliance
