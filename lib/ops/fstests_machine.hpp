// SPDX-License-Identifier: Apache-2.0
// One machine of a run of fstests: from its start to the end of check, or its own.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fstests/check_time.hpp"
#include "ops/fstests_job.hpp"

namespace slipway::ops {

/// Boots a kernel and runs a command: `boot_kernel`, or what a test puts in its place. Called from
/// several threads at once.
using BootMachine = std::function<Result<BootKernelResult>(
    const sys::Host& host, const BootKernelRequest& request, const session::CallHooks& hooks)>;

struct MachineJob {
    const FstestsRequest& request;
    fstests::Section section;       ///< complete
    std::vector<std::string> tests; ///< to be run, in this order
    std::string directory;          ///< for this machine's files, new
    std::string below;              ///< the same, from the run's directory
    fstests::Durations durations{}; ///< that check prints as the last ones
    /// Each result as soon as it is known, without what is only known at the end.
    std::function<void(const std::string& test, const fstests::Attempt&)> on_result{};
};

struct MachineOutcome {
    std::map<std::string, fstests::Attempt> attempts{}; ///< of the tests that began
    fstests::Machine machine{};
    std::string kernel_release{};
    std::string kind{}; ///< "uml", or "qemu" with its accelerator
    /// Directory of this host that had no room for what the machine wrote, or "".
    std::string full{};
};

/// Runs the tests until the first that crashes the machine, hangs or is stopped. Errors: the
/// machine did not come to the first test; Cancelled before that.
[[nodiscard]] Result<MachineOutcome> run_machine(const BootMachine& boot, const sys::Host& host,
                                                 const MachineJob& job);

} // namespace slipway::ops
