// SPDX-License-Identifier: Apache-2.0
#include "session/server.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <new>
#include <utility>

#include <sys/sysinfo.h>

#include "base/json.hpp"
#include "calls/machine.hpp"
#include "calls/opened_files.hpp"
#include "session/wire.hpp"
#include "sys/memory_limit.hpp"
#include "testbed/testbed.hpp"

namespace slipway::session {
namespace {

// Speaks for one request at a time.
class ChannelPeer final : public work::Peer {
public:
    explicit ChannelPeer(Channel& channel) : channel_(channel) {}

    void begin(std::uint32_t id) {
        id_ = id;
        credit_.fill(channel_.initial_credit());
        waiting_.clear();
        cancelled_ = false;
    }

    /// The last request was answered. (A serial line has no end of file.)
    void close() { closed_ = true; }
    [[nodiscard]] bool closed() const { return closed_; }

    void progress(const sys::Progress& progress) override {
        Json json{{"step", progress.step},
                  {"done", progress.done},
                  {"total", progress.total},
                  {"bytes", progress.bytes}};
        note(channel_.send({FrameType::Progress, id_, to_wire(json)}));
    }
    void log(Level level, std::string_view text) override {
        note(channel_.send(
            {FrameType::Log, id_, to_wire({{"level", static_cast<int>(level)}, {"text", text}})}));
    }
    [[nodiscard]] Status send(work::Stream stream, std::string_view bytes) override {
        while (!bytes.empty()) {
            if (cancelled())
                return fail(Code::Cancelled, "stopped on request");
            while (credit(stream) == 0) {
                if (cancelled_)
                    return fail(Code::Cancelled, "stopped on request");
                SLIPWAY_CHECK(take_frame(std::chrono::milliseconds(1000)));
            }
            auto piece =
                bytes.substr(0, std::min({bytes.size(), credit(stream), channel_.largest_piece()}));
            SLIPWAY_TRY([[maybe_unused]] auto on_line, channel_.send_data(id_, stream, piece));
            credit_[stream] -= static_cast<std::uint32_t>(piece.size());
            bytes.remove_prefix(piece.size());
        }
        return {};
    }
    [[nodiscard]] std::size_t credit(work::Stream stream) const override { return credit_[stream]; }

    [[nodiscard]] Result<std::optional<work::Event>>
    next_event(std::chrono::milliseconds limit) override {
        if (waiting_.empty())
            SLIPWAY_CHECK(take_frame(limit));
        if (waiting_.empty())
            return std::optional<work::Event>{};
        auto event = std::move(waiting_.front());
        waiting_.pop_front();
        return std::optional<work::Event>(std::move(event));
    }
    [[nodiscard]] bool cancelled() override {
        auto taken = take_frame(std::chrono::milliseconds(0)); // what comes first waits
        return cancelled_ || !taken;
    }
    void consumed(std::size_t bytes) override {
        if (bytes > 0)
            note(channel_.send({FrameType::Credit, id_,
                                encode_credit(work::Input, static_cast<std::uint32_t>(bytes))}));
    }
    [[nodiscard]] sys::BorrowedFd fd() const override { return channel_.fd(); }

private:
    // A lost client shows at the next receive; nothing more can be told to it anyway.
    static void note(const Status&) {}

    Status take_frame(std::chrono::milliseconds limit) {
        SLIPWAY_TRY(auto frame, channel_.receive(limit));
        if (!frame || frame->id != id_)
            return {};
        return dispatch(*frame);
    }

    Status dispatch(const Frame& frame) {
        work::Event event;
        switch (frame.type) {
        case FrameType::Data: {
            SLIPWAY_TRY(auto data, decode_data(frame.payload));
            event.kind =
                data.second.empty() ? work::Event::Kind::EndOfInput : work::Event::Kind::Data;
            event.bytes = data.second;
            break;
        }
        case FrameType::Credit: {
            SLIPWAY_TRY(auto credit, decode_credit(frame.payload));
            if (credit.first < credit_.size())
                credit_[credit.first] += std::min(credit.second, channel_.initial_credit());
            return {};
        }
        case FrameType::Signal:
            event.kind = work::Event::Kind::Signal;
            event.number = frame.payload.empty() ? 0 : static_cast<unsigned char>(frame.payload[0]);
            break;
        case FrameType::Window:
            if (frame.payload.size() != 4)
                return fail(Code::Protocol, "a malformed window frame");
            event.kind = work::Event::Kind::Window;
            event.rows = byte(frame, 0) | byte(frame, 1) << 8;
            event.columns = byte(frame, 2) | byte(frame, 3) << 8;
            break;
        case FrameType::Cancel:
            cancelled_ = true;
            break;
        default:
            return fail(Code::Protocol, "a frame that does not belong into a request");
        }
        waiting_.push_back(std::move(event));
        return {};
    }

    static unsigned byte(const Frame& frame, std::size_t at) {
        return static_cast<unsigned char>(frame.payload[at]);
    }

