// SPDX-License-Identifier: Apache-2.0
// Block devices that stand on the disks: logical volumes, arrays, mapped devices, swap space.
// Private to the module.
#pragma once

#include <string>
#include <vector>

#include "calls/machine.hpp"
#include "storage/lvm_text.hpp"

namespace slipway::calls {

/// One that is active.
struct LogicalVolumeNode {
    Device device;       ///< "/dev/vg/lv"
    std::string mapping; ///< "vg-lv"
};
[[nodiscard]] std::vector<LogicalVolumeNode> logical_volumes(const Machine& machine);
/// "/dev/mapper/NAME" of those that LVM does not manage.
[[nodiscard]] std::vector<Device> mapped_devices(const Machine& machine);
/// "/dev/md127", and their partitions where asked for.
[[nodiscard]] std::vector<Device> arrays(const Machine& machine, bool with_partitions = false);

/// Nodes of the arrays that the kernel has.
[[nodiscard]] Status make_array_nodes();

/// What LVM may look at.
[[nodiscard]] storage::LvmScope lvm_scope(const Machine& machine);
/// Runs lvm; its standard output.
[[nodiscard]] Result<std::string> run_lvm(Machine& machine, const std::string& command,
                                          std::vector<std::string> arguments);
/// "/dev/vg/lv" of all volumes for users, active or not.
[[nodiscard]] Result<std::vector<std::string>> lvm_volumes(Machine& machine);
/// Busy where this kernel has volumes of the same names, which are not ours.
[[nodiscard]] Status refuse_foreign_groups(Machine& machine);

/// What calls may want of what the disks hold, or `make_new` of what they will hold, that is not to
/// be had with this kernel.
[[nodiscard]] std::vector<std::string> missing_in_kernel(const Machine& machine, bool make_new);
/// What a plain machine has after its start: arrays that are whole, and groups.
[[nodiscard]] Status open_containers(Machine& machine);
/// Closes all that stands on the disks, from the top down. Busy.
[[nodiscard]] Status close_containers(Machine& machine);
[[nodiscard]] Status close_swaps(Machine& machine);

} // namespace slipway::calls
