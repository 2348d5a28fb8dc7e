// SPDX-License-Identifier: Apache-2.0
#include "session/client.hpp"

#include <array>
#include <csignal>

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "session/wire.hpp"
#include "sys/mount.hpp"

namespace slipway::session {
namespace {

// Of the worker's descriptors, see apps/slipway-worker.
constexpr int session_number = 3, program_number = 4;
constexpr std::chrono::seconds cancel_grace{5};
constexpr std::chrono::milliseconds tick{50};

} // namespace

Session::Session(std::unique_ptr<sys::Child> worker, sys::OwnedFd socket, const sys::Host& host)
    : worker_(std::move(worker)), channel_(std::move(socket)), host_(host) {}

Session::~Session() = default;

Result<std::unique_ptr<Session>>
Session::start_host_engine(SupervisedRunner& runner, const sys::Host& host,
                           const std::vector<image::DiskSpec>& disks) {
    if (::geteuid() != 0)
        return fail(Code::Permission, "opening an image with the host engine needs root",
                    "run it with sudo");
    SLIPWAY_TRY(auto sockets, sys::make_socket_pair());
    sys::ProcessSpec spec;
    // The init of a guest's command is a copy of the worker, and its /proc/self/exe a way to the
    // worker's file: through a mount where nothing can be done to it.
    SLIPWAY_TRY(auto program, sys::open_read_only_mount(runner.worker_program()));
    spec.argv = {sys::proc_path(program_number), "--serve"};
    spec.fds = {
        {sockets.second, session_number}, {program, program_number}, {sys::BorrowedFd(2), 2}};
    // PID 1 of a namespace: whatever it starts ends with it.
    spec.clone_flags = CLONE_NEWPID;
    auto arguments = Json::array();
    for (const auto& disk : disks) {
        spec.fds.insert(spec.fds.end(), disk.graph.fds.begin(), disk.graph.fds.end());
        arguments.push_back(image::to_json(disk));
    }
    SLIPWAY_TRY(auto worker, runner.start(spec));
    sockets.second.reset();
    std::unique_ptr<Session> session(
        new Session(std::move(worker), std::move(sockets.first), host));
    SLIPWAY_CHECK(session->greet());
    SLIPWAY_TRY([[maybe_unused]] auto opened, session->call("open", {{"disks", arguments}}));
    return session;
}

Status Session::greet() {
    auto theirs = channel_.receive(std::chrono::seconds(30));
    if (!theirs || !*theirs || (*theirs)->type != FrameType::Hello)
        return fail(worker_died());
    SLIPWAY_TRY(auto json, from_wire((*theirs)->payload, "the worker's hello"));
    if (json_get<int>(json, "version") != protocol_version)
        return fail(Code::Protocol, "client and worker are of different versions",
                    "install them together, or unset SLIPWAY_WORKER");
    return channel_.send({FrameType::Hello, 0, to_wire({{"version", protocol_version}})});
}

Error Session::worker_died() const {
    auto status = worker_->wait(std::chrono::milliseconds(500));
    auto text = status && *status ? fmt::format(" (status {})", **status) : std::string{};
    return {.code = Code::Protocol,
            .what = fmt::format("the worker process has died{}", text),
            .hint = "nothing was written to the source; try again, and report it if it stays"};
}

Result<Json> Session::call(const std::string& operation, Json arguments, const CallHooks& hooks) {
    auto id = next_id_++;
    input_credit_ = initial_credit;
    input_open_ = hooks.input.valid();
    cancel_sent_.reset();
    hook_error_.reset();
    SLIPWAY_CHECK(host_.cancel.check());
    if (!channel_.send(
            {FrameType::Request, id, to_wire({{"op", operation}, {"args", std::move(arguments)}})}))
        return fail(worker_died());
    while (true) {
        auto answer = step(id, hooks);
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
    if (input_open_ && input_credit_ > 0) {
        std::array<pollfd, 2> polls{
            {{channel_.fd().raw(), POLLIN, 0}, {hooks.input.raw(), POLLIN, 0}}};
        ::poll(polls.data(), polls.size(), static_cast<int>(tick.count()));
        if (polls[1].revents != 0)
            SLIPWAY_CHECK(send_input(id, hooks));
    }
    SLIPWAY_CHECK(pass_on(id, hooks));
    auto frame =
        channel_.receive(input_open_ && input_credit_ > 0 ? std::chrono::milliseconds(0) : tick);
    if (!frame)
        return fail(worker_died());
    if (!*frame || (*frame)->id != id)
        return std::optional<Json>{};
    return take_frame(**frame, hooks);
}

Result<std::optional<Json>> Session::take_frame(const Frame& frame, const CallHooks& hooks) {
    switch (frame.type) {
    case FrameType::Response: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's answer"));
        return std::optional<Json>(std::move(json));
    }
    case FrameType::Failure: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's answer"));
        return fail(error_from_json(json));
    }
    case FrameType::Data: {
        SLIPWAY_TRY(auto data, decode_data(frame.payload));
        auto size = static_cast<std::uint32_t>(data.second.size());
        if (hooks.on_data && !hook_error_)
            if (auto taken = hooks.on_data(data.first, data.second); !taken) {
                hook_error_ = std::move(taken.error());
                SLIPWAY_CHECK(channel_.send({FrameType::Cancel, frame.id, ""}));
            }
        SLIPWAY_CHECK(
            channel_.send({FrameType::Credit, frame.id, encode_credit(data.first, size)}));
        break;
    }
    case FrameType::Credit: {
        SLIPWAY_TRY(auto credit, decode_credit(frame.payload));
        input_credit_ += credit.second;
        break;
    }
    case FrameType::Progress: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's progress"));
        if (host_.progress)
            host_.progress({json_get<std::string>(json, "step"),
                            json_get<std::uint64_t>(json, "done"),
                            json_get<std::uint64_t>(json, "total"), json_get<bool>(json, "bytes")});
        break;
    }
    case FrameType::Log: {
        SLIPWAY_TRY(auto json, from_wire(frame.payload, "the worker's log"));
        auto text = json_get<std::string>(json, "text");
        switch (json_get<int>(json, "level")) {
        case static_cast<int>(Level::Debug):
            host_.log.debug("{}", text);
            break;
        case static_cast<int>(Level::Warning):
            host_.log.warning("{}", text);
            break;
        default:
            host_.log.info("{}", text);
        }
        break;
    }
    default:
        return fail(Code::Protocol, "the worker sent a frame that does not belong into an answer");
    }
    return std::optional<Json>{};
}

