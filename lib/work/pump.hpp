// SPDX-License-Identifier: Apache-2.0
// Carries bytes between the client and one running program.
#pragma once

#include <array>
#include <string>

#include <sys/ioctl.h>

#include "sys/fd.hpp"
#include "work/peer.hpp"

namespace slipway::work {

/// A program that was started, however that was.
class RunningProgram {
public:
    RunningProgram() = default;
    RunningProgram(const RunningProgram&) = delete;
    RunningProgram& operator=(const RunningProgram&) = delete;
    virtual ~RunningProgram() = default;

    /// Readable once it has ended; for poll(2).
    [[nodiscard]] virtual sys::BorrowedFd exit_fd() const = 0;
    /// No error if it has ended.
    virtual void signal(int number) = 0;
    virtual void set_window_size(const struct winsize& size) = 0;
    /// Called at least once a second while it runs.
    virtual void attend() {}
};

class Pump {
public:
    Pump(RunningProgram& program, Peer& peer) : program_(program), peer_(peer) {}

    void set_input(sys::OwnedFd fd);
    void add_output(sys::BorrowedFd fd, Stream stream) { outputs_[stream] = fd; }
    void use_terminal(sys::BorrowedFd fd);

    /// Until the program has ended and all of its output was sent. Cancelled kills it.
    [[nodiscard]] Status run();

private:
    [[nodiscard]] int input_fd() const {
        return terminal_.valid() ? terminal_.raw() : input_.raw();
    }
    [[nodiscard]] int wanted(Stream stream) const {
        return peer_.credit(stream) > 0 ? outputs_[stream].raw() : -1;
    }
    [[nodiscard]] int open_outputs() const {
        return (outputs_[Output].valid() ? 1 : 0) + (outputs_[ErrorOutput].valid() ? 1 : 0);
    }
    [[nodiscard]] Status take_events();
    void write_input();
    [[nodiscard]] Status forward(Stream stream);

    RunningProgram& program_;
    Peer& peer_;
    sys::OwnedFd input_;
    sys::BorrowedFd terminal_{-1};
    std::array<sys::BorrowedFd, 3> outputs_{sys::BorrowedFd(-1), sys::BorrowedFd(-1),
                                            sys::BorrowedFd(-1)};
    std::string pending_;
    bool input_ended_ = false;
};

} // namespace slipway::work
