// SPDX-License-Identifier: Apache-2.0
#include "guest/bsd.hpp"

#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/os_release.hpp"

namespace slipway::guest {
namespace {

struct Bsd {
    std::string_view type;
    std::string_view name;
    std::string_view mark;    ///< a file that only this one has: its kernel, or a program
    std::string_view witness; ///< and another
    std::string_view version_file;
    std::string_view before; ///< what stands before the version there
    std::string_view package_manager;
    std::string_view package_format;
};
constexpr std::array systems{
    Bsd{"freebsd", "FreeBSD", "/bin/freebsd-version", "/etc/rc.conf", "/bin/freebsd-version",
        "USERLAND_VERSION=\"", "pkg", "pkg"},
    Bsd{"netbsd", "NetBSD", "/netbsd", "/etc/release", "/etc/release", "NetBSD ", "pkgin",
        "pkgsrc"},
    Bsd{"openbsd", "OpenBSD", "/bsd", "/etc/fstab", "/etc/motd", "OpenBSD ", "pkg_add", "openbsd"},
};

std::string version_after(std::string_view text, std::string_view before) {
    auto found = text.find(before);
    if (found == std::string_view::npos)
        return {};
    auto rest = text.substr(found + before.size());
    return printable(rest.substr(0, std::min(rest.find_first_of("\"/ \n"), std::size_t{64})));
}

std::string detect_hostname(const GuestFiles& files) {
    if (auto text = files.read("/etc/rc.conf", 65536)) // a shell's assignments
        if (auto name = parse_os_release(*text)["hostname"]; !name.empty())
            return printable(name);
    auto text = files.read("/etc/myname", 4096);
    return text ? printable(trim(*text)) : std::string{};
}

} // namespace

std::string detect_bsd(const sys::RootDir& root) {
    for (const auto& bsd : systems)
        if (root.exists(sys::GuestPath(bsd.mark)) && root.exists(sys::GuestPath(bsd.witness)))
            return std::string(bsd.type);
    return {};
}

void take_bsd(const GuestFiles& files, report::OperatingSystem& os) {
    for (const auto& bsd : systems) {
        if (bsd.type != os.type)
            continue;
        os.distro = bsd.type;
        if (auto text = files.read(std::string(bsd.version_file), 65536))
            os.version = version_after(*text, bsd.before);
        os.product = std::string(trim(fmt::format("{} {}", bsd.name, os.version)));
        os.package_manager = bsd.package_manager;
        os.package_format = bsd.package_format;
    }
    os.hostname = detect_hostname(files);
}

} // namespace slipway::guest
