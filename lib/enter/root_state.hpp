// SPDX-License-Identifier: Apache-2.0
// What all commands of a root share; private to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <linux/filter.h>

#include "enter/device_cgroup.hpp"
#include "enter/enter.hpp"
#include "enter/script.hpp"
#include "enter/stage.hpp"
#include "sys/root_dir.hpp"

namespace slipway::enter {

struct Launch;
struct InitPlan;

struct Root::State {
    State(RootSpec given, Stage mounted, Log sink)
        : spec(std::move(given)), stage(std::move(mounted)), log(std::move(sink)) {}

    RootSpec spec;
    Stage stage; // before the cgroup, which may be mounted in it
    std::optional<DeviceCgroup> cgroup;
    std::uint64_t namespaces = 0;    ///< CLONE_NEW*
    std::vector<sock_filter> filter; ///< empty: the kernel has none
    Script dev;                      ///< /dev, for every command
    Script pseudo;                   ///< /proc, /sys and /run
    bool bind_root = false;
    bool classic_nodev = false;
    sys::OwnedFd null;
    sys::OwnedFd no_network;   ///< an empty network namespace; not valid: the caller's own is one
    sys::OwnedFd host_network; ///< for commands that ask; not valid: none is known
    std::string resolv_conf;   ///< the host's
    std::span<char> command_line; ///< this process's, where the kernel put it
    Log log;
    std::vector<std::string> notes;

    [[nodiscard]] Status plan_mounts(const Command& command, Launch& launch) const;
    void fill_plan(const Command& command, InitPlan& plan) const;
    void log_mounts(const std::string& name, const Launch& launch) const;
};

/// How the host's resolv.conf comes in: nothing where the guest has no /etc/resolv.conf at all.
[[nodiscard]] Script plan_resolv_conf(const sys::RootDir& root, const std::string& content);
/// Covers what is mounted at /proc, /sys and /run for a command that gets none of ours: the host's
/// may be mounted there. `mounts` are paths below `directory`, of this process's view.
[[nodiscard]] Script plan_covers(const std::string& directory,
                                 const std::vector<std::string>& mounts);

// Names in the stage.
inline constexpr auto stage_resolv_conf = "resolv.conf";
inline constexpr auto stage_scratch = "scratch"; ///< an empty directory, to mount something on

} // namespace slipway::enter
