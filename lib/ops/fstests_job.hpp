// SPDX-License-Identifier: Apache-2.0
// What one machine of a run is told to do. Pure.
#pragma once

#include <string>
#include <vector>

#include "fstests/sections.hpp"
#include "ops/fstests.hpp"

namespace slipway::ops {

/// Where a machine sees the suite and the directory that it shares with us.
constexpr auto guest_suite = "/fstests";
constexpr auto guest_work = "/fstests-run";

/// The settings of a section with those of the request where it says nothing.
[[nodiscard]] fstests::Section complete(const FstestsRequest& request, fstests::Section section);

/// InvalidArgument: no name of a type of file system, or one that needs a server.
[[nodiscard]] Status check_fstype(std::string_view fstype);
/// InvalidArgument: options that do not go together.
[[nodiscard]] Status check_devices(const FstestsRequest& request, std::string_view fstype);
/// Serials of the disks that the machine needs for this type: "test", "scratch" or "pool1" …,
/// "logwrites".
[[nodiscard]] std::vector<std::string> disk_serials(const FstestsRequest& request,
                                                    std::string_view fstype);

/// Shell code with the variables of check, and those of `run_script`.
[[nodiscard]] std::string config_text(const FstestsRequest& request,
                                      const fstests::Section& section);
/// Program for bash: SUITE WORK. Reads WORK/config and WORK/tests, makes the file systems, and runs
/// check with its results in WORK/results. Lines of it that begin with "slipway: " are for
/// `explain_lack`.
[[nodiscard]] std::string_view run_script();
/// What stopped `run_script` before the first test: an error that names what the machine lacks.
[[nodiscard]] Error explain_lack(const std::vector<std::string>& output, std::string_view kernel);

} // namespace slipway::ops
