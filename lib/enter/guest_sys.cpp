// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "enter/guest_machine.hpp"

namespace slipway::enter {
namespace {

constexpr unsigned sector = 512; // sysfs counts in these, whatever the disk has (sysfs-block ABI)

// Virtio device ids: Virtual I/O Device (VIRTIO) 1.2, section 5; PCI ids of the transitional block
// device.
constexpr auto pci_modalias = "pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00";
constexpr auto virtio_modalias = "virtio:d00000002v00001AF4";

// Directories that tools expect in any /sys, with nothing of the host in them.
constexpr const char* plain_directories[] = {"block",
                                             "bus",
                                             "bus/pci/devices",
                                             "bus/scsi/devices",
                                             "bus/virtio/devices",
                                             "class/block",
                                             "class/mem",
                                             "class/net",
                                             "class/tty",
                                             "dev/block",
                                             "dev/char",
                                             "devices/system/cpu",
                                             "devices/virtual",
                                             "firmware",
                                             "fs/cgroup",
                                             "hypervisor",
                                             "kernel/debug",
                                             "kernel/security",
                                             "module",
                                             "power"};

constexpr std::pair<const char*, const char*> queue_files[] = {
    {"rotational", "1"},          {"logical_block_size", "512"}, {"physical_block_size", "512"},
    {"hw_sector_size", "512"},    {"minimum_io_size", "512"},    {"optimal_io_size", "0"},
    {"discard_granularity", "0"}, {"discard_max_bytes", "0"},    {"discard_zeroes_data", "0"},
    {"read_ahead_kb", "128"},     {"scheduler", "[none]"},       {"zoned", "none"},
    {"nr_requests", "128"},       {"max_sectors_kb", "1280"},    {"write_cache", "write back"}};

class TreeWriter {
public:
    void directory(const std::string& path) {
        tree.push_back({TreeEntry::Kind::Directory, "sys/" + path});
    }
    void file(const std::string& path, std::string_view content) {
        tree.push_back({TreeEntry::Kind::File, "sys/" + path, fmt::format("{}\n", content)});
    }
    // Links of sysfs are relative, and tools read them that way.
    void link(const std::string& path, const std::string& target) {
        auto depth = std::count(path.begin(), path.end(), '/');
        std::string up;
        for (auto i = 0; i < depth; ++i)
            up += "../";
        tree.push_back({TreeEntry::Kind::Link, "sys/" + path, up + target});
    }
    Tree tree;
};

void write_block_device(TreeWriter& out, const std::string& path, dev_t device,
                        std::uint64_t size) {
    auto numbers = fmt::format("{}:{}", major(device), minor(device));
    auto name = path.substr(path.rfind('/') + 1);
    out.directory(path);
    out.file(path + "/dev", numbers);
    out.file(path + "/size", std::to_string(size / sector));
    out.file(path + "/ro", "0");
    out.file(path + "/alignment_offset", "0");
    out.file(path + "/discard_alignment", "0");
    out.file(path + "/inflight", "       0        0");
    out.file(path + "/stat", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
    out.directory(path + "/holders");
    out.link(path + "/subsystem", "class/block");
    out.link("class/block/" + name, path);
    out.link("dev/block/" + numbers, path);
}

std::string numbers_uevent(dev_t device, std::string_view name, std::string_view type) {
    return fmt::format("MAJOR={}\nMINOR={}\nDEVNAME={}\nDEVTYPE={}", major(device), minor(device),
                       name, type);
}

void write_virtio_driver(TreeWriter& out) {
    out.directory("bus/virtio/drivers/virtio_blk");
    out.directory("bus/pci/drivers/virtio-pci");
    out.directory("module/virtio_blk");
    out.directory("module/virtio_pci");
    out.link("bus/virtio/drivers/virtio_blk/module", "module/virtio_blk");
    out.link("bus/pci/drivers/virtio-pci/module", "module/virtio_pci");
}

// Returns the directory of the device that carries the disk.
std::string write_virtio_device(TreeWriter& out, unsigned index) {
    auto pci = fmt::format("devices/pci0000:00/0000:00:{:02x}.0", 4 + index);
    auto path = fmt::format("{}/virtio{}", pci, index);
    out.file(pci + "/modalias", pci_modalias);
    out.file(pci + "/uevent",
             fmt::format("DRIVER=virtio-pci\nPCI_CLASS=10000\nPCI_ID=1AF4:1001\nMODALIAS={}",
                         pci_modalias));
    out.file(pci + "/vendor", "0x1af4");
    out.file(pci + "/device", "0x1001");
    out.file(pci + "/class", "0x010000");
    out.link(pci + "/subsystem", "bus/pci");
    out.link(pci + "/driver", "bus/pci/drivers/virtio-pci");
    out.file(path + "/modalias", virtio_modalias);
    out.file(path + "/uevent", fmt::format("DRIVER=virtio_blk\nMODALIAS={}", virtio_modalias));
    out.file(path + "/vendor", "0x1af4");
    out.file(path + "/device", "0x0002");
    out.link(path + "/subsystem", "bus/virtio");
    out.link(path + "/driver", "bus/virtio/drivers/virtio_blk");
    out.link(fmt::format("bus/virtio/devices/virtio{}", index), path);
    out.link("bus/pci/devices/" + pci.substr(pci.rfind('/') + 1), pci);
    return path;
}

void write_partition(TreeWriter& out, const std::string& disk_path,
                     const GuestPartition& partition) {
    auto path = fmt::format("{}/{}", disk_path, partition.name);
    write_block_device(out, path, partition.device, partition.size);
    out.file(path + "/start", std::to_string(partition.start / sector));
    out.file(path + "/partition", std::to_string(partition.number));
    auto uevent =
        fmt::format("{}\nPARTN={}", numbers_uevent(partition.device, partition.name, "partition"),
                    partition.number);
    if (!partition.partlabel.empty() && partition.partlabel.find('\n') == std::string::npos)
        uevent += "\nPARTNAME=" + partition.partlabel;
    out.file(path + "/uevent", uevent);
}

void write_disk(TreeWriter& out, const GuestDisk& disk, const std::string& parent) {
    auto path = fmt::format("{}/block/{}", parent, disk.name);
    write_block_device(out, path, disk.device, disk.size);
    out.file(path + "/removable", "0");
    out.file(path + "/hidden", "0");
    out.file(path + "/range", "16");
    out.file(path + "/ext_range", "256");
    out.file(path + "/capability", "0");
    out.file(path + "/uevent", numbers_uevent(disk.device, disk.name, "disk"));
    out.file(path + "/serial", disk.serial);
    out.directory(path + "/slaves");
    for (const auto& [name, value] : queue_files)
        out.file(fmt::format("{}/queue/{}", path, name), value);
    out.link("block/" + disk.name, path);
    if (parent != "devices/virtual")
        out.link(path + "/device", parent);
}

// Documentation/ABI/testing/sysfs-block-dm. Tools of LUKS look for the mapping's name and what is
// below it here.
void write_mapped(TreeWriter& out, const GuestMapped& mapped, std::size_t index) {
    bool is_mapping = !mapped.mapping.empty();
    auto name = fmt::format("{}{}", is_mapping ? "dm-" : "md", index);
    auto path = "devices/virtual/block/" + name;
    write_block_device(out, path, mapped.device, mapped.size);
    out.file(path + "/uevent", numbers_uevent(mapped.device, name, "disk"));
    out.link("block/" + name, path);
    out.directory(path + "/slaves");
    for (auto below : mapped.below) {
        auto numbers = fmt::format("{}:{}", major(below), minor(below));
        out.link(fmt::format("{}/slaves/{}", path, numbers), "dev/block/" + numbers);
    }
    if (!is_mapping)
        return;
    out.file(path + "/dm/name", mapped.mapping);
    out.file(path + "/dm/uuid", mapped.mapping_uuid);
    out.file(path + "/dm/suspended", "0");
}

} // namespace

Tree plan_sys_tree(const RootSpec& spec, const CpuLists& cpus) {
    TreeWriter out;
    for (const auto* path : plain_directories)
        out.directory(path);
    out.file("devices/system/cpu/online", cpus.online);
    out.file("devices/system/cpu/possible", cpus.possible);
    out.file("devices/system/cpu/present", cpus.present);
    if (spec.uefi)
        out.file("firmware/efi/fw_platform_size", "64");
    unsigned virtio_count = 0;
    for (const auto& disk : spec.disks) {
        bool on_virtio = disk.name.starts_with("vd");
        if (on_virtio && virtio_count == 0)
            write_virtio_driver(out);
        auto parent =
            on_virtio ? write_virtio_device(out, virtio_count++) : std::string("devices/virtual");
        write_disk(out, disk, parent);
        for (const auto& partition : spec.partitions)
            if (partition.disk == disk.name && partition.number != 0)
                write_partition(out, fmt::format("{}/block/{}", parent, disk.name), partition);
    }
    for (std::size_t index = 0; index < spec.mapped.size(); ++index)
        write_mapped(out, spec.mapped[index], index);
    return out.tree;
}

} // namespace slipway::enter
