// SPDX-License-Identifier: Apache-2.0
#include "guest/release_files.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/os_release.hpp"

namespace slipway::guest {
namespace {

using report::OperatingSystem;

struct ReleaseFile {
    std::string_view path;
    std::string_view distro;
    std::string_view name{}; ///< of the system, where the file has only its version
};
// A more specific file comes before the one that is made like it, or is a link to it.
constexpr std::array release_files{
    ReleaseFile{"/etc/oracle-release", "ol"},
    ReleaseFile{"/etc/rocky-release", "rocky"},
    ReleaseFile{"/etc/almalinux-release", "almalinux"},
    ReleaseFile{"/etc/centos-release", "centos"},
    ReleaseFile{"/etc/fedora-release", "fedora"},
    ReleaseFile{"/etc/mageia-release", "mageia"},
    ReleaseFile{"/etc/mandriva-release", "mandriva"},
    ReleaseFile{"/etc/mandrake-release", "mandriva"},
    ReleaseFile{"/etc/altlinux-release", "altlinux"},
    ReleaseFile{"/etc/redhat-release", "rhel"},
    ReleaseFile{"/etc/system-release", "amzn"},
    ReleaseFile{"/etc/SuSE-release", "suse"},
    ReleaseFile{"/etc/slackware-version", "slackware"},
    ReleaseFile{"/etc/gentoo-release", "gentoo"},
    ReleaseFile{"/etc/arch-release", "arch", "Arch Linux"},
    ReleaseFile{"/etc/alpine-release", "alpine", "Alpine Linux"},
    ReleaseFile{"/etc/pld-release", "pld"},
    ReleaseFile{"/etc/frugalware-release", "frugalware"},
    ReleaseFile{"/etc/cirros/version", "cirros", "CirrOS"},
    ReleaseFile{"/etc/br-version", "buildroot", "Buildroot"},
    ReleaseFile{"/etc/debian_version", "debian", "Debian"},
};
// Assignments, as in os-release, of names that begin with DISTRIB_.
constexpr std::array assignment_files{"/etc/lsb-release", "/etc/openwrt_release"};

struct Named {
    std::string_view text; ///< how the name begins
    std::string_view distro;
};
constexpr std::array names{
    Named{"CentOS", "centos"},         Named{"Fedora", "fedora"},
    Named{"Scientific", "scientific"}, Named{"Oracle", "ol"},
    Named{"Rocky", "rocky"},           Named{"AlmaLinux", "almalinux"},
    Named{"Red Hat Linux", "redhat"},  Named{"SUSE Linux Enterprise Server", "sles"},
    Named{"openSUSE", "opensuse"},     Named{"SUSE Linux Enterprise Desktop", "sled"},
    Named{"Mandriva", "mandriva"},     Named{"Mageia", "mageia"},
};

struct Relation {
    std::string_view distro;
    std::array<std::string_view, 2> like;
};
constexpr std::array relations{
    Relation{"ubuntu", {"debian"}},
    Relation{"linuxmint", {"ubuntu", "debian"}},
    Relation{"centos", {"rhel", "fedora"}},
    Relation{"scientific", {"rhel", "fedora"}},
    Relation{"ol", {"rhel", "fedora"}},
    Relation{"rocky", {"rhel", "fedora"}},
    Relation{"almalinux", {"rhel", "fedora"}},
    Relation{"amzn", {"rhel", "fedora"}},
    Relation{"rhel", {"fedora"}},
    Relation{"sles", {"suse"}},
    Relation{"sled", {"suse"}},
    Relation{"opensuse", {"suse"}},
    Relation{"mageia", {"mandriva"}},
};

std::string first_line(std::string_view text) {
    for (auto raw : split_lines(text))
        if (auto line = trim(raw); !line.empty())
            return printable(line);
    return {};
}

std::string version_in(std::string_view text) {
    auto first = text.find_first_of("0123456789");
    if (first == std::string_view::npos)
        return {};
    auto end = text.find_first_not_of("0123456789.", first);
    return std::string(text.substr(first, end == std::string_view::npos ? end : end - first));
}

/// The value of a line "KEY = VALUE" of SuSE-release.
std::string spaced_value(std::string_view text, std::string_view key) {
    for (auto line : split_lines(text)) {
        auto equals = line.find('=');
        if (equals != std::string_view::npos && trim(line.substr(0, equals)) == key)
            return printable(trim(line.substr(equals + 1)));
    }
    return {};
}

void take_suse(std::string_view text, OperatingSystem& os) {
    os.codename = spaced_value(text, "CODENAME");
    auto level = spaced_value(text, "PATCHLEVEL");
    if (!level.empty() && level != "0")
        os.version = fmt::format("{}.{}", spaced_value(text, "VERSION"), level);
}

bool take_assignments(const GuestFiles& files, OperatingSystem& os) {
    for (const auto* path : assignment_files) {
        auto text = files.read(path, 65536);
        if (!text)
            continue;
        auto values = parse_os_release(*text);
        if (values["DISTRIB_ID"].empty())
            continue;
        os.distro = to_lower(printable(values["DISTRIB_ID"]));
        if (os.distro == "mandrivalinux")
            os.distro = "mandriva";
        os.version = printable(values["DISTRIB_RELEASE"]);
        os.codename = printable(values["DISTRIB_CODENAME"]);
        os.product = printable(values["DISTRIB_DESCRIPTION"]);
        return true;
    }
    return false;
}

bool take_text(const GuestFiles& files, OperatingSystem& os) {
    for (const auto& file : release_files) {
        auto text = files.read(std::string(file.path), 4096);
        if (!text)
            continue;
        os.distro = file.distro;
        os.version = version_in(*text);
        os.product = first_line(*text);
        if (!file.name.empty())
            os.product = std::string(trim(fmt::format("{} {}", file.name, os.product)));
        for (const auto& named : names)
            if (os.product.starts_with(named.text))
                os.distro = named.distro;
        if (file.distro == "suse")
            take_suse(*text, os);
        return true;
    }
    return false;
}

} // namespace

bool has_release_file(const sys::RootDir& root) {
    auto is_there = [&](std::string_view path) {
        return root.stat(sys::GuestPath(path), false).has_value();
    };
    return std::any_of(release_files.begin(), release_files.end(),
                       [&](const auto& file) { return is_there(file.path); }) ||
           std::any_of(assignment_files.begin(), assignment_files.end(), is_there) ||
           (is_there("/bin/busybox") && is_there("/etc/inittab"));
}

void take_release_file(const GuestFiles& files, OperatingSystem& os) {
    bool named = take_assignments(files, os) || take_text(files, os);
    if (!named && files.exists("/bin/busybox")) {
        os.distro = "busybox";
        os.product = "BusyBox";
    }
    for (const auto& relation : relations)
        if (relation.distro == os.distro)
            for (auto like : relation.like)
                if (!like.empty())
                    os.like.emplace_back(like);
}

} // namespace slipway::guest
