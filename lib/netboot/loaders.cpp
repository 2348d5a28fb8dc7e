// SPDX-License-Identifier: Apache-2.0
#include "netboot/loaders.hpp"

#include <array>
#include <span>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::netboot {
namespace {

constexpr std::size_t largest = 64 << 20;

// Debian and Ubuntu, Fedora and its kin, Arch.
constexpr std::array pxelinux_places{"/usr/lib/PXELINUX", "/usr/share/syslinux",
                                     "/usr/lib/syslinux/bios"};
constexpr std::array library_places{"/usr/lib/syslinux/modules/bios", "/usr/share/syslinux",
                                    "/usr/lib/syslinux/bios"};
// The one that uses the firmware's driver of the network card, then the one with its own.
constexpr std::array ipxe_places{"/usr/lib/ipxe/snponly.efi", "/usr/lib/ipxe/ipxe.efi",
                                 "/usr/share/ipxe/ipxe-snponly-x86_64.efi",
                                 "/usr/share/ipxe/ipxe-x86_64.efi",
                                 "/usr/share/ipxe/x86_64/ipxe.efi"};
constexpr std::string_view grub_modules = "tftp http normal linux configfile echo all_video font "
                                          "gfxterm serial terminal test minicmd sleep";

struct Platform {
    std::string_view name;
    std::string_view directory; ///< of GRUB's modules
    std::string_view file;
    std::string_view network; ///< modules for its firmware's
    std::string_view package; ///< Debian's
};
constexpr std::array platforms{
    Platform{"x86_64-efi", "x86_64-efi", "grubx64.efi", "efinet", "grub-efi-amd64-bin"},
    Platform{"i386-pc-pxe", "i386-pc", "grub.pxe", "pxe biosdisk", "grub-pc-bin"}};

std::string first_with(std::span<const char* const> places, const std::string& name) {
    for (const auto* place : places)
        if (auto path = fmt::format("{}/{}", place, name); ::access(path.c_str(), R_OK) == 0)
            return path;
    return {};
}

Status add_pxelinux(Loaders& loaders) {
    auto loader = first_with(pxelinux_places, "pxelinux.0");
    auto library = first_with(library_places, "ldlinux.c32");
    if (loader.empty() || library.empty()) {
        loaders.missing.emplace_back(
            "PXELINUX is not installed here: apt install pxelinux syslinux-common");
        return {};
    }
    Loader made{.file = "pxelinux.0"};
    for (const auto& path : {loader, library}) {
        SLIPWAY_TRY(auto content, sys::read_file(path, largest));
        made.parts.emplace_back(basename_of(path), std::move(content));
    }
    loaders.made.push_back(std::move(made));
    return {};
}

Status add_ipxe(Loaders& loaders) {
    for (const auto* path : ipxe_places)
        if (::access(path, R_OK) == 0) {
            SLIPWAY_TRY(auto content, sys::read_file(path, largest));
            loaders.made.push_back(
                {.file = "ipxe.efi", .parts = {{"ipxe.efi", std::move(content)}}});
            return {};
        }
    loaders.missing.emplace_back("iPXE for UEFI, which boots beside another DHCP server, is not "
                                 "installed here: apt install ipxe");
    return {};
}

Status add_grub(const sys::Host& host, const Platform& platform, Loaders& loaders) {
    auto tool = sys::find_program("grub-mkimage");
    if (!tool)
        tool = sys::find_program("grub2-mkimage");
    auto directory = fmt::format("/usr/lib/grub/{}", platform.directory);
    if (!tool || ::access(directory.c_str(), R_OK) != 0) {
        loaders.missing.push_back(fmt::format("GRUB for {} is not installed here: apt install {}",
                                              platform.name, platform.package));
        return {};
    }
    sys::ProcessSpec spec{
        .argv = {*tool, "-d", directory, "-O", std::string(platform.name), "-p", "/grub"}};
    for (auto modules : {platform.network, grub_modules})
        for (auto module : split_words(modules))
            spec.argv.emplace_back(module);
    // It wants to write a file, and no pipe.
    constexpr int image_number = 3;
    SLIPWAY_TRY(auto image, sys::make_memfd("grub", ""));
    spec.argv.insert(spec.argv.end(), {"-o", sys::proc_path(image_number)});
    spec.fds = {{image, image_number}};
    SLIPWAY_TRY(auto ran, sys::run(*host.runner, spec, {.cancel = host.cancel}));
    SLIPWAY_CHECK(sys::check_tool(spec, ran, fmt::format("making {}", platform.file)));
    SLIPWAY_TRY(auto content, sys::read_file(sys::proc_path(image.raw()), largest));
    loaders.made.push_back({.file = std::string(platform.file),
                            .parts = {{std::string(platform.file), std::move(content)}}});
    return {};
}

} // namespace

Result<Loaders> find_loaders(const sys::Host& host) {
    Loaders loaders;
    SLIPWAY_CHECK(add_pxelinux(loaders));
    for (const auto& platform : platforms)
        SLIPWAY_CHECK(add_grub(host, platform, loaders));
    SLIPWAY_CHECK(add_ipxe(loaders));
    return loaders;
}

} // namespace slipway::netboot
