// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu_spec.hpp"

#include <fmt/format.h>

namespace slipway::vm {
namespace {

using Words = std::vector<std::string>;

void add(Words& argv, std::string option, std::string value) {
    argv.push_back(std::move(option));
    argv.push_back(std::move(value));
}

std::string accelerator_of(const QemuSpec& spec) {
    return spec.accelerator == "tcg" ? "tcg,thread=multi" : spec.accelerator;
}

// With "graphics=off" SeaBIOS and every loader that prints through the BIOS write to the serial
// port too (SeaBIOS's sercon): the guest needs no configuration for it.
std::string machine_of(const QemuSpec& spec) {
    std::string machine = "q35,usb=off,vmport=off";
    if (spec.loud_firmware)
        machine.insert(machine.find(','), ",graphics=off");
    if (spec.uefi)
        machine += ",pflash0=uefi-code,pflash1=uefi-vars";
    return machine;
}

// GRUB with its graphical terminal, which is the default of Debian and Ubuntu, spins for ever on a
// BIOS without a VGA. The others have no use for one, and a kernel's console on it costs time.
bool loader_needs_vga(const QemuSpec& spec) {
    return !spec.uefi && !spec.direct && !spec.debug_exit;
}

Json flash_node(const std::string& name, const std::string& path, bool read_only) {
    return {
        {"driver", "raw"},
        {"node-name", name},
        {"read-only", read_only},
        {"file",
         {{"driver", "file"}, {"filename", path}, {"read-only", read_only}, {"locking", "off"}}}};
}

Json disk_node(const DiskSpec& disk, std::size_t index) {
    Json node = disk.node;
    node["node-name"] = fmt::format("disk{}", index);
    node["cache"] = {{"direct", false}, {"no-flush", disk.throw_away}};
    return node;
}

void add_disk(Words& argv, const DiskSpec& disk, std::size_t index) {
    add(argv, "-blockdev", render_json(disk_node(disk, index)));
    // Where the host has no space left the machine is told, as of a real disk: it would stand
    // still.
    auto drive =
        fmt::format("drive=disk{},bootindex={},werror=report,rerror=report", index, index + 1);
    if (disk.block_size != 0)
        drive += fmt::format(",logical_block_size={0},physical_block_size={0}", disk.block_size);
    switch (disk.bus) {
    case Bus::Virtio:
        if (!disk.serial.empty())
            drive += ",serial=" + disk.serial;
        return add(argv, "-device", "virtio-blk-pci," + drive);
    case Bus::Sata: // the ports of the chipset's own AHCI controller
        return add(argv, "-device", fmt::format("ide-hd,bus=ide.{},{}", index, drive));
    case Bus::Scsi:
        if (index == 0)
            add(argv, "-device", "virtio-scsi-pci,id=scsi");
        return add(argv, "-device", fmt::format("scsi-hd,bus=scsi.0,lun={},{}", index, drive));
    }
}

// Files of different file systems may have the same number: "remap" keeps them apart.
void add_share(Words& argv, const ShareSpec& share, std::size_t index) {
    add(argv, "-fsdev",
        fmt::format("local,id=share{},path={},security_model={},multidevs=remap{}", index,
                    share.path, share.changes_owners ? "passthrough" : "none",
                    share.writable ? "" : ",readonly=on"));
    add(argv, "-device", fmt::format("virtio-9p-pci,fsdev=share{},mount_tag={}", index, share.tag));
}

} // namespace

std::string_view name_of(Bus bus) {
    constexpr std::string_view names[] = {"virtio", "sata", "scsi"};
    return names[static_cast<std::size_t>(bus)];
}

std::string_view name_of(Firmware firmware) {
    return firmware == Firmware::Bios ? "bios" : "uefi";
}

Result<Bus> parse_bus(std::string_view text) {
    for (auto bus : {Bus::Virtio, Bus::Sata, Bus::Scsi})
        if (name_of(bus) == text)
            return bus;
    return fail(Code::InvalidArgument, fmt::format("'{}' is no bus", text),
                "use virtio, sata or scsi");
}

Result<Firmware> parse_firmware(std::string_view text) {
    for (auto firmware : {Firmware::Bios, Firmware::Uefi})
        if (name_of(firmware) == text)
            return firmware;
    return fail(Code::InvalidArgument, fmt::format("'{}' is no firmware", text),
                "use bios or uefi");
}

Words qemu_argv(const QemuSpec& spec) {
    Words argv{"qemu-system-x86_64", "-nodefaults", "-no-user-config"};
    if (!spec.may_restart)
        argv.emplace_back("-no-reboot");
    add(argv, "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add(argv, "-accel", accelerator_of(spec));
    add(argv, "-machine", machine_of(spec));
    if (spec.accelerator == "kvm")
        add(argv, "-cpu", "host");
    else
        add(argv, "-cpu", "max");
    add(argv, "-smp", std::to_string(spec.cpus));
    add(argv, "-m", std::to_string(spec.memory_mib));
    add(argv, "-vga", loader_needs_vga(spec) ? "std" : "none");
    add(argv, "-display", "none");
    add(argv, "-chardev", "stdio,id=console,signal=off");
    add(argv, "-serial", "chardev:console");
    // A guest that waits for random numbers at boot would wait for minutes under TCG.
    add(argv, "-device", "virtio-rng-pci");
    if (spec.uefi) {
        add(argv, "-blockdev", render_json(flash_node("uefi-code", spec.uefi->code, true)));
        add(argv, "-blockdev", render_json(flash_node("uefi-vars", spec.uefi->vars, false)));
    }
    for (std::size_t index = 0; index < spec.disks.size(); ++index)
        add_disk(argv, spec.disks[index], index);
    for (std::size_t index = 0; index < spec.shares.size(); ++index)
        add_share(argv, spec.shares[index], index);
    if (spec.direct) {
        add(argv, "-kernel", spec.direct->kernel);
        if (!spec.direct->initrd.empty())
            add(argv, "-initrd", spec.direct->initrd);
        add(argv, "-append", spec.direct->append);
    }
    if (spec.control_fd) {
        add(argv, "-chardev", fmt::format("socket,id=control,fd={}", *spec.control_fd));
        add(argv, "-device", "virtio-serial-pci");
        add(argv, "-device", fmt::format("virtserialport,chardev=control,name={}", control_port));
    }
    if (spec.debug_exit)
        add(argv, "-device", "isa-debug-exit,iobase=0x501,iosize=0x02");
    return argv;
}

} // namespace slipway::vm
