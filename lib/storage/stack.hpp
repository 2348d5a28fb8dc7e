// SPDX-License-Identifier: Apache-2.0
// Opens what is inside the volumes of an image: LUKS, BitLocker, MD arrays, LVM groups, ZFS pools,
// in any order, until nothing new appears.
//
// Needs root in a mount namespace with a /dev of the caller's own, and a single-threaded caller.
// The kernel parses what is opened. Only the named devices are touched: no scan, no udev, no
// daemon. Read-only devices are not written, not even their superblocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/json.hpp"
#include "report/inventory.hpp"
#include "storage/secret.hpp"
#include "sys/host.hpp"

namespace slipway::storage {

/// A volume with its block node in this process's /dev.
struct Device {
    report::Volume volume;
    /// Such as "/dev/vda2", "/dev/mapper/vg-lv"; of ZFS the dataset, "slipway-…/home". Never shown.
    std::string node;
    dev_t number = 0; ///< of the node; filled by `Stack::open` for the devices given
    /// How it came to be: "luks", "bitlocker", "md", "lvm", "snapshot" (of LVM), "zfs",
    /// "partition"; "" for those given.
    std::string kind{};
    std::vector<std::string> stands_on{}; ///< names of the volumes right below it
    bool read_only = false;
    std::string mountpoint{}; ///< where the guest mounts it without a line in its fstab; "" nowhere
    bool may_be_root = true;  ///< false: no system is looked for there
};
using Devices = std::vector<Device>;

struct Key {
    std::string selector; ///< as of KeyOption
    Secret secret;
};

/// What may be done with ZFS pools. When a disk of a pool fails, the kernel lets all wait for good
/// who read or write it: neither SIGKILL nor an export ends that. So nothing but a file may be
/// below one that is not in a sandbox, and it is not written.
enum class Pools { Closed, ReadOnly, Writable };

struct Options {
    std::vector<Key> keys{};
    /// A directory of the caller's own that exists, for lvm's locks.
    std::string scratch = "/run/slipway/scratch";
    Pools pools = Pools::Closed;
};

/// A container or volume that stays closed. Nothing else suffers from it.
struct Unopened {
    std::string volume; ///< "sda3", "vg/thin"
    std::string type;   ///< of libblkid, or of lvm: "thin"
    std::string uuid;
    Error error; ///< KeyRequired for those that want a key
};

class Stack {
public:
    /// Opens all that can be opened. The Status fails only where going on makes no sense:
    /// Cancelled, a device that is none; volumes without a node are left out. What could not be
    /// opened is in `unopened`.
    static Result<Stack> open(const sys::Host& host, Devices devices, const Options& options);
    Stack(Stack&&) noexcept;
    Stack& operator=(Stack&&) noexcept;
    /// Closes what is open still, as well as it can.
    ~Stack();

    /// The new ones, in the order in which they appeared. A device with a partition table inside
    /// has the type "", and its partitions follow it.
    [[nodiscard]] const Devices& volumes() const;
    /// Codes: KeyRequired (no key, or none that fits), Unsupported (the kernel, a tool, or a
    /// read-only disk: try again on a writable overlay), Busy (the host uses the name),
    /// NotFound (a missing PV or member), ToolFailed, Corrupt.
    [[nodiscard]] const std::vector<Unopened>& unopened() const;
    /// Those of `unopened` that want a key.
    [[nodiscard]] std::vector<Unopened> locked() const;
    /// md-degraded, lvm-incomplete, lvm-duplicate-name, md-duplicate-name, storage-unopened,
    /// storage-locked.
    [[nodiscard]] const report::Findings& findings() const;
    /// What stands on what: [{volume, kind, on, read_only}], for the report's storage_stack.
    [[nodiscard]] Json to_json() const;
    /// Flushes and closes all, newest first; goes on after a failure and returns the first. Busy:
    /// something is mounted or open still; what is left can be closed by a further call.
    [[nodiscard]] Status close();

private:
    struct State;
    explicit Stack(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace slipway::storage
