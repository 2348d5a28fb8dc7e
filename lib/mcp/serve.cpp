// SPDX-License-Identifier: Apache-2.0
#include "mcp/serve.hpp"

#include <array>
#include <memory>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mcp/server.hpp"

namespace slipway::mcp {
namespace {

// A signal may come just before we wait, so look for it now and then.
constexpr int longest_wait_ms = 500;

// Some parents give a descriptor that does not block.
Status write_line(sys::BorrowedFd out, const Json& message, const Cancel& cancel) {
    auto line = render_json(message) + "\n";
    for (std::string_view left = line; !left.empty();) {
        auto put = ::write(out.raw(), left.data(), left.size());
        if (put >= 0) {
            left.remove_prefix(static_cast<std::size_t>(put));
            continue;
        }
        if (errno == EAGAIN) {
            pollfd poller{.fd = out.raw(), .events = POLLOUT, .revents = 0};
            ::poll(&poller, 1, longest_wait_ms);
        } else if (errno != EINTR)
            return fail_errno("writing to the client");
        SLIPWAY_CHECK(cancel.check()); // of a client that does not read
    }
    return {};
}

class Loop {
public:
    Loop(const ServeOptions& options, sys::BorrowedFd woken, Server& server, const Status& sent)
        : options_(options), woken_(woken), server_(server), sent_(sent) {}

    /// Until the end of the input, or an error.
    Status run() {
        while (!ended_) {
            SLIPWAY_CHECK(options_.cancel.check());
            std::array<pollfd, 2> pollers{
                pollfd{.fd = options_.in.raw(), .events = POLLIN, .revents = 0},
                pollfd{.fd = woken_.raw(), .events = POLLIN, .revents = 0}};
            auto ready = ::poll(pollers.data(), pollers.size(), longest_wait_ms);
            if (ready < 0 && errno != EINTR)
                return fail_errno("waiting for the client");
            if (ready > 0 && pollers[1].revents != 0) {
                std::uint64_t count = 0;
                [[maybe_unused]] auto got = ::read(woken_.raw(), &count, sizeof count);
            }
            if (ready > 0 && pollers[0].revents != 0)
                SLIPWAY_CHECK(take_input());
            server_.tick();
            SLIPWAY_CHECK(sent());
        }
        return {};
    }

private:
    Status sent() const {
        if (!sent_)
            return fail(sent_.error());
        return {};
    }

    Status take_input() {
        auto got = ::read(options_.in.raw(), buffer_.data(), buffer_.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            return {};
        if (got < 0)
            return fail_errno("reading from the client");
        ended_ = got == 0;
        // What stands at the end without a newline is a line, too.
        auto bytes = ended_ ? std::string_view("\n")
                            : std::string_view(buffer_.data(), static_cast<std::size_t>(got));
        reader_.add(bytes,
                    [this](std::optional<std::string_view> line) { server_.take_line(line); });
        return sent();
    }

    const ServeOptions& options_;
    sys::BorrowedFd woken_;
    Server& server_;
    const Status& sent_;
    LineReader reader_;
    bool ended_ = false;
    std::array<char, 64 << 10> buffer_{};
};

bool is_gone(const Error& error) {
    return error.errno_value == EPIPE || error.errno_value == ECONNRESET;
}

} // namespace

Status serve(const ServeOptions& options, const std::function<Tools(Jobs&)>& tools) {
    auto woken = std::make_shared<sys::OwnedFd>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!woken->valid())
        return fail_errno("making an event descriptor");
    Jobs jobs(options.jobs, [woken] {
        constexpr std::uint64_t one = 1;
        [[maybe_unused]] auto put = ::write(woken->raw(), &one, sizeof one);
    });
    Status sent;
    auto send = [&](const Json& message) {
        if (sent)
            sent = write_line(options.out, message, options.cancel);
    };
    Server server(tools(jobs), jobs, send, options.log);
    auto loop = std::make_unique<Loop>(options, *woken, server, sent);
    auto status = loop->run();
    SLIPWAY_CHECK(jobs.stop(options.stop_limit));
    if (!status && is_gone(status.error()))
        return {};
    return status;
}

} // namespace slipway::mcp
