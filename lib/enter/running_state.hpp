// SPDX-License-Identifier: Apache-2.0
// What a command in flight consists of; private to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/socket.h>

#include "base/log.hpp"
#include "enter/enter.hpp"
#include "enter/init.hpp"
#include "sys/process.hpp"

namespace slipway::enter {

struct Launch;

struct Running::State {
    sys::ClonedChild child; ///< the init
    sys::OwnedFd control;   ///< SOCK_SEQPACKET of InitReport
    sys::OwnedFd terminal;
    Log log;
    std::string name; ///< for messages
    bool quiet = false;
    int exec_errno = 0;
    std::int64_t started = 0; ///< ns of CLOCK_MONOTONIC
    std::int64_t executed = 0;
    std::optional<Finished> finished;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();
    [[nodiscard]] Status read_start(const Launch& launch);
    [[nodiscard]] Finished conclude(int init_status) const;
    void log_end() const;
};

/// The next report, with the descriptor that came along; nothing at the end.
[[nodiscard]] std::optional<InitReport> receive_report(sys::BorrowedFd control,
                                                       sys::OwnedFd* passed);
[[nodiscard]] std::int64_t monotonic_now();

} // namespace slipway::enter
