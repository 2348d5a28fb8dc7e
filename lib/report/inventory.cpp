// SPDX-License-Identifier: Apache-2.0
#include "report/inventory.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace slipway::report {
namespace {

Json volume_to_json(const Volume& volume) {
    Json json{{"name", volume.name},           {"disk", volume.disk},
              {"partition", volume.partition}, {"start", volume.start},
              {"size", volume.size},           {"type", volume.type},
              {"label", volume.label},         {"uuid", volume.uuid},
              {"partuuid", volume.partuuid},   {"partlabel", volume.partlabel},
              {"parttype", volume.parttype},   {"bootable", volume.bootable},
              {"dirty", volume.dirty},         {"kind", volume.kind},
              {"stands_on", volume.stands_on}};
    json["used"] = volume.used ? Json(*volume.used) : Json();
    return json;
}

Volume volume_from_json(const Json& json) {
    Volume volume{.name = json_get<std::string>(json, "name"),
                  .disk = json_get<std::string>(json, "disk"),
                  .partition = json_get<unsigned>(json, "partition"),
                  .start = json_get<std::uint64_t>(json, "start"),
                  .size = json_get<std::uint64_t>(json, "size"),
                  .type = json_get<std::string>(json, "type"),
                  .label = json_get<std::string>(json, "label"),
                  .uuid = json_get<std::string>(json, "uuid"),
                  .partuuid = json_get<std::string>(json, "partuuid"),
                  .partlabel = json_get<std::string>(json, "partlabel"),
                  .parttype = json_get<std::string>(json, "parttype"),
                  .bootable = json_get<bool>(json, "bootable"),
                  .dirty = json_get<bool>(json, "dirty"),
                  .kind = json_get<std::string>(json, "kind"),
                  .stands_on = json_get<std::vector<std::string>>(json, "stands_on")};
    if (const auto& used = json_at(json, "used"); used.is_number_unsigned())
        volume.used = used.get<std::uint64_t>();
    return volume;
}

Json kernel_to_json(const Kernel& kernel) {
    Json json{{"version", kernel.version},     {"image", kernel.image},
              {"initramfs", kernel.initramfs}, {"modules_dir", kernel.modules_dir},
              {"rescue", kernel.rescue},       {"examined", kernel.examined}};
    if (kernel.examined) {
        json["virtio_in_initramfs"] = kernel.virtio_in_initramfs;
        json["virtio_builtin"] = kernel.virtio_builtin;
        json["missing_modules"] = kernel.missing_modules;
        if (!kernel.initramfs_error.empty())
            json["initramfs_error"] = kernel.initramfs_error;
    }
    return json;
}

Kernel kernel_from_json(const Json& json) {
    return {.version = json_get<std::string>(json, "version"),
            .image = json_get<std::string>(json, "image"),
            .initramfs = json_get<std::string>(json, "initramfs"),
            .modules_dir = json_get<std::string>(json, "modules_dir"),
            .rescue = json_get<bool>(json, "rescue"),
            .examined = json_get<bool>(json, "examined"),
            .virtio_in_initramfs = json_get<bool>(json, "virtio_in_initramfs"),
            .virtio_builtin = json_get<bool>(json, "virtio_builtin"),
            .missing_modules = json_get<std::vector<std::string>>(json, "missing_modules"),
            .initramfs_error = json_get<std::string>(json, "initramfs_error")};
}

Json fstab_to_json(const FstabEntry& entry) {
    return {{"line_no", entry.line_no},       {"spec", entry.spec},
            {"mountpoint", entry.mountpoint}, {"type", entry.type},
            {"options", entry.options},       {"volume", entry.volume},
            {"unstable", entry.unstable}};
}

FstabEntry fstab_from_json(const Json& json) {
    return {.line_no = json_get<int>(json, "line_no"),
            .spec = json_get<std::string>(json, "spec"),
            .mountpoint = json_get<std::string>(json, "mountpoint"),
            .type = json_get<std::string>(json, "type"),
            .options = json_get<std::string>(json, "options"),
            .volume = json_get<std::string>(json, "volume"),
            .unstable = json_get<bool>(json, "unstable")};
}

template <class T, class Convert> Json array_of(const std::vector<T>& items, Convert convert) {
    auto json = Json::array();
    for (const auto& item : items)
        json.push_back(convert(item));
    return json;
}

template <class T, class Convert> std::vector<T> vector_of(const Json& json, Convert convert) {
    std::vector<T> items;
    if (json.is_array())
        for (const auto& item : json)
            items.push_back(convert(item));
    return items;
}

Json windows_to_json(const WindowsSystem& windows) {
    return {{"systemroot", windows.system_root},
            {"current_control_set", windows.control_set},
            {"edition", windows.edition},
            {"build", windows.build},
            {"hibernated", windows.hibernated},
            {"drive_mappings", array_of(windows.drives, [](const DriveMapping& drive) -> Json {
                 return {{"letter", drive.letter}, {"volume", drive.volume}};
             })}};
}

WindowsSystem windows_from_json(const Json& json) {
    return {.system_root = json_get<std::string>(json, "systemroot"),
            .control_set = json_get<std::string>(json, "current_control_set"),
            .edition = json_get<std::string>(json, "edition"),
            .build = json_get<std::string>(json, "build"),
            .hibernated = json_get<bool>(json, "hibernated"),
            .drives =
                vector_of<DriveMapping>(json_at(json, "drive_mappings"), [](const Json& drive) {
                    return DriveMapping{json_get<std::string>(drive, "letter"),
                                        json_get<std::string>(drive, "volume")};
                })};
}

Json os_to_json(const OperatingSystem& os) {
    Json json{{"type", os.type},
              {"distro", os.distro},
              {"like", os.like},
              {"product", os.product},
              {"version", os.version},
              {"major", os.major_version},
              {"minor", os.minor_version},
              {"variant", os.variant},
              {"codename", os.codename},
              {"arch", os.arch},
              {"hostname", os.hostname},
              {"package_manager", os.package_manager},
              {"package_format", os.package_format},
              {"init_system", os.init_system}};
    if (os.windows)
        json["windows"] = windows_to_json(*os.windows);
    return json;
}

OperatingSystem os_from_json(const Json& json) {
    OperatingSystem os{.type = json_get<std::string>(json, "type"),
                       .distro = json_get<std::string>(json, "distro"),
                       .like = json_get<std::vector<std::string>>(json, "like"),
                       .product = json_get<std::string>(json, "product"),
                       .version = json_get<std::string>(json, "version"),
                       .major_version = json_get<std::uint64_t>(json, "major"),
                       .minor_version = json_get<std::uint64_t>(json, "minor"),
                       .variant = json_get<std::string>(json, "variant"),
                       .codename = json_get<std::string>(json, "codename"),
                       .arch = json_get<std::string>(json, "arch"),
                       .hostname = json_get<std::string>(json, "hostname"),
                       .package_manager = json_get<std::string>(json, "package_manager"),
                       .package_format = json_get<std::string>(json, "package_format"),
                       .init_system = json_get<std::string>(json, "init_system")};
    if (const auto& windows = json_at(json, "windows"); windows.is_object())
        os.windows = windows_from_json(windows);
    return os;
}

Json boot_loader_to_json(const BootLoader& loader) {
    return {{"kind", loader.kind},
            {"config_files", loader.config_files},
            {"grub_config", loader.grub_config},
            {"uses_bls", loader.uses_bls},
            {"mkconfig", loader.mkconfig}};
}

BootLoader boot_loader_from_json(const Json& json) {
    return {.kind = json_get<std::string>(json, "kind"),
            .config_files = json_get<std::vector<std::string>>(json, "config_files"),
            .grub_config = json_get<std::string>(json, "grub_config"),
            .uses_bls = json_get<bool>(json, "uses_bls"),
            .mkconfig = json_get<std::string>(json, "mkconfig")};
}

} // namespace

