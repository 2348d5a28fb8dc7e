// SPDX-License-Identifier: Apache-2.0
// The client's side of the supervisor.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <dlfcn.h>
#include <linux/limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "enter/device_cgroup.hpp"
#include "session/packet.hpp"
#include "session/supervisor.hpp"
#include "sys/own_namespaces.hpp"

namespace slipway::session {

struct SupervisedRunner::Connection {
    sys::OwnedFd socket;
    std::unique_ptr<sys::Child> supervisor;
    std::string worker;
    std::map<pid_t, int> ended; ///< children whose status has come but was not asked for yet

    // Reads one packet; statuses of children are put aside. Nothing if it was such a status.
    Result<std::optional<Packet>> receive() {
        SLIPWAY_TRY(auto packet, receive_packet(socket));
        if (!packet)
            return fail(Code::Protocol, "the supervisor process has died",
                        "look for the reason in the kernel's log, and try again");
        if (const auto& pid = json_at(packet->message, "ended"); pid.is_number()) {
            ended[pid.get<pid_t>()] = json_get<int>(packet->message, "status", -1);
            return std::optional<Packet>{};
        }
        return packet;
    }
};

namespace {

class SupervisedChild final : public sys::Child {
public:
    SupervisedChild(std::shared_ptr<SupervisedRunner::Connection> connection, pid_t pid,
                    sys::OwnedFd pidfd)
        : connection_(std::move(connection)), pid_(pid), pidfd_(std::move(pidfd)) {}
    ~SupervisedChild() override {
        if (status_)
            return;
        signal(SIGKILL, true);
        if (wait(std::chrono::seconds(10)))
            return;
        // The supervisor has died, and so all below it dies; nobody else tells when it is over.
        pollfd ended{.fd = pidfd_.raw(), .events = POLLIN, .revents = 0};
        ::poll(&ended, 1, 10'000);
    }
    [[nodiscard]] pid_t pid() const override { return pid_; }
    [[nodiscard]] sys::BorrowedFd exit_fd() const override { return pidfd_; }
    void signal(int number, bool group) override {
        if (!status_) [[maybe_unused]]
            auto sent = send_packet(
                connection_->socket,
                {{"op", "signal"}, {"pid", pid_}, {"number", number}, {"group", group}});
    }
    [[nodiscard]] Result<std::optional<int>> wait(std::chrono::milliseconds limit) override {
        auto until = Clock::now() + limit;
        while (!status_) {
            if (auto found = connection_->ended.find(pid_); found != connection_->ended.end()) {
                status_ = found->second;
                connection_->ended.erase(found);
                break;
            }
            auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
            pollfd poller{.fd = connection_->socket.raw(), .events = POLLIN, .revents = 0};
            auto ready = ::poll(&poller, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
            if (ready > 0) {
                SLIPWAY_TRY([[maybe_unused]] auto packet, connection_->receive());
            } else if (left.count() <= 0)
                return std::optional<int>{};
        }
        return status_;
    }

private:
    std::shared_ptr<SupervisedRunner::Connection> connection_;
    pid_t pid_;
    sys::OwnedFd pidfd_;
    std::optional<int> status_;
};

constexpr int control_number = 3; // of the supervisor's descriptor, see apps/slipway-worker

// Of the program, or of the library that this code is part of (a module of Python's).
std::string own_directory() {
    std::string path(PATH_MAX, '\0');
    auto size = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    std::error_code failed;
    Dl_info info{};
    if (::dladdr(reinterpret_cast<void*>(&own_directory), &info) != 0 && info.dli_fname != nullptr)
        if (auto file = std::filesystem::canonical(info.dli_fname, failed);
            !failed && file.extension() == ".so")
            path = file.string();
    return std::string(dirname_of(path));
}

} // namespace

Result<std::string> find_worker() {
    if (const char* named = std::getenv("SLIPWAY_WORKER"); named != nullptr && *named != '\0') {
        if (::access(named, X_OK) != 0)
            return fail(Code::NotFound,
                        fmt::format("SLIPWAY_WORKER names {}, which is no program", named));
        return std::filesystem::absolute(named).string();
    }
    auto here = own_directory();
    for (const auto& path : {fmt::format("{}/../libexec/slipway-worker", here),
                             fmt::format("{}/../../libexec/slipway-worker", here),
                             fmt::format("{}/slipway-worker", here),
                             fmt::format("{}/../libexec/slipway/slipway-worker", here),
                             std::string("/usr/libexec/slipway/slipway-worker")})
        if (::access(path.c_str(), X_OK) == 0)
            return path;
    return fail(
        Code::NotFound,
        fmt::format("the program slipway-worker is neither beside {} nor in ../libexec", here),
        "set SLIPWAY_WORKER to its path");
}

Result<std::unique_ptr<SupervisedRunner>> SupervisedRunner::launch(Rights rights) {
    if (rights == Rights::OwnNamespace)
        SLIPWAY_CHECK(sys::own_namespaces_requirements());
    auto connection = std::make_shared<Connection>();
    SLIPWAY_TRY(connection->worker, find_worker());
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("making a socket pair");
    connection->socket = sys::OwnedFd(ends[0]);
    sys::OwnedFd theirs(ends[1]);
    sys::ProcessSpec spec;
    spec.argv = {connection->worker,
                 rights == Rights::Own ? "--supervise" : "--supervise-in-own-namespaces"};
    spec.fds = {{theirs, control_number}, {sys::BorrowedFd(2), 2}};
    // PDEATHSIG would fire when the thread that called us ends: the lifeline is the socket.
    spec.die_with_parent = false;
    sys::LocalRunner local;
    SLIPWAY_TRY(connection->supervisor, local.start(spec));
    theirs.reset();
    if (rights == Rights::OwnNamespace) {
        SLIPWAY_TRY(auto greeting, connection->receive());
        if (const auto& failed = json_at(greeting->message, "failed"); failed.is_object())
            return fail(error_from_json(failed));
    }
    return std::unique_ptr<SupervisedRunner>(new SupervisedRunner(std::move(connection)));
}

SupervisedRunner::SupervisedRunner(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)) {}

SupervisedRunner::~SupervisedRunner() {
    // End of file ends it, and it ends all; waiting makes "nothing is left" true when we return.
    connection_->socket.reset();
    auto status = connection_->supervisor->wait(std::chrono::seconds(15));
    if (!status || status->value_or(0) != 0) // else it has done so itself
        enter::DeviceCgroup::remove_leftovers();
}

const std::string& SupervisedRunner::worker_program() const {
    return connection_->worker;
}

Result<std::unique_ptr<sys::Child>> SupervisedRunner::start(const sys::ProcessSpec& spec) {
    auto message = spec_to_json(spec);
    message["op"] = "start";
    std::vector<sys::BorrowedFd> fds;
    for (const auto& mapping : spec.fds)
        fds.push_back(mapping.parent);
    SLIPWAY_CHECK(send_packet(connection_->socket, message, fds));
    while (true) {
        SLIPWAY_TRY(auto packet, connection_->receive());
        if (!packet)
            continue;
        if (const auto& failed = json_at(packet->message, "failed"); failed.is_object())
            return fail(error_from_json(failed));
        if (packet->fds.size() != 1)
            return fail(Code::Protocol, "the supervisor gave no descriptor of the new process");
        return std::unique_ptr<sys::Child>(std::make_unique<SupervisedChild>(
            connection_, json_get<pid_t>(packet->message, "started"), std::move(packet->fds[0])));
    }
}

} // namespace slipway::session
