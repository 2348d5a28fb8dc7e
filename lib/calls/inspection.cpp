// SPDX-License-Identifier: Apache-2.0
// Calls that say what is installed.
#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/compression.hpp"
#include "base/elf.hpp"
#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/guest_view.hpp"
#include "guest/find.hpp"
#include "guest/inspect.hpp"
#include "guest/packages.hpp"
#include "guest/system.hpp"
#include "guest/windows.hpp"
#include "guest/windows_programs.hpp"
#include "image/byte_order.hpp"
#include "mount/tree.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;
using std::string, std::int64_t;

constexpr std::size_t largest_module = 64 << 20;

Result<Inspected> inspect_root(Machine& machine, const mount::Volumes& volumes, const string& root,
                               std::optional<mount::MountedVolume> mounted) {
    SLIPWAY_TRY(auto tree, mount::MountTree::mount(volumes, {.root = root}, machine.sysroot,
                                                   std::move(mounted)));
    std::vector<mount::MountableDisk> disks;
    for (const auto& disk : machine.disks)
        disks.push_back({record_of(disk), "/dev/" + disk.disk().name});
    SLIPWAY_TRY(auto inventory, guest::inspect(guest::opened_guest(tree, disks, volumes)));
    report::Findings unused;
    auto system = describe_system(inventory, guest::GuestFiles(tree.root(), unused));
    SLIPWAY_CHECK(tree.unmount());
    return system;
}

Strings roots_of(const Machine& machine) {
    Strings roots;
    for (const auto& system : machine.inspected)
        roots.push_back(system.root);
    return roots;
}

Result<Strings> inspect_os(Machine& machine) {
    SLIPWAY_CHECK(machine.unmount_all());
    machine.inspected.clear();
    auto volumes = volumes_of(machine);
    SLIPWAY_TRY(auto search, guest::find_systems(volumes, machine.sysroot, {}));
    for (const auto& found : search.systems) {
        auto system = inspect_root(machine, volumes, found.root, std::move(search.mounted));
        search.mounted.reset();
        if (system)
            machine.inspected.push_back(std::move(*system));
        else
            machine.host.log.warning("{}: {}", found.root, render_line(system.error()));
    }
    return roots_of(machine);
}

Result<Strings> inspect_get_roots(Machine& machine) {
    return roots_of(machine);
}

Result<const Inspected*> find_system(const Machine& machine, const Mountable& root) {
    if (machine.inspected.empty())
        return fail(Code::InvalidArgument, "no inspection data: call inspect_os first");
    auto name = root.str();
    for (const auto& system : machine.inspected)
        if (system.root == name)
            return &system;
    return fail(Code::NotFound,
                fmt::format("{}: root device not found: inspect_os did not name it", name));
}

/// A call whose answer was found out by inspect_os.
template <auto member> auto get(Machine& machine, const Mountable& root) {
    using Value = std::remove_cvref_t<decltype(std::declval<Inspected>().*member)>;
    using Answer = std::conditional_t<std::is_integral_v<Value>, int64_t, Value>;
    auto found = find_system(machine, root);
    return found ? Result<Answer>(static_cast<Answer>((*found)->*member))
                 : Result<Answer>(fail(std::move(found).error()));
}

/// The same of the record below; what is empty is unknown.
template <auto member> Result<string> get_os(Machine& machine, const Mountable& root) {
    SLIPWAY_TRY(const auto* system, find_system(machine, root));
    const string& text = system->os.*member;
    return text.empty() ? string("unknown") : text;
}

Result<Json> get_mountpoints(Machine& machine, const Mountable& root) {
    SLIPWAY_TRY(const auto* system, find_system(machine, root));
    auto places = Json::object();
    for (const auto& [path, device] : system->mountpoints)
        places[path] = device;
    return places;
}

Result<Json> get_drive_mappings(Machine& machine, const Mountable& root) {
    SLIPWAY_TRY(const auto* system, find_system(machine, root));
    auto drives = Json::object();
    if (system->os.windows)
        for (const auto& drive : system->os.windows->drives)
            drives[drive.letter] = api_name(drive.volume);
    return drives;
}

Result<string> windows_text(Machine& machine, const Mountable& root, const char* what,
                            string (*text)(const Inspected&)) {
    SLIPWAY_TRY(const auto* system, find_system(machine, root));
    auto found = system->os.windows ? text(*system) : string{};
    if (found.empty())
        return fail(Code::NotFound,
                    fmt::format("not a Windows guest, or its {} was not found", what));
    return found;
}
Result<string> get_systemroot(Machine& machine, const Mountable& root) {
    return windows_text(machine, root, "system root",
                        [](const Inspected& system) { return system.os.windows->system_root; });
}
Result<string> get_control_set(Machine& machine, const Mountable& root) {
    return windows_text(machine, root, "current control set",
                        [](const Inspected& system) { return system.os.windows->control_set; });
}
Result<string> get_software_hive(Machine& machine, const Mountable& root) {
    return windows_text(machine, root, "software hive",
                        [](const Inspected& system) { return system.software_hive; });
}
Result<string> get_system_hive(Machine& machine, const Mountable& root) {
    return windows_text(machine, root, "system hive",
                        [](const Inspected& system) { return system.system_hive; });
}

