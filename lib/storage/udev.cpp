// SPDX-License-Identifier: Apache-2.0
#include "storage/udev.hpp"

#include <cstdio>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/fd.hpp"

namespace slipway::storage {
namespace {

// Each assignment is for rules of others: 69-lvm and 64-btrfs ask for the first two, udisks for the
// third; the final assignments (udev(7)) cannot be added to by 63-md-raid-arrays.
constexpr auto rule =
    R"(# Arrays and pools of disk images that Slipway has open are none of this machine.
SUBSYSTEM=="block", KERNEL=="md5119[0-9][0-9]*", ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1", ENV{SYSTEMD_READY}="0", ENV{UDISKS_IGNORE}="1", SYMLINK:="", OPTIONS:="nowatch"
SUBSYSTEM=="block", KERNEL=="zd*", PROGRAM=="zvol_id $devnode", RESULT=="slipway-????????????????*", ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1", ENV{SYSTEMD_READY}="0", ENV{UDISKS_IGNORE}="1", SYMLINK:="", OPTIONS:="nowatch"
)";
constexpr auto rules_directory = "/run/udev/rules.d";
constexpr auto rule_file = "/run/udev/rules.d/00-slipway.rules";
constexpr std::chrono::seconds reload_deadline{30};

} // namespace

Status keep_udev_off(const sys::Host& host) {
    if (::access("/run/udev/control", F_OK) != 0)
        return {};
    if (auto there = sys::read_file(rule_file); there && *there == rule)
        return {};
    if (::mkdir(rules_directory, 0755) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", rules_directory));
    // Under its name when udev has it: who finds it there goes on at once.
    auto unfinished = fmt::format("{}.{}", rule_file, "new");
    SLIPWAY_CHECK(sys::write_file(unfinished, rule));
    if (std::rename(unfinished.c_str(), rule_file) != 0)
        return fail_errno(fmt::format("making {}", rule_file));
    sys::ProcessSpec reload{.argv = {"udevadm", "control", "--reload"}};
    auto done = sys::run(*host.runner, reload, {.deadline = reload_deadline});
    auto status = done ? sys::check_tool(reload, *done, "telling udev of a rule")
                       : Status(fail(std::move(done).error()));
    if (!status)
        ::unlink(rule_file);
    return status;
}

} // namespace slipway::storage
