// SPDX-License-Identifier: Apache-2.0
// What stands in the volumes of an opened image: LUKS, LVM, MD.
#pragma once

#include <map>

#include "work/opened_root.hpp"

namespace slipway::work {

/// Opens the containers among the volumes and adds what is in them. Arguments: "keys", a list of
/// {selector, secret}. What cannot be opened is no error: see OpenedRoot::nothing_found.
[[nodiscard]] Status open_containers(OpenedRoot& opened, const Json& arguments);

/// Name below /dev that a running guest has for a volume on top of others: "mapper/vg-lv".
[[nodiscard]] std::string guest_node_of(const storage::Device& device);
/// The devices of the stack as the guest's tools are to see them. `below` has the numbers of the
/// volumes of the disks, by name.
[[nodiscard]] std::vector<enter::GuestMapped> mapped_for_guest(const OpenedRoot& opened,
                                                               std::map<std::string, dev_t> below);

} // namespace slipway::work