const Volume* Inventory::find_volume(std::string_view name) const {
    for (const auto& volume : volumes)
        if (volume.name == name)
            return &volume;
    constexpr std::string_view subvolume = "btrfs:";
    if (name.starts_with(subvolume))
        for (const auto& volume : volumes)
            if (name.substr(subvolume.size()).starts_with(volume.name + "/"))
                return &volume;
    return nullptr;
}

bool Inventory::is_opened(const Volume& container) const {
    return std::any_of(volumes.begin(), volumes.end(), [&](const auto& volume) {
        return std::find(volume.stands_on.begin(), volume.stands_on.end(), container.name) !=
               volume.stands_on.end();
    });
}

const Volume* Inventory::volume_with_uuid(std::string_view uuid) const {
    for (const auto& volume : volumes)
        if (!volume.uuid.empty() && to_lower(volume.uuid) == to_lower(uuid))
            return &volume;
    return nullptr;
}

const std::string* Inventory::file(const std::string& path) const {
    auto found = files.find(path);
    return found == files.end() ? nullptr : &found->second;
}

Json to_json(const Inventory& inventory) {
    Json json{{"schema", "slipway.inspect.v1"}};
    json["disks"] = array_of(inventory.disks, [](const Disk& disk) -> Json {
        Json one{{"name", disk.name},
                 {"format", disk.format},
                 {"size", disk.size},
                 {"table", disk.table},
                 {"table_id", disk.table_id}};
        if (!disk.serial.empty())
            one["serial"] = disk.serial;
        return one;
    });
    json["volumes"] = array_of(inventory.volumes, volume_to_json);
    json["root"] = inventory.root;
    json["os"] = os_to_json(inventory.os);
    json["firmware"] = inventory.firmware;
    json["boot_loader"] = boot_loader_to_json(inventory.boot_loader);
    json["initramfs_generator"] = inventory.initramfs_generator;
    json["kernels"] = array_of(inventory.kernels, kernel_to_json);
    json["fstab"] = array_of(inventory.fstab, fstab_to_json);
    auto& mountpoints = json["mountpoints"] = Json::array();
    for (const auto& [path, volume] : inventory.mountpoints)
        mountpoints.push_back({{"path", path}, {"volume", volume}});
    json["findings"] = to_json(inventory.findings);
    if (inventory.packages)
        json["packages"] = to_json(*inventory.packages);
    return json;
}

