// SPDX-License-Identifier: Apache-2.0
// The client's side of a session: one opened root, wherever its worker runs.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "session/place.hpp"
#include "sys/host.hpp"

namespace slipway::session {

/// What a call may exchange while it is under way. Everything is optional.
struct CallHooks {
    /// Bytes of a stream of the worker (1 output, 2 error output). An error cancels the call.
    std::function<Status(int stream, std::string_view bytes)> on_data{};
    /// Read and sent as stream 0 until end of file.
    sys::BorrowedFd input{-1};
    /// A signal number to pass on, or 0; asked often.
    std::function<int()> take_signal{};
    /// A new terminal size as {rows, columns}, if it changed; asked often.
    std::function<std::optional<std::pair<unsigned, unsigned>>()> take_window{};
    std::function<void()> on_step{}; ///< called often while the call is under way
    std::optional<Cancel> cancel{};  ///< in place of the host record's, for this call alone
};

class Session {
public:
    /// Says hello to a worker and has it open the disks. `keys` are a list of {selector, secret}.
    [[nodiscard]] static Result<std::unique_ptr<Session>> open(StartedWorker worker,
                                                               const sys::Host& host,
                                                               Json keys = Json::array(),
                                                               FirstCall first = {});
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Sends a request and waits for its answer; progress and log go to the host record, progress
    /// again and again while nothing new comes, so that it can be shown how long a step takes.
    /// Cancelled stops the worker's operation, and after a grace period the worker. Protocol if it
    /// died, Timeout if its machine did, InvalidArgument after `close`.
    [[nodiscard]] Result<Json> call(const std::string& operation, Json arguments = Json::object(),
                                    const CallHooks& hooks = {});
    /// Unmounts and flushes, and waits until the worker has ended. The destructor just kills.
    [[nodiscard]] Status close();
    /// False once the worker has died, or had to be killed: every call fails then.
    [[nodiscard]] bool is_alive() const { return alive_; }
    /// The answer to the first call: what the worker told of the disks, see lib/work/README.md.
    [[nodiscard]] const Json& opened() const { return opened_; }

private:
    Session(StartedWorker worker, const sys::Host& host);
    [[nodiscard]] Status greet();
    [[nodiscard]] Error end_of_worker();
    [[nodiscard]] Result<std::optional<Json>> step(std::uint32_t id, const CallHooks& hooks);
    [[nodiscard]] Result<std::optional<Json>> take_frame(const Frame& frame,
                                                         const CallHooks& hooks);
    [[nodiscard]] Status pass_on(std::uint32_t id, const CallHooks& hooks);
    [[nodiscard]] Result<std::optional<Json>>
    send_request(std::uint32_t id, std::string_view request, const CallHooks& hooks);
    [[nodiscard]] Status grant(std::uint32_t id, std::uint8_t stream, std::uint32_t bytes);
    [[nodiscard]] Status send_input(std::uint32_t id, const CallHooks& hooks);

    std::unique_ptr<Place> place_;
    Channel channel_;
    sys::Host host_;
    Json opened_;
    std::uint32_t next_id_ = 1;
    /// What goes to the worker on one stream.
    struct Flow {
        std::uint32_t credit = 0;
        LineGauge line{};
        [[nodiscard]] bool may_send() const { return credit > 0 && !line.is_full(); }
        void sent(std::size_t bytes, std::size_t on_line) {
            credit -= static_cast<std::uint32_t>(bytes);
            line.sent(bytes, on_line);
        }
        void granted(std::uint32_t bytes) {
            credit += bytes;
            line.granted(bytes);
        }
    };
    Flow request_flow_, input_flow_;      ///< of this call
    std::array<std::uint32_t, 4> owed_{}; ///< bytes of each stream that were taken and not granted
    bool input_open_ = false;
    bool closed_ = false;
    bool alive_ = true;
    std::string input_;                     ///< one piece of it
    std::string answer_;                    ///< what has come of one that is larger than a frame
    std::optional<sys::Progress> progress_; ///< the last one of this call
    std::optional<Clock::time_point> cancel_sent_;
    std::optional<Error>
        hook_error_; ///< the call goes on until the worker has stopped, then this counts
};

} // namespace slipway::session
