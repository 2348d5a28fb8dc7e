// SPDX-License-Identifier: Apache-2.0
#include "work/pump.hpp"

#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::work {

void Pump::set_input(sys::OwnedFd fd) {
    input_ = std::move(fd);
    ::fcntl(input_.raw(), F_SETFL, O_NONBLOCK);
}

void Pump::use_terminal(sys::BorrowedFd fd) {
    terminal_ = fd;
    add_output(fd, Output);
}

Status Pump::run() {
    // What came in one piece with the request is in the peer's buffer, where poll is blind.
    SLIPWAY_CHECK(take_events());
    bool ended = false;
    while (!ended || open_outputs() > 0) {
        std::array<pollfd, 5> polls{{{peer_.fd().raw(), POLLIN, 0},
                                     {ended ? -1 : program_.exit_fd().raw(), POLLIN, 0},
                                     {pending_.empty() ? -1 : input_fd(), POLLOUT, 0},
                                     {wanted(Output), POLLIN, 0},
                                     {wanted(ErrorOutput), POLLIN, 0}}};
        if (::poll(polls.data(), polls.size(), 1000) < 0 && errno != EINTR)
            return fail_errno("waiting for the command");
        program_.attend();
        SLIPWAY_CHECK(take_events());
        if (polls[2].revents != 0)
            write_input();
        for (auto stream : {Output, ErrorOutput})
            if (polls[stream == Output ? 3 : 4].revents != 0)
                SLIPWAY_CHECK(forward(stream));
        ended = ended || polls[1].revents != 0;
    }
    return {};
}

Status Pump::take_events() {
    while (true) {
        SLIPWAY_TRY(auto event, peer_.next_event(std::chrono::milliseconds(0)));
        if (!event)
            return {};
        switch (event->kind) {
        case Event::Kind::Cancel:
            program_.signal(SIGKILL);
            return fail(Code::Cancelled, "the command was stopped on request");
        case Event::Kind::Data:
            pending_ += event->bytes;
            write_input();
            break;
        case Event::Kind::EndOfInput:
            input_ended_ = true;
            write_input();
            break;
        case Event::Kind::Signal:
            program_.signal(event->number);
            break;
        case Event::Kind::Window: {
            struct winsize size {};
            size.ws_row = static_cast<unsigned short>(event->rows);
            size.ws_col = static_cast<unsigned short>(event->columns);
            program_.set_window_size(size);
            break;
        }
        }
    }
}

void Pump::write_input() {
    while (!pending_.empty()) {
        auto put = input_fd() < 0 ? static_cast<ssize_t>(pending_.size())
                                  : ::write(input_fd(), pending_.data(), pending_.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            return;
        // A command that does not read its input any more (EPIPE) is no failure of ours.
        auto used = put < 0 ? pending_.size() : static_cast<std::size_t>(put);
        peer_.consumed(used);
        pending_.erase(0, used);
    }
    if (input_ended_ && !terminal_.valid())
        input_.reset();
}

Status Pump::forward(Stream stream) {
    std::array<char, 32768> buffer{};
    auto got = ::read(outputs_[stream].raw(), buffer.data(),
                      std::min(buffer.size(), peer_.credit(stream)));
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return {};
    if (got <= 0) { // a terminal without a user answers EIO
        outputs_[stream] = sys::BorrowedFd(-1);
        return {};
    }
    return peer_.send(stream, {buffer.data(), static_cast<std::size_t>(got)});
}

} // namespace slipway::work
