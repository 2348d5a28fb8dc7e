// SPDX-License-Identifier: Apache-2.0
// The state of a worker: attached disks, mounted root, what was found out, the enhanced chroot.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "enter/enter.hpp"
#include "image/attach.hpp"
#include "mount/tree.hpp"
#include "report/inventory.hpp"
#include "report/plan.hpp"
#include "storage/stack.hpp"
#include "sys/host.hpp"
#include "work/given_tree.hpp"
#include "work/peer.hpp"

namespace slipway::work {

struct OpenedRoot {
    sys::LocalRunner runner;
    sys::Host host;
    sys::OwnedFd host_network; ///< the caller's network namespace, for commands that may use it
    std::string workspace;     ///< a private tmpfs: exports, mount points, scratch
    std::optional<GivenTree> given; ///< in place of disks
    std::vector<image::AttachedDisk> disks;
    mount::Volumes volumes;
    std::optional<storage::Stack> stack; ///< what is inside the volumes; none: no containers
    std::vector<mount::MountableDisk> disk_nodes;
    storage::Pools pools = storage::Pools::Closed; ///< what this kernel may do with them
    bool writable = false;                         ///< the disks may be written
    bool wants_raid6 = false;   ///< this machine has started without what a volume needs
    bool dropped = false;       ///< and what is written ends with the session
    bool writable_tree = false; ///< the root is mounted read-write
    bool checked = false;       ///< the filesystems were, by their own tools
    std::optional<mount::MountTree> tree;
    report::Findings found_in_given;
    report::Findings found_while_opening; ///< volumes that could not be looked at
    report::Findings found_by_checks;
    std::optional<report::Inventory> inventory;
    std::optional<report::PackageList> packages; ///< of the inventory's system, once asked for
    report::Findings package_findings;
    std::optional<report::Plan> plan;
    report::Policy policy; ///< of the plan
    std::unique_ptr<enter::Root> chroot;

    /// Makes the namespaces, attaches the disks and opens what is inside their volumes. Arguments:
    /// "disks", as of image::DiskSpec, and "keys".
    [[nodiscard]] Status open(const Json& arguments);
    /// What the client is told then: "missing_in_kernel" and "wants_writable".
    [[nodiscard]] Json opening_notes() const;
    /// Mounts the root that was asked for, or the only one, unless it is mounted. "root" names one;
    /// several systems without a choice are InvalidArgument with the choices, none is NotFound.
    /// `writable` mounts it again where it was read-only.
    struct RootChoice {
        std::string name{};
        bool need_system = true; ///< false: a data filesystem will do
        bool writable = false;
    };
    [[nodiscard]] Status need_root(const RootChoice& choice);
    /// The error where the system that was looked for may be in something that stayed closed.
    [[nodiscard]] Error nothing_found(Error error) const;
    [[nodiscard]] Status mount_tree(const std::string& name,
                                    std::optional<mount::MountedVolume> mounted, bool for_writing);
    [[nodiscard]] Status need_inventory(const RootChoice& choice);
    /// What there is besides a system: disks and volumes, and what keeps any from being searched.
    [[nodiscard]] report::Inventory survey() const;
    /// Repairs the filesystems of the mounted root, or all, as far as there is a tool, where disks
    /// may be written; once. Unmounts the root.
    [[nodiscard]] Status check_filesystems();
    /// Makes the inventory of the mounted root anew.
    [[nodiscard]] Status look_again();
    /// Prepares the enhanced chroot on first use.
    [[nodiscard]] Result<enter::Root*> need_chroot();
    [[nodiscard]] Status close();
};

} // namespace slipway::work
