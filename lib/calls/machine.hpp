// SPDX-License-Identifier: Apache-2.0
// The state of a worker that carries out calls of the guestfs API: disks, which are /dev/sda and so
// on in its private /dev, and one tree of mounts. Needs root and a process of its own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "calls/inside.hpp"
#include "calls/inspected.hpp"
#include "calls/registry.hpp"
#include "enter/enter.hpp"
#include "image/attach.hpp"
#include "mount/ladder.hpp"
#include "sys/host.hpp"
#include "sys/loop_device.hpp"
#include "sys/process.hpp"
#include "sys/root_dir.hpp"
#include "work/service.hpp"

namespace slipway::calls {

/// A block device of the guest's. Its name, "/dev/sda1" or "/dev/vg/lv", is also that of its node.
struct Device {
    std::string name;
    friend bool operator==(const Device&, const Device&) = default;
};
/// What can be mounted: a device, or a subvolume on one ("btrfsvol:/dev/sda1/sub").
struct Mountable {
    Device device;
    std::string subvolume{}; ///< "" for none
    [[nodiscard]] std::string str() const;
};

/// What was opened above the disks.
struct Containers {
    std::set<std::string> mappings;                     ///< names of mapped devices of ours
    std::optional<std::vector<std::string>> lvm_filter; ///< the only devices that LVM looks at
    std::vector<std::string> system_ids; ///< of other machines, whose groups are here
};

struct Machine final : work::Service {
    sys::LocalRunner runner;
    sys::Host host;
    sys::OwnedFd host_network; ///< the caller's network namespace, for commands that may use it
    bool network = false;      ///< commands of the guest may use it
    std::string workspace;     ///< a private tmpfs
    std::string sysroot;       ///< what the guest's paths begin at
    std::string given_root;    ///< in place of own mounts: where a Worker has mounted a system
    std::vector<image::AttachedDisk> disks;
    bool own_kernel = false; ///< of a sandbox: all that it has is the guest's
    struct Mounted {
        std::string source;                      ///< as `mounts` tells it
        std::string place;                       ///< guest path, resolved: "/", "/boot"
        std::unique_ptr<sys::LoopDevice> loop{}; ///< below a file of the guest's
        mount::MountedVolume volume;
    };
    std::vector<Mounted> mounted; ///< in the order in which they were mounted
    std::unique_ptr<enter::Root> chroot;
    std::unique_ptr<Inside> augeas, hive; ///< processes inside the root
    std::vector<Inspected> inspected;     ///< systems that inspect_os found
    struct Swap {
        std::string node{};
        sys::OwnedFd file{}; ///< in place of a node
    };
    std::vector<Swap> swaps; ///< what the kernel swaps to
    Containers containers;
    std::map<std::string, Json> scrubbed; ///< what came of it, by the UUID of a btrfs filesystem

    /// "launch" begins; every other operation is a call.
    [[nodiscard]] Result<Json> handle(std::string_view operation, const Json& arguments,
                                      work::Peer& peer) override;
    [[nodiscard]] Status close() override;

    /// The guest's files. InvalidArgument where nothing is mounted.
    [[nodiscard]] Result<sys::RootDir> root() const;
    /// A block device by its name, also by that of another bus ("/dev/vda"). NotFound.
    [[nodiscard]] Result<Device> find_device(const std::string& name) const;
    /// "/dev/sda1" or "btrfsvol:/dev/sda1/sub".
    [[nodiscard]] Result<Mountable> find_mountable(const std::string& name) const;
    /// Reads the partition table of a disk again, and makes its partitions known.
    [[nodiscard]] Status look_at(image::AttachedDisk& disk);
    /// The disk that a device is, or that it is a partition of; null for all others.
    [[nodiscard]] image::AttachedDisk* disk_of(const Device& device);
    /// Runs a tool of this machine. ToolFailed unless its status is 0. Its standard output. A tool
    /// is not stopped midway, where a filesystem would be half changed: a client that does not wait
    /// ends the worker, and with it all changes.
    [[nodiscard]] Result<std::string> run(std::vector<std::string> argv,
                                          std::string input = {}) const;
    /// The same; `accepted` are statuses that are no failure, such as those of e2fsck.
    [[nodiscard]] Result<sys::Captured> run_tool(sys::ProcessSpec spec,
                                                 const std::vector<int>& accepted = {0}) const;
    /// Ends what works inside the root, and would keep it busy.
    void leave_root();
    [[nodiscard]] Status unmount_all();

private:
    [[nodiscard]] Result<Json> launch(const Json& arguments);
    /// The kernel would remember devices of btrfs that are gone.
    void forget_filesystems() const;
    bool launched_ = false;
};

/// What a caller of the API gets to see of a tool that failed: its name, and what it said.
[[nodiscard]] std::string failure_of(const sys::ProcessSpec& spec, const sys::Captured& captured);

} // namespace slipway::calls
