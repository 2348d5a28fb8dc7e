// SPDX-License-Identifier: Apache-2.0
#include "guest/system.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/os_release.hpp"
#include "guest/windows.hpp"

namespace slipway::guest {
namespace {

using report::OperatingSystem;
using sys::GuestPath;

// Even where it dangles: /etc/os-release points into /usr, which may be a filesystem of its own.
bool is_there(const sys::RootDir& root, std::string_view path) {
    return root.stat(GuestPath(path), false).has_value();
}

struct Machine {
    unsigned elf;
    std::string_view name;
};
constexpr std::array machines{
    Machine{EM_X86_64, "x86_64"}, Machine{EM_386, "i386"},        Machine{EM_AARCH64, "aarch64"},
    Machine{EM_ARM, "arm"},       Machine{EM_RISCV, "riscv64"},   Machine{EM_S390, "s390x"},
    Machine{EM_PPC, "ppc"},       Machine{EM_SPARCV9, "sparc64"}, Machine{EM_IA_64, "ia64"},
    Machine{258, "loongarch64"}, // EM_LOONGARCH, which glibc 2.36 lacks
};

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
        return printable(values["HOSTNAME"]);
    }
    return {};
}

struct Packager {
    std::string_view name;
    std::string_view family; ///< ID or ID_LIKE of the distributions that live by it
    std::string_view program;
};
constexpr std::array packagers{
    Packager{"apt", "debian", "/usr/bin/apt-get"}, Packager{"zypper", "suse", "/usr/bin/zypper"},
    Packager{"dnf", "fedora", "/usr/bin/dnf"},     Packager{"dnf", "rhel", "/usr/bin/dnf"},
    Packager{"pacman", "arch", "/usr/bin/pacman"}, Packager{"apk", "alpine", "/sbin/apk"},
    Packager{"dnf", "", "/usr/bin/dnf5"},          Packager{"yum", "", "/usr/bin/yum"},
    Packager{"apk", "", "/usr/bin/apk"},           Packager{"emerge", "", "/usr/bin/emerge"},
    Packager{"xbps", "", "/usr/bin/xbps-install"},
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
    Format{"deb", "apt"},       Format{"rpm", "dnf"},   Format{"rpm", "yum"},
    Format{"rpm", "zypper"},    Format{"apk", "apk"},   Format{"pacman", "pacman"},
    Format{"ebuild", "emerge"}, Format{"xbps", "xbps"},
};

// A small or old system may have the database and no program that we know.
std::string detect_package_format(const GuestFiles& files, const OperatingSystem& os) {
    for (const auto& format : formats)
        if (format.manager == os.package_manager)
            return std::string(format.name);
    if (files.exists("/var/lib/dpkg/status") || files.exists("/var/lib/dpkg/status.d"))
        return "deb";
    if (files.exists("/usr/lib/sysimage/rpm") || files.exists("/var/lib/rpm"))
        return "rpm";
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
    os.product = printable(values["PRETTY_NAME"]);
    if (os.product.empty())
        os.product = printable(values["NAME"]);
    // openSUSE's ID_LIKE says "suse", RHEL's "fedora"; SLES names itself alone.
    if (os.distro == "sles" || os.distro == "sled")
        os.like.emplace_back("suse");
}

std::string version_in(std::string_view text) {
    auto first = text.find_first_of("0123456789");
    if (first == std::string_view::npos)
        return {};
    auto end = text.find_first_not_of("0123456789.", first);
    return std::string(text.substr(first, end == std::string_view::npos ? end : end - first));
}

struct ReleaseFile {
    std::string_view path;
    std::string_view distro;
};
// Systems older than os-release (2012). centos-release before redhat-release, which it is a link
// to.
constexpr std::array release_files{
    ReleaseFile{"/etc/debian_version", "debian"}, ReleaseFile{"/etc/centos-release", "centos"},
    ReleaseFile{"/etc/fedora-release", "fedora"}, ReleaseFile{"/etc/oracle-release", "ol"},
    ReleaseFile{"/etc/redhat-release", "rhel"},   ReleaseFile{"/etc/SuSE-release", "suse"},
    ReleaseFile{"/etc/alpine-release", "alpine"}, ReleaseFile{"/etc/arch-release", "arch"},
    ReleaseFile{"/etc/gentoo-release", "gentoo"},
};

void take_release_file(const GuestFiles& files, OperatingSystem& os) {
    for (const auto& file : release_files) {
        auto text = files.read(std::string(file.path), 4096);
        if (!text)
            continue;
        os.distro = file.distro;
        os.version = version_in(*text);
        os.product = printable(first_word_line(*text));
        if (file.distro == "debian" || file.distro == "alpine")
            os.product = fmt::format("{} {}", file.distro == "debian" ? "Debian" : "Alpine Linux",
                                     os.product);
        return;
    }
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

std::string elf_machine(std::string_view header) {
    constexpr std::size_t machine_at = 18; // e_machine, see elf(5)
    if (header.size() < machine_at + 2 || !header.starts_with(ELFMAG))
        return {};
    auto byte = [&](std::size_t at) {
        return static_cast<unsigned>(static_cast<unsigned char>(header[at]));
    };
    bool little = byte(EI_DATA) == ELFDATA2LSB;
    bool is_64_bit = byte(EI_CLASS) == ELFCLASS64;
    auto machine = little ? byte(machine_at) | byte(machine_at + 1) << 8
                          : byte(machine_at) << 8 | byte(machine_at + 1);
    if (machine == EM_PPC64)
        return little ? "ppc64le" : "ppc64";
    if (machine == EM_MIPS)
        return fmt::format("mips{}{}", is_64_bit ? "64" : "", little ? "el" : "");
    if (machine == EM_S390 && !is_64_bit)
        return "s390";
    if (machine == EM_RISCV && !is_64_bit)
        return "riscv32";
    const auto* known = std::find_if(machines.begin(), machines.end(),
                                     [&](const auto& each) { return each.elf == machine; });
    return known == machines.end() ? std::string{} : std::string(known->name);
}

std::string detect_system_type(const sys::RootDir& root) {
    bool named = is_there(root, "/etc/os-release") || is_there(root, "/etc/fstab");
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
    if (os.type != "linux")
        return os;
    auto release = files.read("/etc/os-release", 65536);
    if (!release)
        release = files.read("/usr/lib/os-release", 65536);
    if (release)
        take_os_release(*release, os);
    else
        take_release_file(files, os);
    os.arch = detect_arch(files.root());
    os.hostname = detect_hostname(files);
    os.package_manager = detect_package_manager(files, os);
    os.package_format = detect_package_format(files, os);
    os.init_system = detect_init(files);
    report_missing_init(files);
    return os;
}

} // namespace slipway::guest
