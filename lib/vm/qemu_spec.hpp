// SPDX-License-Identifier: Apache-2.0
// A virtual machine as a record, and the QEMU command line that it stands for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace slipway::vm {

enum class Bus { Virtio, Sata, Scsi };
enum class Firmware { Bios, Uefi };
[[nodiscard]] std::string_view name_of(Bus bus);
[[nodiscard]] std::string_view name_of(Firmware firmware);
/// "virtio", "sata", "scsi"; "bios", "uefi". InvalidArgument.
[[nodiscard]] Result<Bus> parse_bus(std::string_view text);
[[nodiscard]] Result<Firmware> parse_firmware(std::string_view text);

/// `node` has the form of QEMU's blockdev-add with children inline, without a "node-name".
struct DiskSpec {
    Json node;
    Bus bus = Bus::Virtio;
    std::string serial{};    ///< what the guest is told, on virtio; at most 20 characters
    bool throw_away = true;  ///< flushes of the guest are dropped
    unsigned block_size = 0; ///< bytes of its sectors; 0: 512
};

/// A directory of the host that the guest can mount as 9p.
struct ShareSpec {
    std::string path; ///< that QEMU opens
    std::string tag;
    bool writable = false;
    bool changes_owners = false; ///< otherwise what the process may not do to owners is ignored
};

/// UEFI firmware as files that QEMU opens; it writes to `vars`, so that must be a private copy.
struct UefiFiles {
    std::string code;
    std::string vars;
};

/// A kernel that QEMU loads itself, in place of the disk's boot loader. Paths that QEMU opens.
struct DirectKernel {
    std::string kernel;
    std::string initrd{}; ///< "" for none
    std::string append{};
};

/// An x86 machine without network and display whose serial port is its standard output. It starts
/// from the first disk.
struct QemuSpec {
    std::string accelerator = "tcg"; ///< "tcg" or "kvm"
    unsigned memory_mib = 1024;
    unsigned cpus = 2;
    std::vector<DiskSpec> disks{};
    std::vector<ShareSpec> shares{};
    std::optional<UefiFiles> uefi{}; ///< SeaBIOS without
    std::optional<DirectKernel> direct{};
    bool may_restart = true; ///< otherwise it ends where it would restart
    /// A connected stream socket, inherited: the guest's virtio port of the name `control_port`.
    std::optional<int> control_fd{};
    bool loud_firmware = true; ///< what is printed through the BIOS goes to the serial port too
    bool debug_exit = false; ///< the guest can end QEMU: a byte N to port 0x501 is exit status 2N+1
};

constexpr std::string_view control_port = "slipway-control";

/// Pure. The first word is the program's name.
[[nodiscard]] std::vector<std::string> qemu_argv(const QemuSpec& spec);

} // namespace slipway::vm
