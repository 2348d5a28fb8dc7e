// SPDX-License-Identifier: Apache-2.0
#include "guest/packaging.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace slipway::guest {
namespace {

using report::OperatingSystem;

struct Packager {
    std::string_view name;
    std::string_view family; ///< ID or ID_LIKE of the distributions that live by it
    std::string_view program;
};
constexpr std::array packagers{
    Packager{"apt", "debian", "/usr/bin/apt-get"},
    Packager{"zypper", "suse", "/usr/bin/zypper"},
    Packager{"dnf", "fedora", "/usr/bin/dnf"},
    Packager{"dnf", "rhel", "/usr/bin/dnf"},
    Packager{"pacman", "arch", "/usr/bin/pacman"},
    Packager{"apk", "alpine", "/sbin/apk"},
    Packager{"dnf", "", "/usr/bin/dnf5"},
    Packager{"yum", "", "/usr/bin/yum"},
    Packager{"apk", "", "/usr/bin/apk"},
    Packager{"emerge", "", "/usr/bin/emerge"},
    Packager{"xbps", "", "/usr/bin/xbps-install"},
    Packager{"urpmi", "", "/usr/sbin/urpmi"},
    Packager{"tdnf", "", "/usr/bin/tdnf"},
    Packager{"microdnf", "", "/usr/bin/microdnf"},
    Packager{"opkg", "", "/bin/opkg"},
    Packager{"slackpkg", "", "/usr/sbin/slackpkg"},
};

bool is_of_family(const OperatingSystem& os, std::string_view family) {
    return os.distro == family ||
           std::find(os.like.begin(), os.like.end(), family) != os.like.end();
}

// The distribution's own first: Fedora packages apt, and Debian dnf.
std::string detect_package_manager(const GuestFiles& files, const OperatingSystem& os) {
    for (const auto& packager : packagers)
        if (!packager.family.empty() && is_of_family(os, packager.family) &&
            files.exists(std::string(packager.program)))
            return std::string(packager.name);
    for (const auto& packager : packagers)
        if (files.exists(std::string(packager.program)))
            return std::string(packager.name);
    return {};
}

struct Format {
    std::string_view name;
    std::string_view manager;
};
constexpr std::array formats{
    Format{"deb", "apt"},       Format{"rpm", "dnf"},      Format{"rpm", "yum"},
    Format{"rpm", "zypper"},    Format{"apk", "apk"},      Format{"pacman", "pacman"},
    Format{"ebuild", "emerge"}, Format{"xbps", "xbps"},    Format{"rpm", "urpmi"},
    Format{"rpm", "tdnf"},      Format{"rpm", "microdnf"}, Format{"opkg", "opkg"},
    Format{"tgz", "slackpkg"},
};

// A small or old system may have the database and no program that we know.
std::string detect_package_format(const GuestFiles& files, const OperatingSystem& os) {
    // ALT has an apt that installs rpm packages.
    bool is_apt_rpm = os.package_manager == "apt" && !files.exists("/var/lib/dpkg") &&
                      files.exists("/var/lib/rpm");
    for (const auto& format : formats)
        if (format.manager == os.package_manager && !is_apt_rpm)
            return std::string(format.name);
    if (files.exists("/var/lib/dpkg/status") || files.exists("/var/lib/dpkg/status.d"))
        return "deb";
    if (files.exists("/usr/lib/sysimage/rpm") || files.exists("/var/lib/rpm"))
        return "rpm";
    if (files.exists("/var/lib/pacman/local"))
        return "pacman";
    if (!files.first_of({"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}).empty())
        return "apk";
    return os.distro == "slackware" ? "tgz" : "";
}

} // namespace

void take_packaging(const GuestFiles& files, OperatingSystem& os) {
    os.package_manager = detect_package_manager(files, os);
    os.package_format = detect_package_format(files, os);
}

} // namespace slipway::guest
