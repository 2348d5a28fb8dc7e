// SPDX-License-Identifier: Apache-2.0
#include "session/supervisor.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <map>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "enter/device_cgroup.hpp"
#include "session/packet.hpp"
#include "storage/leftovers.hpp"
#include "sys/nbd_device.hpp"
#include "sys/own_namespaces.hpp"

namespace slipway::session {
namespace {

constexpr int bundle_check_ms = 250;
constexpr int nbd_check_rounds = 100; // of 5 ms
// A program of the guest that ends is reaped at once, if the machine gets to run.
constexpr std::chrono::seconds longest_unreaped{2};

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    if (auto text = sys::read_file(fmt::format("/proc/{0}/task/{0}/children", pid)))
        for (auto word : split_words(*text))
            if (auto number = parse_number(word))
                children.push_back(static_cast<pid_t>(*number));
    return children;
}

// The state follows the name in parentheses, which may hold any byte (proc(5)).
bool is_zombie(pid_t pid) {
    auto text = sys::read_file(fmt::format("/proc/{}/stat", pid));
    auto end = text ? text->rfind(") ") : std::string::npos;
    return end != std::string::npos && text->substr(end + 2, 1) == "Z";
}

bool has_ended(const sys::Child& child) {
    pollfd poller{.fd = child.exit_fd().raw(), .events = POLLIN, .revents = 0};
    return ::poll(&poller, 1, 0) > 0;
}

// Kills until nothing is left: what is orphaned by a kill becomes our child and is killed next.
void end_all_children() {
    for (int rounds = 0; rounds < 2000; ++rounds) {
        for (auto pid : children_of(::getpid()))
            ::kill(pid, SIGKILL);
        pid_t ended = 0;
        while ((ended = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        if (ended < 0 && errno == ECHILD)
            break;
        // A worker that is ending may wait for what the dead server of its disk never answers.
        if (rounds % nbd_check_rounds == nbd_check_rounds - 1) [[maybe_unused]]
            auto disconnected = sys::NbdDevice::take_abandoned();
        ::poll(nullptr, 0, 5);
    }
    storage::close_leftovers();
    enter::DeviceCgroup::remove_leftovers();
}

// Ctrl-C and hang-ups are the client's business: it tells us, or it goes.
void be_supervisor(const char* name) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::prctl(PR_SET_NAME, name);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT})
        (void)::signal(number, SIG_IGN);
}

struct Started {
    std::unique_ptr<sys::Child> process;
    unsigned bundle = 0;
};

class Supervisor {
public:
    // `guard`: at its end, so is this; invalid: there is none.
    explicit Supervisor(sys::OwnedFd control, sys::OwnedFd guard = {})
        : control_(std::move(control)), guard_(std::move(guard)) {}

    int run() {
        be_supervisor("slipway-super");
        sigset_t child_signal;
        ::sigemptyset(&child_signal);
        ::sigaddset(&child_signal, SIGCHLD);
        ::sigprocmask(SIG_BLOCK, &child_signal, nullptr);
        sys::OwnedFd signals(::signalfd(-1, &child_signal, SFD_CLOEXEC));
        std::array<pollfd, 3> polls{
            {{control_.raw(), POLLIN, 0}, {signals.raw(), POLLIN, 0}, {guard_.raw(), POLLIN, 0}}};
        while (true) {
            if (::poll(polls.data(), polls.size(), has_bundles() ? bundle_check_ms : -1) < 0 &&
                errno != EINTR)
                break;
            if (polls[1].revents != 0)
                drain(signals);
            collect();
            look_for_dead_parts();
            if (polls[2].revents != 0 || (polls[0].revents != 0 && !serve_one()))
                break;
        }
        end_all();
        return 0;
    }

private:
    static void drain(const sys::OwnedFd& signals) {
        signalfd_siginfo info{};
        [[maybe_unused]] auto got = ::read(signals.raw(), &info, sizeof info);
    }

    bool serve_one() {
        auto packet = receive_packet(control_);
        if (!packet || !*packet)
            return false;
        const auto& message = (*packet)->message;
        auto op = json_get<std::string>(message, "op");
        if (op == "start")
            start(**packet);
        else if (op == "signal")
            signal(message);
        return true;
    }

    void start(Packet& packet) {
        auto spec = spec_from_json(packet.message, packet.fds);
        auto bundle = spec ? spec->bundle : 0;
        auto child = spec ? runner_.start(*spec)
                          : Result<std::unique_ptr<sys::Child>>(fail(std::move(spec).error()));
        if (!child) {
            [[maybe_unused]] auto sent =
                send_packet(control_, {{"failed", error_to_json(child.error())}});
            return;
        }
        [[maybe_unused]] auto sent =
            send_packet(control_, {{"started", (*child)->pid()}}, {(*child)->exit_fd()});
        auto pid = (*child)->pid();
        children_[pid] = {std::move(*child), bundle};
    }