Inventory inventory_from_json(const Json& json) {
    Inventory inventory;
    inventory.disks = vector_of<Disk>(json_at(json, "disks"), [](const Json& disk) {
        return Disk{.name = json_get<std::string>(disk, "name"),
                    .format = json_get<std::string>(disk, "format"),
                    .size = json_get<std::uint64_t>(disk, "size"),
                    .table = json_get<std::string>(disk, "table"),
                    .table_id = json_get<std::string>(disk, "table_id"),
                    .serial = json_get<std::string>(disk, "serial")};
    });
    inventory.volumes = vector_of<Volume>(json_at(json, "volumes"), volume_from_json);
    inventory.root = json_get<std::string>(json, "root");
    inventory.os = os_from_json(json_at(json, "os"));
    inventory.firmware = json_get<std::string>(json, "firmware");
    inventory.boot_loader = boot_loader_from_json(json_at(json, "boot_loader"));
    inventory.initramfs_generator = json_get<std::string>(json, "initramfs_generator");
    inventory.kernels = vector_of<Kernel>(json_at(json, "kernels"), kernel_from_json);
    inventory.fstab = vector_of<FstabEntry>(json_at(json, "fstab"), fstab_from_json);
    if (const auto& points = json_at(json, "mountpoints"); points.is_array())
        for (const auto& point : points)
            inventory.mountpoints[json_get<std::string>(point, "path")] =
                json_get<std::string>(point, "volume");
    inventory.findings = findings_from_json(json_at(json, "findings"));
    return inventory;
}

} // namespace slipway::report
