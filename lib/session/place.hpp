// SPDX-License-Identifier: Apache-2.0
// Where a worker runs: a process of this host, or the first program of a machine of its own.
#pragma once

#include <memory>
#include <string>

#include "image/attach.hpp"
#include "session/channel.hpp"
#include "session/machine_choice.hpp"
#include "session/supervisor.hpp"
#include "sys/host.hpp"

namespace slipway::session {

/// Ends with its owner, at once and without a flush.
class Place {
public:
    Place() = default;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    virtual ~Place() = default;

    /// To be called often while the worker works. Timeout, and its end, where it shows no sign of
    /// life any more.
    [[nodiscard]] virtual Status attend() { return {}; }
    /// What became of a worker that does not answer any more.
    [[nodiscard]] virtual Error explain_end() = 0;
    virtual void kill() = 0;
    /// Waits until a worker that was told to has ended, and all is written.
    [[nodiscard]] virtual Status finish() = 0;
};

/// The operation that opens the disks.
// NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
struct FirstCall {
    std::string operation = "open";
    Json arguments = Json::object(); ///< beside "disks" and "keys"
};

struct StartedWorker {
    std::unique_ptr<Place> place;
    Channel channel;
    /// How the worker is told of the disks, in the "open" request.
    Json disks;
};

/// A child of the supervisor: PID 1 of a PID namespace. Permission without root.
[[nodiscard]] Result<StartedWorker> start_on_host(SupervisedRunner& runner,
                                                  const std::vector<image::DiskSpec>& disks);

/// PID 1 of a sandbox. Needs no privilege. Unsupported, with the remedy, where the machine is not
/// installed.
[[nodiscard]] Result<StartedWorker> start_in_sandbox(SupervisedRunner& runner,
                                                     const sys::Host& host,
                                                     const std::vector<image::DiskSpec>& disks,
                                                     const MachineOptions& options);

} // namespace slipway::session