Status Session::pass_on(std::uint32_t id, const CallHooks& hooks) {
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
    if (!host_.cancel.requested())
        return {};
    if (!cancel_sent_) {
        cancel_sent_ = Clock::now();
        return channel_.send({FrameType::Cancel, id, ""});
    }
    // Stuck in the kernel, perhaps: the supervisor ends it.
    if (Clock::now() - *cancel_sent_ > cancel_grace) {
        worker_->signal(SIGKILL, true);
        return fail(Code::Cancelled, "stopped on request; the worker had to be killed");
    }
    return {};
}

Status Session::send_input(std::uint32_t id, const CallHooks& hooks) {
    std::array<char, max_data_piece> buffer{};
    auto got = ::read(hooks.input.raw(), buffer.data(),
                      std::min<std::size_t>(buffer.size(), input_credit_));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return {};
    if (got <= 0) {
        input_open_ = false;
        return channel_.send({FrameType::Data, id, encode_data(0, "")});
    }
    input_credit_ -= static_cast<std::uint32_t>(got);
    return channel_.send(
        {FrameType::Data, id, encode_data(0, {buffer.data(), static_cast<std::size_t>(got)})});
}

Status Session::close() {
    auto cancel = host_.cancel;
    host_.cancel = {}; // closing is the clean way to stop, too
    auto closed = call("close");
    host_.cancel = cancel;
    if (!closed)
        return fail(std::move(closed).error());
    ::shutdown(channel_.fd().raw(), SHUT_WR); // the worker waits for requests until the end of file
    channel_.hang_up();
    auto ended = worker_->wait(std::chrono::seconds(30));
    if (!ended)
        return fail(std::move(ended).error());
    return {};
}

} // namespace slipway::session
