// SPDX-License-Identifier: Apache-2.0
#include "guest/windows.hpp"

#include <array>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/drive_letters.hpp"
#include "guest/folded_path.hpp"
#include "guest/registry.hpp"
#include "image/byte_order.hpp"

namespace slipway::guest {
namespace {

using report::OperatingSystem;
using report::Severity;
using sys::GuestPath;

constexpr std::string_view current_version = "Microsoft\\Windows NT\\CurrentVersion";

/// The first bytes of a file from an offset; fewer where it is shorter or cannot be read.
std::string peek(const GuestFiles& files, const std::string& path, std::uint64_t offset,
                 std::size_t count) {
    auto file = files.root().open_path(GuestPath(path), O_RDONLY);
    if (!file)
        return {};
    std::string bytes(count, '\0');
    auto got = ::pread(file->raw(), bytes.data(), count, static_cast<off_t>(offset));
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
}

// See "PE Format" of Microsoft: at 0x3c stands where the header is, and the machine follows its
// mark.
std::string_view machine_of_program(const GuestFiles& files, const std::string& path) {
    auto start = peek(files, path, 0, 0x40);
    if (start.size() < 0x40 || !start.starts_with("MZ"))
        return {};
    auto header = peek(files, path, image::little_endian<std::uint32_t>(start, 0x3c), 6);
    if (header.size() < 6 || !header.starts_with(std::string_view("PE\0\0", 4)))
        return {};
    return pe_machine(image::little_endian<std::uint16_t>(header, 4));
}

std::string detect_arch(const GuestFiles& files, const std::string& system_root) {
    for (const auto* program : {"ntoskrnl.exe", "cmd.exe", "kernel32.dll"})
        if (auto path = find_folded(files, fmt::format("{}/System32/{}", system_root, program)))
            if (auto machine = machine_of_program(files, *path); !machine.empty())
                return std::string(machine);
    return {};
}

std::string arch_named(std::string_view name) {
    auto folded = to_lower(name);
    if (folded == "amd64")
        return "x86_64";
    if (folded == "arm64")
        return "aarch64";
    return folded == "x86" ? "i386" : folded;
}

std::optional<Hive> open_hive(const GuestFiles& files, const std::string& system_root,
                              std::string_view name) {
    auto wanted = fmt::format("{}/System32/config/{}", system_root, name);
    auto path = find_folded(files, wanted);
    auto hive = path ? Hive::open(files.root(), GuestPath(*path))
                     : Result<Hive>(fail(Code::NotFound, wanted + " is not there"));
    if (hive)
        return std::move(*hive);
    files.find({.id = "registry-unreadable",
                .severity = Severity::Warning,
                .where = wanted,
                .text = fmt::format("{} was not read: {}", wanted, render_line(hive.error()))});
    return std::nullopt;
}

// Windows 10 counts in numbers of their own; before, "6.1" stands as text, and stays there for
// programs that compare it ("6.3" in Windows 10).
void take_version(const Hive& software, OperatingSystem& os) {
    auto major = software.number(current_version, "CurrentMajorVersionNumber");
    auto minor = software.number(current_version, "CurrentMinorVersionNumber");
    if (!major) {
        auto parts = software.text(current_version, "CurrentVersion");
        auto dot = parts.find('.');
        major = parse_number(std::string_view(parts).substr(0, dot)).value_or(0);
        if (dot != std::string::npos)
            minor = parse_number(std::string_view(parts).substr(dot + 1)).value_or(0);
    }
    os.major_version = *major;
    os.minor_version = minor.value_or(0);
    auto build = software.text(current_version, "CurrentBuildNumber");
    if (build.empty())
        build = software.text(current_version, "CurrentBuild");
    if (os.major_version != 0)
        os.version = fmt::format("{}.{}", os.major_version, os.minor_version);
    os.windows->build = std::move(build);
}

void take_software(const Hive& software, OperatingSystem& os) {
    os.product = software.text(current_version, "ProductName");
    os.variant = software.text(current_version, "InstallationType");
    os.windows->edition = software.text(current_version, "EditionID");
    take_version(software, os);
    // Windows 11 still calls itself 10 there; its builds begin at 22000.
    constexpr std::string_view ten = "Windows 10";
    bool is_11 = parse_number(os.windows->build).value_or(0) >= 22000;
    if (is_11 && os.variant == "Client" && os.product.starts_with(ten))
        os.product.replace(0, ten.size(), "Windows 11");
}

std::string first_text(const Hive& hive, const std::string& set,
                       std::initializer_list<std::pair<const char*, const char*>> places) {
    for (const auto& [key, value] : places)
        if (auto text = hive.text(fmt::format("{}\\{}", set, key), value); !text.empty())
            return text;
    return {};
}

void take_system(const Hive& system, const report::Inventory& inventory, OperatingSystem& os) {
    auto current = system.number("Select", "Current").value_or(1);
    auto set = fmt::format("ControlSet{:03}", current);
    os.windows->control_set = set;
    os.hostname = first_text(system, set,
                             {{"Services\\Tcpip\\Parameters", "Hostname"},
                              {"Services\\Tcpip\\Parameters", "NV Hostname"},
                              {"Control\\ComputerName\\ComputerName", "ComputerName"}});
    if (os.arch.empty())
        os.arch = arch_named(
            system.text(set + "\\Control\\Session Manager\\Environment", "PROCESSOR_ARCHITECTURE"));
    os.windows->drives = map_drives(system.values("MountedDevices"), inventory);
}

// Fast startup, which is on as a rule, hibernates the system instead of ending it.
bool is_hibernated(const GuestFiles& files) {
    auto path = find_folded(files, "/hiberfil.sys");
    return path && to_lower(peek(files, *path, 0, 4)) == "hibr";
}

} // namespace

std::string_view pe_machine(unsigned number) {
    struct Machine {
        unsigned number;
        std::string_view name;
    };
    constexpr std::array machines{Machine{0x8664, "x86_64"}, Machine{0x14c, "i386"},
                                  Machine{0xaa64, "aarch64"}, Machine{0x1c4, "arm"},
                                  Machine{0x200, "ia64"}};
    for (const auto& machine : machines)
        if (machine.number == number)
            return machine.name;
    return {};
}

std::optional<std::string> find_windows(const GuestFiles& files) {
    for (const std::string name : {"/Windows", "/WINNT"})
        if (auto found = find_folded(files, name);
            found && find_folded(files, *found + "/System32/config"))
            return found;
    return std::nullopt;
}

OperatingSystem read_windows(const GuestFiles& files, const std::string& system_root,
                             const report::Inventory& inventory) {
    OperatingSystem os{.type = "windows",
                       .distro = "windows",
                       .product = "",
                       .version = "",
                       .arch = detect_arch(files, system_root)};
    os.windows.emplace().system_root = system_root;
    if (auto software = open_hive(files, system_root, "SOFTWARE"))
        take_software(*software, os);
    if (auto system = open_hive(files, system_root, "SYSTEM"))
        take_system(*system, inventory, os);
    if (os.product.empty())
        os.product = "Windows";
    os.windows->hibernated = is_hibernated(files);
    if (os.windows->hibernated)
        files.find({.id = "hibernated",
                    .severity = Severity::Error,
                    .where = inventory.root,
                    .text = "Windows is hibernated, or was shut down by fast startup: it goes on "
                            "from memory that knows the disk as it is now",
                    .remedy = "start it where it was, and shut it down with `shutdown /s /t 0`"});
    return os;
}

} // namespace slipway::guest
