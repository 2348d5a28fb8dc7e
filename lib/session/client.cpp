// SPDX-License-Identifier: Apache-2.0
#include "session/client.hpp"

#include <array>
#include <csignal>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "session/wire.hpp"
#include "work/peer.hpp"

namespace slipway::session {
namespace {

constexpr std::chrono::seconds greeting_deadline{120}; // a machine without an accelerator
constexpr std::chrono::seconds cancel_grace{5};
constexpr std::chrono::milliseconds tick{50};
constexpr std::uint32_t grants_per_credit = 4;
constexpr std::size_t largest_answer = 512 << 20; // bytes; names of a few million files

} // namespace

Session::Session(StartedWorker worker, const sys::Host& host)
    : place_(std::move(worker.place)), channel_(std::move(worker.channel)), host_(host) {}

Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::open(StartedWorker worker, const sys::Host& host,
                                               Json keys, FirstCall first) {
    first.arguments["disks"] = std::move(worker.disks);
    first.arguments["keys"] = std::move(keys);
    std::unique_ptr<Session> session(new Session(std::move(worker), host));
    SLIPWAY_CHECK(session->greet());
    SLIPWAY_TRY(session->opened_, session->call(first.operation, std::move(first.arguments)));
    return session;
}

Status Session::greet() {
    auto until = Clock::now() + greeting_deadline;
    auto theirs = channel_.receive(tick);
    while (theirs && !*theirs && Clock::now() < until) {
        SLIPWAY_CHECK(host_.cancel.check());
        SLIPWAY_CHECK(place_->attend());
        theirs = channel_.receive(tick);
    }
    if (theirs && !*theirs)
        return fail(Code::Timeout, "the worker did not start within two minutes");
    if (!theirs)
        host_.log.debug("no hello: {}", render_text(theirs.error()));
    if (!theirs || (*theirs)->type != FrameType::Hello)
        return fail(place_->explain_end());
    SLIPWAY_TRY(auto json, from_wire((*theirs)->payload, "the worker's hello"));
    if (json_get<int>(json, "version") != protocol_version)
        return fail(Code::Protocol, "client and worker are of different versions",
                    "install them together, or unset SLIPWAY_WORKER");
    return channel_.send({FrameType::Hello, 0, to_wire({{"version", protocol_version}})});
}

Error Session::end_of_worker() {
    alive_ = false;
    return place_->explain_end();
}

Result<Json> Session::call(const std::string& operation, Json arguments, const CallHooks& hooks) {
    if (closed_)
        return fail(Code::InvalidArgument, fmt::format("{}: the session was closed", operation),
                    "open the image again");
    auto id = next_id_++;
    request_flow_ = input_flow_ = {.credit = channel_.initial_credit()};
    owed_.fill(0);
    cancel_sent_.reset();
    hook_error_.reset();
    progress_.reset();
    answer_.clear();
    SLIPWAY_CHECK((hooks.cancel ? *hooks.cancel : host_.cancel).check());
    auto request = to_wire({{"op", operation}, {"args", std::move(arguments)}});
    if (request.size() > max_request)
        return fail(Code::InvalidArgument,
                    fmt::format("the arguments are larger than {} MiB", max_request >> 20));
    auto early = send_request(id, request, hooks);
    input_open_ = hooks.input.valid();
    while (true) {
        auto answer = early && !*early ? step(id, hooks) : std::move(early);
        if (answer && !*answer)
            continue;
        if (hook_error_)
            return fail(std::move(*hook_error_));
        if (!answer)
            return fail(std::move(answer).error());
        return std::move(**answer);
    }
}

Result<std::optional<Json>> Session::step(std::uint32_t id, const CallHooks& hooks) {
    // With a descriptor of the caller to watch, poll both; else just wait for the next frame.
    bool may_send = input_open_ && input_flow_.may_send();
    if (may_send) {
        std::array<pollfd, 2> polls{
            {{channel_.fd().raw(), POLLIN, 0}, {hooks.input.raw(), POLLIN, 0}}};
        ::poll(polls.data(), polls.size(), static_cast<int>(tick.count()));
        if (polls[1].revents != 0)
            SLIPWAY_CHECK(send_input(id, hooks));
    }
    SLIPWAY_CHECK(pass_on(id, hooks));
    if (auto lives = place_->attend(); !lives) {
        alive_ = false;
        return fail(std::move(lives).error());
    }
    auto frame = channel_.receive(may_send ? std::chrono::milliseconds(0) : tick);
    if (!frame) {
        host_.log.debug("the session is broken: {}", render_text(frame.error()));
        return fail(end_of_worker());
    }
    if (!*frame && progress_ && host_.progress)
        host_.progress(*progress_);
    if (!*frame || (*frame)->id != id)
        return std::optional<Json>{};
    return take_frame(**frame, hooks);
}

namespace {

void pass_on_log(const Log& log, const Json& json) {
    auto text = json_get<std::string>(json, "text");
    switch (json_get<int>(json, "level")) {
    case static_cast<int>(Level::Debug):
        log.debug("{}", text);
        break;
    case static_cast<int>(Level::Warning):
        log.warning("{}", text);
        break;
    default:
        log.info("{}", text);
    }
}

} // namespace

Result<std::optional<Json>> Session::take_frame(const Frame& frame, const CallHooks& hooks) {
    switch (frame.type) {
    case FrameType::Response: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's answer"));
        return std::optional<Json>(std::move(json));
    }
    case FrameType::ResponseEnd: {
        SLIPWAY_TRY(auto json, from_wire(std::exchange(answer_, {}), "the worker's answer"));
        return std::optional<Json>(std::move(json));
    }
    case FrameType::Failure: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's answer"));
        return fail(error_from_json(json));
    }
    case FrameType::Data: {
        SLIPWAY_TRY(auto data, decode_data(frame.payload));
        auto size = static_cast<std::uint32_t>(data.second.size());
        if (data.first == work::Message) {
            if (answer_.size() + size > largest_answer)
                return fail(Code::Protocol, "the worker's answer is larger than 512 MiB");
            answer_ += data.second;
        } else if (hooks.on_data && !hook_error_)
            if (auto taken = hooks.on_data(data.first, data.second); !taken) {
                hook_error_ = std::move(taken.error());
                SLIPWAY_CHECK(channel_.send({FrameType::Cancel, frame.id, ""}));
            }
        SLIPWAY_CHECK(grant(frame.id, data.first, size));
        break;
    }
    case FrameType::Credit: {
        SLIPWAY_TRY(auto credit, decode_credit(frame.payload));
        (credit.first == work::Message ? request_flow_ : input_flow_).granted(credit.second);
        break;
    }
    case FrameType::Progress: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's progress"));
        progress_ = sys::Progress{
            json_get<std::string>(json, "step"), json_get<std::uint64_t>(json, "done"),
            json_get<std::uint64_t>(json, "total"), json_get<bool>(json, "bytes")};
        if (host_.progress)
            host_.progress(*progress_);
        break;
    }
    case FrameType::Log: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's log"));
        pass_on_log(host_.log, json);
        break;
    }
    default:
        return fail(Code::Protocol, "the worker sent a frame that does not belong into an answer");
    }
    return std::optional<Json>{};
}