    void signal(const Json& message) {
        auto found = children_.find(json_get<pid_t>(message, "pid"));
        if (found != children_.end())
            found->second.process->signal(json_get<int>(message, "number"),
                                          json_get<bool>(message, "group"));
    }

    [[nodiscard]] bool has_bundles() const {
        return std::any_of(children_.begin(), children_.end(),
                           [](const auto& child) { return child.second.bundle != 0; });
    }

    void kill_bundle(unsigned bundle) {
        for (auto& [pid, child] : children_)
            if (child.bundle == bundle)
                child.process->signal(SIGKILL, true);
    }

    // User-mode Linux does not notice when one of its own helper processes is killed, and stands
    // still. It does not reap them either: a zombie that stays is one of those.
    void look_for_dead_parts() {
        std::map<pid_t, Clock::time_point> dead;
        for (const auto& [pid, child] : children_) {
            if (child.bundle == 0)
                continue;
            for (auto part : children_of(pid)) {
                if (!is_zombie(part))
                    continue;
                auto known = dead_parts_.find(part);
                auto since = known == dead_parts_.end() ? Clock::now() : known->second;
                dead.emplace(part, since);
                if (Clock::now() - since > longest_unreaped)
                    kill_bundle(child.bundle);
            }
        }
        dead_parts_ = std::move(dead);
    }

    // Tells the client which of its children ended, and reaps what was orphaned to us.
    void collect() {
        for (auto child = children_.begin(); child != children_.end();) {
            // Before it is reaped, so that the number of its group is certainly its own: members
            // that are left hold its memory and sockets.
            if (child->second.bundle != 0 && has_ended(*child->second.process))
                child->second.process->signal(SIGKILL, true);
            auto status = child->second.process->wait(std::chrono::milliseconds(0));
            if (status && !*status) {
                ++child;
                continue;
            }
            auto bundle = child->second.bundle;
            bool failed = !status || **status != 0;
            [[maybe_unused]] auto sent =
                send_packet(control_, {{"ended", child->first},
                                       {"status", status ? status->value_or(-1) : -1}});
            child = children_.erase(child);
            if (bundle != 0 && failed)
                kill_bundle(bundle);
        }
        while (true) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
                return;
            if (children_.contains(info.si_pid))
                return; // it ended just now: the next round tells of it
            ::waitpid(info.si_pid, nullptr, WNOHANG);
        }
    }

    void end_all() {
        for (auto& [pid, child] : children_)
            child.process->signal(SIGKILL, true);
        end_all_children();
        for (auto& [pid, child] : children_)
            [[maybe_unused]] auto* leaked =
                child.process.release(); // reaped above: the owner must not wait again
    }

    sys::OwnedFd control_, guard_;
    sys::LocalRunner runner_;
    std::map<pid_t, Started> children_;
    std::map<pid_t, Clock::time_point> dead_parts_; ///< zombies of the last look, since when
};

} // namespace

// Whoever kills the supervisor orphans what it supervises, and that all of it has asked to die with
// its parent does not help everywhere: a program of User-mode Linux's guest that is just being
// started, and asks to be traced after its machine has ended, is traced by whoever inherits it
// then, and stands still for ever. So there are two, and the one sees to what the other leaves.
int supervise(sys::OwnedFd control) {
    be_supervisor("slipway-guard");
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return 1;
    sys::OwnedFd theirs(ends[0]), ours(ends[1]);
    auto supervisor = ::fork();
    if (supervisor < 0)
        return 1;
    if (supervisor == 0) {
        ours.reset();
        return Supervisor(std::move(control), std::move(theirs)).run();
    }
    control.reset();
    theirs.reset();
    int status = 0;
    // What is orphaned to us and ended waits for its turn: there is little of it.
    while (::waitpid(supervisor, &status, 0) < 0 && errno == EINTR) {
    }
    end_all_children();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int supervise_in_own_namespaces(sys::OwnedFd control) {
    auto entered = sys::enter_own_namespaces();
    auto greeting =
        entered ? Json{{"ready", true}} : Json{{"failed", error_to_json(entered.error())}};
    if (!send_packet(control, greeting) || !entered)
        return 1;
    // Its end is that of all processes of its namespace.
    return Supervisor(std::move(control)).run();
}

} // namespace slipway::session
