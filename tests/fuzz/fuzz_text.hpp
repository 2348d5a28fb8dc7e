// SPDX-License-Identifier: Apache-2.0
// What the entries over text share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "report/inventory.hpp"
#include "report/plan.hpp"

namespace slipway::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {static_cast<const char*>(static_cast<const void*>(data)), size};
}

/// Also in builds without assertions.
inline void must(bool holds) {
    if (!holds)
        std::abort();
}

/// A guest with sda1 (/), sda2 (swap) and sdb1.
inline report::Inventory guest() {
    report::Inventory guest;
    guest.disks = {{.name = "sda"}, {.name = "sdb"}};
    guest.volumes = {{.name = "sda1",
                      .disk = "sda",
                      .partition = 1,
                      .type = "ext4",
                      .uuid = "aaaa",
                      .partuuid = "1-1"},
                     {.name = "sda2",
                      .disk = "sda",
                      .partition = 2,
                      .type = "swap",
                      .uuid = "bbbb",
                      .partuuid = "1-2"},
                     {.name = "sdb1",
                      .disk = "sdb",
                      .partition = 1,
                      .type = "xfs",
                      .uuid = "cccc",
                      .partuuid = "2-1"}};
    guest.root = "sda1";
    guest.mountpoints = {{"/", "sda1"}};
    return guest;
}

/// Leaves in the guest what the plan writes.
inline void carry_out(const report::Plan& plan, report::Inventory& guest) {
    for (const auto& action : plan.actions)
        guest.files[action.path] = action.content;
}

} // namespace slipway::fuzz