// Not for each piece: a worker that sends many small ones does not read meanwhile, and what is
// under way to it must not fill its serial line.
Status Session::grant(std::uint32_t id, std::uint8_t stream, std::uint32_t bytes) {
    if (stream >= owed_.size())
        return fail(Code::Protocol, "the worker sent data of a stream that is not there");
    auto& owed = owed_[stream];
    owed += bytes;
    if (owed < channel_.initial_credit() / grants_per_credit)
        return {};
    return channel_.send({FrameType::Credit, id, encode_credit(stream, std::exchange(owed, 0))});
}

Status Session::pass_on(std::uint32_t id, const CallHooks& hooks) {
    if (hooks.on_step)
        hooks.on_step();
    if (hooks.take_signal)
        while (int number = hooks.take_signal())
            SLIPWAY_CHECK(
                channel_.send({FrameType::Signal, id, std::string(1, static_cast<char>(number))}));
    if (hooks.take_window)
        if (auto size = hooks.take_window()) {
            std::string payload;
            for (unsigned value : {size->first, size->second}) {
                payload += static_cast<char>(value & 0xff);
                payload += static_cast<char>(value >> 8 & 0xff);
            }
            SLIPWAY_CHECK(channel_.send({FrameType::Window, id, payload}));
        }
    if (!(hooks.cancel ? *hooks.cancel : host_.cancel).requested())
        return {};
    if (!cancel_sent_) {
        cancel_sent_ = Clock::now();
        return channel_.send({FrameType::Cancel, id, ""});
    }
    // Stuck in the kernel, perhaps: the supervisor ends it.
    if (Clock::now() - *cancel_sent_ > cancel_grace) {
        alive_ = false;
        place_->kill();
        return fail(Code::Cancelled, "stopped on request; the worker had to be killed");
    }
    return {};
}

Status Session::send_input(std::uint32_t id, const CallHooks& hooks) {
    input_.resize(channel_.largest_piece());
    auto got = ::read(hooks.input.raw(), input_.data(),
                      std::min<std::size_t>(input_.size(), input_flow_.credit));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return {};
    if (got < 0) { // the worker must not take it for the end
        input_open_ = false;
        hook_error_ = os_error("reading the input");
        return channel_.send({FrameType::Cancel, id, ""});
    }
    if (got == 0) {
        input_open_ = false;
        return channel_.send({FrameType::Data, id, encode_data(0, "")});
    }
    auto size = static_cast<std::size_t>(got);
    SLIPWAY_TRY(auto on_line, channel_.send_data(id, 0, {input_.data(), size}));
    input_flow_.sent(size, on_line);
    return {};
}

// An answer that comes before its end is a failure.
Result<std::optional<Json>> Session::send_request(std::uint32_t id, std::string_view request,
                                                  const CallHooks& hooks) {
    input_open_ = false;
    bool whole = request.size() <= channel_.largest_frame();
    while (!whole && !request.empty()) {
        if (!request_flow_.may_send()) {
            SLIPWAY_TRY(auto answer, step(id, hooks));
            if (answer)
                return answer;
            continue;
        }
        auto piece = request.substr(
            0, std::min<std::size_t>(channel_.largest_piece(), request_flow_.credit));
        auto on_line = channel_.send_data(id, work::Message, piece);
        if (!on_line)
            return fail(end_of_worker());
        request_flow_.sent(piece.size(), *on_line);
        request.remove_prefix(piece.size());
    }
    if (!channel_.send({whole ? FrameType::Request : FrameType::RequestEnd, id,
                        whole ? std::string(request) : ""}))
        return fail(end_of_worker());
    return std::optional<Json>{};
}

Status Session::close() {
    auto cancel = host_.cancel;
    host_.cancel = {}; // closing is the clean way to stop, too
    auto closed = call("close");
    host_.cancel = cancel;
    closed_ = true;
    if (!closed)
        return fail(std::move(closed).error());
    return place_->finish();
}

} // namespace slipway::session
