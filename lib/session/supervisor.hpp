// SPDX-License-Identifier: Apache-2.0
// The supervisor: a small single-threaded process between a client and everything that works for
// it. It holds a lifeline to the client, is the subreaper of everything below, and when the client
// goes, however it goes, it kills all of it and waits until nothing is left.
#pragma once

#include <memory>
#include <string>

#include "sys/process.hpp"

namespace slipway::session {

/// Main of the supervisor process, over a SOCK_SEQPACKET descriptor. Returns its exit status.
[[nodiscard]] int supervise(sys::OwnedFd control);
/// The same in namespaces of its own.
[[nodiscard]] int supervise_in_own_namespaces(sys::OwnedFd control);

/// What the processes below a supervisor are.
enum class Rights {
    Own,         ///< those of the user who started us
    OwnNamespace ///< root of namespaces of their own, see sys::enter_own_namespaces
};

/// Starts processes as children of a supervisor, so that a threaded client (a Python program) may
/// come and go: the children die with the client. Not for concurrent use from several threads.
class SupervisedRunner final : public sys::Runner {
public:
    /// Starts a supervisor: slipway-worker beside this program, or the path in SLIPWAY_WORKER.
    /// With namespaces of its own, errors are those of sys::enter_own_namespaces.
    [[nodiscard]] static Result<std::unique_ptr<SupervisedRunner>>
    launch(Rights rights = Rights::Own);
    ~SupervisedRunner() override;

    [[nodiscard]] Result<std::unique_ptr<sys::Child>> start(const sys::ProcessSpec& spec) override;
    [[nodiscard]] const std::string& worker_program() const;

    struct Connection; ///< shared with the children

private:
    explicit SupervisedRunner(std::shared_ptr<Connection> connection);
    std::shared_ptr<Connection> connection_;
};

/// Path of the worker program. NotFound says where it was looked for.
[[nodiscard]] Result<std::string> find_worker();

} // namespace slipway::session
