// SPDX-License-Identifier: Apache-2.0
#include "guest/system.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/elf.hpp"
#include "base/strings.hpp"
#include "guest/bsd.hpp"
#include "guest/os_release.hpp"
#include "guest/packaging.hpp"
#include "guest/release_files.hpp"
#include "guest/windows.hpp"

namespace slipway::guest {
namespace {

using report::OperatingSystem;
using sys::GuestPath;

// Even where it dangles: /etc/os-release points into /usr, which may be a filesystem of its own.
bool is_there(const sys::RootDir& root, std::string_view path) {
    return root.stat(GuestPath(path), false).has_value();
}

std::string detect_arch(const sys::RootDir& root) {
    for (const auto* path : {"/bin/sh", "/usr/bin/env", "/bin/busybox", "/usr/lib/systemd/systemd",
                             "/sbin/init", "/bin/ls", "/lib64/ld-linux-x86-64.so.2"}) {
        auto file = root.open_path(GuestPath(path), O_RDONLY);
        if (!file)
            continue;
        std::array<char, 20> header{};
        auto got = ::pread(file->raw(), header.data(), header.size(), 0);
        if (got == static_cast<ssize_t>(header.size()))
            if (auto machine = elf_machine({header.data(), header.size()}); !machine.empty())
                return machine;
    }
    return {};
}

std::string first_word_line(std::string_view text) {
    for (auto raw : split_lines(text))
        if (auto line = trim(raw); !line.empty() && !line.starts_with('#'))
            return std::string(line);
    return {};
}

std::string detect_hostname(const GuestFiles& files) {
    for (const auto* path : {"/etc/hostname", "/etc/HOSTNAME"})
        if (auto text = files.read(path, 4096))
            if (auto name = first_word_line(*text); !name.empty())
                return printable(name);
    if (auto text = files.read("/etc/sysconfig/network", 65536)) {
        auto values = parse_os_release(*text); // the same syntax: a shell's assignments
        if (!values["HOSTNAME"].empty())
            return printable(values["HOSTNAME"]);
    }
    if (auto text = files.read("/etc/conf.d/hostname", 4096)) // Gentoo, Alpine of old
        return printable(parse_os_release(*text)["hostname"]);
    return {};
}

// What /sbin/init is decides: Debian keeps systemd's files beside sysvinit.
std::string detect_init(const GuestFiles& files) {
    auto init = files.root().real_path(GuestPath("/sbin/init"));
    auto name = init ? std::string(init->name()) : std::string{};
    if (name == "systemd")
        return "systemd";
    if (!files.first_of({"/sbin/openrc", "/usr/sbin/openrc", "/usr/bin/openrc"}).empty())
        return "openrc";
    if (name == "busybox")
        return "busybox";
    if (init)
        return files.exists("/etc/inittab") || files.exists("/etc/init.d") ? "sysvinit" : "";
    return files.first_of({"/usr/lib/systemd/systemd", "/lib/systemd/systemd"}).empty() ? ""
                                                                                        : "systemd";
}

void take_os_release(std::string_view text, OperatingSystem& os) {
    auto values = parse_os_release(text);
    os.distro = printable(values["ID"]);
    for (auto word : split_words(values["ID_LIKE"]))
        os.like.push_back(printable(word));
    os.version = printable(values["VERSION_ID"]);
    os.codename = printable(values["VERSION_CODENAME"]);
    os.variant = printable(values["VARIANT_ID"]);
    os.product = printable(values["PRETTY_NAME"]);
    if (os.product.empty())
        os.product = printable(values["NAME"]);
    // openSUSE's ID_LIKE says "suse", RHEL's "fedora"; SLES names itself alone.
    if (os.distro == "sles" || os.distro == "sled")
        os.like.emplace_back("suse");
}

// "12" is 12.0, "22.04" is 22.4, "3.19.1" is 3.19.
void take_numbers(OperatingSystem& os) {
    auto parts = split(os.version, '.');
    auto number = [&](std::size_t index) {
        auto digits = index < parts.size() ? parts[index] : std::string_view{};
        return parse_number(digits.substr(0, digits.find_first_not_of("0123456789"))).value_or(0);
    };
    os.major_version = number(0);
    os.minor_version = number(1);
}

// What the kernel tries in turn (kernel_init of its init/main.c), without the shell.
void report_missing_init(const GuestFiles& files) {
    if (files.first_of({"/sbin/init", "/etc/init", "/bin/init"}).empty())
        files.find({.id = "init-missing",
                    .severity = report::Severity::Error,
                    .where = "/sbin/init",
                    .text = "/sbin/init does not exist, so the kernel finds nothing to start",
                    .remedy = "install the guest's init package again"});
}

} // namespace

std::string detect_system_type(const sys::RootDir& root) {
    if (auto bsd = detect_bsd(root); !bsd.empty())
        return bsd;
    bool named =
        is_there(root, "/etc/os-release") || is_there(root, "/etc/fstab") || has_release_file(root);
    if (named && (is_there(root, "/usr") || is_there(root, "/bin")))
        return "linux";
    report::Findings unused;
    return find_windows(GuestFiles(root, unused)) ? "windows" : "";
}

OperatingSystem detect_system(const GuestFiles& files, const report::Inventory& inventory) {
    OperatingSystem os{.type = detect_system_type(files.root()),
                       .distro = "",
                       .product = "",
                       .version = "",
                       .arch = ""};
    if (os.type == "windows")
        return read_windows(files, find_windows(files).value_or(""), inventory);
    os.arch = detect_arch(files.root());
    if (os.type != "linux") {
        take_bsd(files, os);
        take_numbers(os);
        return os;
    }
    auto release = files.read("/etc/os-release", 65536);
    if (!release)
        release = files.read("/usr/lib/os-release", 65536);
    if (release)
        take_os_release(*release, os);
    else
        take_release_file(files, os);
    take_numbers(os);
    os.hostname = detect_hostname(files);
    take_packaging(files, os);
    os.init_system = detect_init(files);
    report_missing_init(files);
    return os;
}

} // namespace slipway::guest