Result<string> get_format(Machine&, const Mountable&) {
    return string("installed");
}
// Of installation media, which are not told apart.
Result<bool> never(Machine&, const Mountable&) {
    return false;
}

Result<string> get_product_variant(Machine& machine, const Mountable& root) {
    SLIPWAY_TRY(const auto* system, find_system(machine, root));
    bool known = system->os.windows && !system->os.variant.empty();
    return known ? system->os.variant : string("unknown");
}

/// A record of the API; `version` 1 has fewer members.
class Application {
public:
    explicit Application(char version) : prefix_(version == '2' ? "app2_" : "app_") {
        set("name", "").set("display_name", "").set("epoch", 0).set("version", "");
        set("release", "");
        if (version == '2')
            set("arch", "");
        for (const auto* name : {"install_path", "trans_path", "publisher", "url", "source_package",
                                 "summary", "description"})
            set(name, "");
        if (version == '2')
            for (const auto* name : {"spare1", "spare2", "spare3", "spare4"})
                set(name, "");
    }
    Application& set(const char* name, const Json& value) {
        record_[prefix_ + name] = value;
        return *this;
    }
    [[nodiscard]] Json take() { return std::move(record_); }

private:
    string prefix_;
    Json record_ = Json::object();
};

// libguestfs has the line about a package of apk where other formats have the longer text, and
// the release without its letter.
void take_like_apk(report::Package& package) {
    package.description = std::exchange(package.summary, {});
    package.source.clear();
    if (package.release.starts_with('r'))
        package.release.erase(0, 1);
}

Result<Json> list_packages(const sys::RootDir& root, const Inspected& system, char version) {
    report::Findings findings;
    auto packages =
        guest::read_packages(guest::GuestFiles(root, findings), system.os.package_format);
    for (const auto& finding : findings)
        if (finding.severity >= report::Severity::Warning)
            return fail(Code::Corrupt, finding.text, finding.remedy);
    const auto& format = system.os.package_format;
    if (packages.database.empty() && (format == "deb" || format == "rpm" || format == "apk"))
        return fail(Code::NotFound, "the guest has no database of its packages");
    auto records = Json::array();
    for (auto& package : packages.list) {
        if (packages.database == "apk")
            take_like_apk(package);
        Application record(version);
        record.set("name", package.name).set("epoch", package.epoch);
        record.set("version", package.version).set("release", package.release);
        record.set("url", package.url).set("source_package", package.source);
        record.set("summary", package.summary).set("description", package.description);
        if (version == '2')
            record.set("arch", package.arch);
        records.push_back(record.take());
    }
    return records;
}

Result<Json> list_programs(const sys::RootDir& root, const Inspected& system, char version) {
    auto records = Json::array();
    if (system.software_hive.empty())
        return records;
    SLIPWAY_TRY(auto programs,
                guest::read_windows_programs(root, sys::GuestPath(system.software_hive)));
    for (const auto& program : programs)
        records.push_back(Application(version)
                              .set("name", program.key)
                              .set("display_name", program.name)
                              .set("version", program.version)
                              .set("install_path", program.directory)
                              .set("publisher", program.publisher)
                              .set("url", program.url)
                              .set("description", program.comments)
                              .take());
    return records;
}

template <char version>
Result<Json> list_applications(Machine& machine, const Mountable& mountable) {
    SLIPWAY_TRY(const auto* system, find_system(machine, mountable));
    SLIPWAY_TRY(auto root, machine.root());
    return system->os.windows ? list_programs(root, *system, version)
                              : list_packages(root, *system, version);
}

string architecture_in(std::string_view bytes) {
    auto machine = elf_machine(bytes);
    if (!machine.empty() || bytes.size() < 0x40 || !bytes.starts_with("MZ"))
        return machine;
    auto header = image::little_endian<std::uint32_t>(bytes, 0x3c);
    if (bytes.size() < std::size_t{header} + 6 ||
        bytes.substr(header, 4) != std::string_view("PE\0\0", 4))
        return {};
    return string(guest::pe_machine(image::little_endian<std::uint16_t>(bytes, header + 4)));
}