    Channel& channel_;
    std::uint32_t id_ = 0;
    std::array<std::uint32_t, 4> credit_{};
    std::deque<work::Event> waiting_;
    bool cancelled_ = false;
    bool closed_ = false;
};

Frame failure(std::uint32_t id, const Error& error) {
    return {FrameType::Failure, id, to_wire(error_to_json(error))};
}

Result<Frame> carry_out(work::Service& service, ChannelPeer& peer, const Frame& request) try {
    auto message = from_wire(request.payload, "a request");
    if (!message)
        return fail(Code::Protocol, "the client sent a request that is no JSON");
    auto operation = json_get<std::string>(*message, "op");
    auto result = service.handle(operation, json_at(*message, "args"), peer);
    if (operation == "close")
        peer.close();
    if (!result)
        return failure(request.id, result.error());
    return Frame{FrameType::Response, request.id, to_wire(*result)};
} catch (const std::bad_alloc&) {
    return failure(request.id,
                   {.code = Code::NoSpace,
                    .what = "the answer does not fit into the worker's memory",
                    .hint = "ask for less at a time, or for a file of it, such as a download"});
}

Status answer(Channel& channel, work::Service& service, ChannelPeer& peer, const Frame& request) {
    peer.begin(request.id);
    SLIPWAY_TRY(auto reply, carry_out(service, peer, request));
    if (reply.payload.size() <= max_payload)
        return channel.send(reply);
    // A wish to stop comes too late, and none but the client's end is an error.
    auto sent = peer.send(work::Message, reply.payload);
    if (!sent && sent.error().code != Code::Cancelled)
        return sent;
    return channel.send({FrameType::ResponseEnd, request.id, ""});
}

Json hello() {
    return {{"version", protocol_version}, {"capabilities", {"host", "streams", "tty", "credit"}}};
}

Status greet(Channel& channel) {
    SLIPWAY_CHECK(channel.send({FrameType::Hello, 0, to_wire(hello())}));
    SLIPWAY_TRY(auto theirs, channel.receive(std::chrono::seconds(30)));
    if (!theirs || theirs->type != FrameType::Hello)
        return fail(Code::Protocol, "the client did not say hello");
    SLIPWAY_TRY(auto json, from_wire(theirs->payload, "the client's hello"));
    if (json_get<int>(json, "version") != protocol_version)
        return fail(Code::Protocol, "client and worker are of different versions");
    return {};
}

// A request that comes in pieces becomes one frame with the last of them. `pieces`: those of its
// id.
Status gather(Channel& channel, Frame& frame, Frame& pieces) {
    bool is_its = frame.id == pieces.id && !pieces.payload.empty();
    if (frame.type == FrameType::Data) {
        SLIPWAY_TRY(auto data, decode_data(frame.payload));
        if (data.first != work::Message)
            return {};
        if (!is_its)
            pieces = {FrameType::Request, frame.id, ""};
        if (pieces.payload.size() + data.second.size() > max_request)
            return fail(Code::Protocol, "the client sent a request that is too large");
        pieces.payload += data.second;
        auto size = static_cast<std::uint32_t>(data.second.size());
        return channel.send({FrameType::Credit, frame.id, encode_credit(work::Message, size)});
    }
    if (frame.type == FrameType::RequestEnd && is_its)
        frame = std::exchange(pieces, {});
    if (frame.type == FrameType::Cancel && is_its) {
        pieces = {};
        return channel.send(
            failure(frame.id, {.code = Code::Cancelled, .what = "stopped on request"}));
    }
    return {};
}

// What a hostile guest makes large must not take the machine with it.
std::uint64_t memory_limit() {
    constexpr std::uint64_t most = std::uint64_t{4} << 30;
    struct sysinfo info {};
    if (::sysinfo(&info) != 0)
        return most;
    return std::min(most, static_cast<std::uint64_t>(info.totalram) * info.mem_unit / 4 * 3);
}

// The first request says what it shall be.
std::unique_ptr<work::Service> service_for(const Frame& request) {
    auto message = parse_json(request.payload, "a request");
    auto operation = message ? json_get<std::string>(*message, "op") : std::string();
    if (operation == "launch")
        return std::make_unique<calls::Machine>();
    if (operation == "testbed")
        return std::make_unique<testbed::Testbed>();
    return std::make_unique<calls::OpenedFiles>();
}

} // namespace

int serve(Channel channel) {
    sys::limit_own_memory(memory_limit());
    std::unique_ptr<work::Service> service;
    ChannelPeer peer(channel);
    Frame pieces;
    if (!greet(channel))
        return 1;
    while (true) {
        auto frame = channel.receive(std::chrono::hours(24));
        if (!frame)
            break;
        if (!*frame)
            continue;
        if (auto taken = gather(channel, **frame, pieces); !taken)
            break;
        // What comes late for a request that has ended (credit, cancel, input) is nothing to us.
        if ((*frame)->type != FrameType::Request)
            continue;
        if (!service)
            service = service_for(**frame);
        if (!answer(channel, *service, peer, **frame) || peer.closed())
            break;
        sys::renew_own_memory_limit();
    }
    return !service || service->close() ? 0 : 1;
}

} // namespace slipway::session
