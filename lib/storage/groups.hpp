// SPDX-License-Identifier: Apache-2.0
// One LVM group of an image. Private to the module.
#pragma once

#include <string>
#include <vector>

#include "storage/lvm_text.hpp"
#include "storage/names.hpp"
#include "storage/opening.hpp"

namespace slipway::storage {

struct Group {
    GroupName name;
    std::string system_id;
    std::vector<std::size_t> members; ///< by index into the devices
    std::vector<std::string> missing; ///< UUIDs of PVs
    LvmScope scope{};
};

/// Activates what is whole and can be; the rest is refused one by one. How many volumes appeared.
[[nodiscard]] Result<std::size_t> activate(Opening& opening, const Group& group);
/// Runs a program of lvm and returns what it said, also where it failed.
[[nodiscard]] Result<sys::Captured> run_lvm(const sys::Host& host, const sys::ProcessSpec& spec);

} // namespace slipway::storage