Result<string> file_architecture(Machine& machine, const sys::GuestPath& path) {
    constexpr std::size_t head_size = 64 << 10;
    SLIPWAY_TRY(auto root, machine.root());
    auto info = root.stat(path, false);
    if (!info)
        return fail(std::move(info).error());
    auto unknown = fail(Code::InvalidArgument, fmt::format("unknown architecture: {}", path.str()));
    if (!S_ISREG(info->st_mode))
        return unknown;
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDONLY));
    string head(head_size, '\0');
    auto got = ::pread(file.raw(), head.data(), head.size(), 0);
    if (got < 0)
        return fail_errno(path.str());
    head.resize(static_cast<std::size_t>(got));
    auto compression = archive::identify_compression(
        {reinterpret_cast<const unsigned char*>(head.data()), head.size()});
    // A module of the kernel; an initramfs is larger.
    if (compression != archive::Compression::None) {
        SLIPWAY_TRY(auto packed, root.read(path, largest_module));
        auto unpacked = archive::unpack(packed, largest_module);
        head = unpacked ? std::move(*unpacked) : string{};
    }
    auto found = architecture_in(head);
    return found.empty() ? Result<string>(unknown) : Result<string>(std::move(found));
}

struct Icon {
    std::string_view distro;
    const char* path;
    bool fine = true; ///< of more than 24 by 24 points
};
// Where the distributions' own packages put them.
constexpr std::array icons{
    Icon{"debian", "/usr/share/pixmaps/debian-logo.png"},
    Icon{"ubuntu", "/usr/share/icons/gnome/24x24/places/ubuntu-logo.png", false},
    Icon{"fedora", "/usr/share/icons/hicolor/96x96/apps/fedora-logo-icon.png"},
    Icon{"rhel", "/usr/share/pixmaps/redhat/shadowman-transparent.png"},
    Icon{"mageia", "/usr/share/icons/mageia.png"},
    Icon{"opensuse", "/usr/share/icons/hicolor/24x24/apps/distributor.png", false},
};

Result<string> read_icon(const sys::RootDir& root, const char* path) {
    constexpr std::size_t largest_icon = 1 << 20;
    constexpr std::string_view png = "\x89PNG\r\n\x1a\n";
    auto content = root.read(sys::GuestPath(path), largest_icon);
    return content && content->starts_with(png) ? std::move(*content) : string{};
}

Status get_icon(Machine& machine, const Mountable& mountable, std::optional<bool> favicon,
                std::optional<bool> high_quality, const Output& output) {
    SLIPWAY_TRY(const auto* system, find_system(machine, mountable));
    SLIPWAY_TRY(auto root, machine.root());
    string icon;
    if (favicon.value_or(true)) {
        SLIPWAY_TRY(icon, read_icon(root, "/etc/favicon.png"));
    }
    for (const auto& each : icons)
        if (icon.empty() && each.distro == system->distro &&
            (each.fine || !high_quality.value_or(false))) {
            SLIPWAY_TRY(icon, read_icon(root, each.path));
        }
    return output.send(icon);
}

} // namespace

Calls inspection_calls() {
    using report::OperatingSystem;
    static constexpr Call calls[] = {
        {"file_architecture", bind<file_architecture>},
        {"inspect_get_arch", bind<&get_os<&OperatingSystem::arch>>},
        {"inspect_get_distro", bind<&get<&Inspected::distro>>},
        {"inspect_get_drive_mappings", bind<get_drive_mappings>},
        {"inspect_get_filesystems", bind<&get<&Inspected::filesystems>>},
        {"inspect_get_format", bind<get_format>},
        {"inspect_get_hostname", bind<&get_os<&OperatingSystem::hostname>>},
        {"inspect_get_icon", bind<get_icon>},
        {"inspect_get_major_version", bind<&get<&Inspected::major_version>>},
        {"inspect_get_minor_version", bind<&get<&Inspected::minor_version>>},
        {"inspect_get_mountpoints", bind<get_mountpoints>},
        {"inspect_get_osinfo", bind<&get<&Inspected::osinfo>>},
        {"inspect_get_package_format", bind<&get<&Inspected::package_format>>},
        {"inspect_get_package_management", bind<&get<&Inspected::package_management>>},
        {"inspect_get_product_name", bind<&get<&Inspected::product>>},
        {"inspect_get_product_variant", bind<get_product_variant>},
        {"inspect_get_roots", bind<inspect_get_roots>},
        {"inspect_get_type", bind<&get_os<&OperatingSystem::type>>},
        {"inspect_get_windows_current_control_set", bind<get_control_set>},
        {"inspect_get_windows_software_hive", bind<get_software_hive>},
        {"inspect_get_windows_system_hive", bind<get_system_hive>},
        {"inspect_get_windows_systemroot", bind<get_systemroot>},
        {"inspect_is_live", bind<never>},
        {"inspect_is_multipart", bind<never>},
        {"inspect_is_netinst", bind<never>},
        {"inspect_list_applications", bind<&list_applications<'1'>>},
        {"inspect_list_applications2", bind<&list_applications<'2'>>},
        {"inspect_os", bind<inspect_os>},
    };
    return calls;
}

} // namespace slipway::calls
