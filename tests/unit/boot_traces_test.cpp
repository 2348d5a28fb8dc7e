// SPDX-License-Identifier: Apache-2.0
#include "boot/traces.hpp"

#include <gtest/gtest.h>

namespace slipway::boot {
namespace {

TEST(Traces, WhatIsThere) {
    auto state = look_at_machine();
    EXPECT_TRUE(state.links.contains("lo"));
    EXPECT_TRUE(state.settings.contains("/proc/sys/kernel/hostname"));
    EXPECT_FALSE(state.settings.contains("/proc/sys/kernel/random/uuid")) << "another each time";
    EXPECT_FALSE(state.settings.contains("/proc/sys/vm/drop_caches"));
    EXPECT_GT(state.processes, 0);
    EXPECT_GT(state.files, 2);
}

TEST(Traces, AreToldByWhatBecameOfThem) {
    EXPECT_EQ(render_changes({}), "");
    EXPECT_EQ(render_changes({{.what = "the swap /dev/vda2", .undone = true},
                              {.what = "kernel.panic 0 -> 10", .undone = true},
                              {.what = "the array md0", .why = "Device or resource busy"},
                              {.what = "the module autofs4", .why = "modules stay"}}),
              "undone: the swap /dev/vda2, kernel.panic 0 -> 10\n"
              "LEFT BEHIND: the array md0 (Device or resource busy)\n"
              "modules that stay: autofs4\n");
}

} // namespace
} // namespace slipway::boot
