// SPDX-License-Identifier: Apache-2.0
#include "calls/inside.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "guest/path_editor.hpp"
#include "work/lock_in.hpp"

namespace slipway::calls {
namespace {

using guest::PathEditor;
using Clock = std::chrono::steady_clock;

constexpr int socket_number = 3, root_number = 4;
constexpr std::chrono::minutes patience{15}; // a guest's file may keep a lens busy for ever
constexpr std::uint32_t largest_message = 256 << 20;
constexpr auto has_died = "the process that works inside the guest has died: open it again";
constexpr rlim_t most_memory = rlim_t{2} << 30;
// A saved file gets the owner and the mode of the one that it replaces.
constexpr auto kept = work::capability_bit(CAP_CHOWN) | work::capability_bit(CAP_DAC_OVERRIDE) |
                      work::capability_bit(CAP_FOWNER) | work::capability_bit(CAP_FSETID);

struct Role {
    std::string_view name;
    Result<std::unique_ptr<PathEditor>> (*make)(const Json& opening);
};
constexpr std::array roles{Role{"augeas", guest::make_augeas}, Role{"hive", guest::make_hive}};

// Messages are CBOR, which carries text of any bytes, behind their length.
Status send(sys::BorrowedFd socket, const Json& message) {
    std::string bytes(sizeof(std::uint32_t), '\0');
    Json::to_cbor(message, bytes);
    if (bytes.size() - sizeof(std::uint32_t) > largest_message)
        return fail(Code::NoSpace, "the answer is larger than 256 MiB");
    auto length = static_cast<std::uint32_t>(bytes.size() - sizeof(std::uint32_t));
    std::memcpy(bytes.data(), &length, sizeof length);
    return sys::write_all(socket, bytes);
}

Status read_exactly(sys::BorrowedFd socket, char* buffer, std::size_t size,
                    Clock::time_point until) {
    while (size > 0) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        pollfd poller{.fd = socket.raw(), .events = POLLIN, .revents = 0};
        if (left <= 0)
            return fail(Code::Timeout, "there was no answer in time");
        if (::poll(&poller, 1, static_cast<int>(std::min<long>(left, 1 << 30))) <= 0)
            continue;
        auto got = ::read(socket.raw(), buffer, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(Code::ToolFailed, has_died);
        buffer += got;
        size -= static_cast<std::size_t>(got);
    }
    return {};
}

Result<Json> receive(sys::BorrowedFd socket, Clock::time_point until) {
    std::uint32_t length = 0;
    SLIPWAY_CHECK(read_exactly(socket, reinterpret_cast<char*>(&length), sizeof length, until));
    if (length > largest_message)
        return fail(Code::Protocol, "a message is larger than 256 MiB");
    std::string bytes(length, '\0');
    SLIPWAY_CHECK(read_exactly(socket, bytes.data(), length, until));
    auto message = Json::from_cbor(bytes, true, false);
    if (message.is_discarded())
        return fail(Code::Protocol, "a message is malformed");
    return message;
}

Status answer(sys::BorrowedFd socket, Result<Json> result) {
    return send(socket, result ? Json{{"answer", std::move(*result)}}
                               : Json{{"error", error_to_json(result.error())}});
}

Result<std::unique_ptr<PathEditor>> make_inside(std::string_view role, const Json& opening) {
    for (const auto& each : roles)
        if (each.name == role) {
            SLIPWAY_TRY(auto editor, each.make(opening));
            SLIPWAY_CHECK(work::lock_into(root_number, kept));
            SLIPWAY_CHECK(editor->begin());
            return editor;
        }
    return fail(Code::Internal, fmt::format("there is no role '{}'", role));
}

void limit_memory() {
    rlimit limit{.rlim_cur = most_memory, .rlim_max = most_memory};
    (void)::setrlimit(RLIMIT_DATA, &limit);
}

} // namespace

Result<std::unique_ptr<Inside>> Inside::start(sys::Runner& runner, const sys::RootDir& root,
                                              const std::string& role, const Json& opening) {
    SLIPWAY_TRY(auto sockets, sys::make_socket_pair());
    // The descriptor of a RootDir may be O_PATH, which fchdir(2) takes as well.
    sys::ProcessSpec spec;
    spec.argv = {"/proc/self/exe", "--inside", role};
    spec.fds = {{sockets.second, socket_number}, {root.fd(), root_number}};
    std::unique_ptr<Inside> inside(new Inside);
    SLIPWAY_TRY(inside->child_, runner.start(spec));
    inside->socket_ = std::move(sockets.first);
    sockets.second.reset();
    SLIPWAY_TRY([[maybe_unused]] auto begun, inside->call("open", opening));
    return inside;
}

Result<Json> Inside::call(std::string_view name, const Json& arguments) {
    if (!socket_.valid())
        return fail(Code::ToolFailed, has_died);
    auto sent = send(socket_, {{"name", name}, {"arguments", arguments}});
    if (!sent && sent.error().errno_value == EPIPE)
        return fail(Code::ToolFailed, has_died);
    SLIPWAY_CHECK(std::move(sent));
    auto reply = receive(socket_, Clock::now() + patience);
    if (!reply) {
        socket_.reset();
        child_->signal(SIGKILL);
        return reply;
    }
    if (reply->contains("error"))
        return fail(error_from_json((*reply)["error"]));
    return json_at(*reply, "answer");
}

int serve_inside(std::string_view role) {
    sys::BorrowedFd socket(socket_number);
    ::umask(022);
    limit_memory();
    auto request = receive(socket, Clock::now() + patience);
    if (!request)
        return 1;
    auto editor = make_inside(role, json_at(*request, "arguments"));
    if (!editor) {
        (void)answer(socket, fail(std::move(editor).error()));
        return 1;
    }
    if (!answer(socket, Json()))
        return 1;
    while (true) {
        request = receive(socket, Clock::time_point::max());
        if (!request)
            return 0; // our owner has gone
        auto result = (*editor)->call(json_get<std::string>(*request, "name"),
                                      json_at(*request, "arguments"));
        if (!answer(socket, std::move(result)))
            return 1;
    }
}

} // namespace slipway::calls
