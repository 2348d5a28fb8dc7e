// SPDX-License-Identifier: Apache-2.0
#include "boot/traces.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "boot/leaks.hpp"

namespace slipway::boot {
namespace {

TEST(Traces, WhatIsThere) {
    auto state = look_at_machine();
    EXPECT_FALSE(state.network.interfaces.empty());
    EXPECT_TRUE(state.devices.contains("null"));
    EXPECT_TRUE(state.settings.contains("/proc/sys/kernel/hostname"));
    EXPECT_FALSE(state.settings.contains("/proc/sys/kernel/random/uuid")) << "another each time";
    EXPECT_FALSE(state.settings.contains("/proc/sys/vm/drop_caches"));
    auto later = look_at_machine();
    EXPECT_LT(std::chrono::abs(later.clock - state.clock), std::chrono::milliseconds(100));
}

TEST(Leaks, WhatIsThere) {
    auto held = look_at_holdings();
    EXPECT_GT(held.memory, 1 << 20);
    EXPECT_GT(held.mounts.size(), 1);
    EXPECT_TRUE(std::any_of(held.processes.begin(), held.processes.end(), [](const auto& each) {
        return each.first.ends_with(fmt::format("({})", ::getpid()));
    }));
    EXPECT_GT(held.files.size(), 1);
    EXPECT_EQ(look_at_holdings().files, held.files);
}

TEST(Leaks, OnlyGrowthIsTold) {
    const Holdings before{.memory = 900 << 20,
                          .mounts = {{"/ slipway", 1}, {"/proc proc", 1}},
                          .processes = {{"init (1)", 1}},
                          .files = {{"socket:", 2}},
                          .sockets = 5,
                          .cgroups = 1};
    auto told = [&](auto change) {
        auto after = before;
        change(after);
        return render_changes(find_growth(before, after));
    };
    EXPECT_EQ(told([](Holdings&) {}), "");
    EXPECT_EQ(told([](Holdings& after) {
                  after.memory += 100 << 20;
                  after.mounts.erase("/proc proc");
                  after.processes.clear();
                  after.sockets = 6;
              }),
              "");
    EXPECT_EQ(told([](Holdings& after) { after.memory -= 100 << 20; }),
              "LEFT BEHIND: 100 MiB of memory that nobody has a name for\n");
    EXPECT_EQ(told([](Holdings& after) { after.hidden_tmpfs = 50 << 20; }),
              "LEFT BEHIND: 50 MiB in a tmpfs that is mounted nowhere\n");
    EXPECT_EQ(
        told([](Holdings& after) {
            after.mounts["/proc proc"] = 3;
            after.processes["sleep (77)"] = 1;
            after.files["pipe:"] = 9;
            after.sockets = 100;
            after.cgroups = 3;
        }),
        "LEFT BEHIND: the mount 2 times /proc proc, the process sleep (77), open files of the "
        "bootstrap: 9 times pipe:, 95 sockets, 2 control groups\n");
    EXPECT_EQ(render_comparison(before, {.memory = 890 << 20,
                                         .processes = {{"init (1)", 1}, {"sleep (77)", 1}},
                                         .sockets = 5}),
              "afterwards: memory 10 MiB less, 0 mounts, 2 processes (+1), 0 files, 5 sockets, 0 "
              "control groups");
}

} // namespace
} // namespace slipway::boot
