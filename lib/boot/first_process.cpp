// SPDX-License-Identifier: Apache-2.0
#include "boot/first_process.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "boot/machine.hpp"
#include "boot/traces_mounts.hpp"
#include "sys/mount.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

constexpr auto socket_path = "/run/slipway-first";
// In the image's root, as systemd knows it.
constexpr auto door = "/run/initramfs";
constexpr auto door_options = "mode=0700,size=32m";
constexpr auto keeper_file = "/keeper"; // in the door
constexpr int look_interval_ms = 200;
constexpr std::chrono::seconds longest_start{20};
constexpr std::size_t longest_message = 64 << 10;

Json to_json(const TargetSpec& spec) {
    auto consoles = Json::array();
    for (const auto& [name, terminal] : spec.consoles)
        consoles.push_back({{"name", name}, {"terminal", terminal}});
    return {{"root", spec.root},
            {"init", spec.init},
            {"consoles", std::move(consoles)},
            {"helpers", spec.helpers}};
}

TargetSpec spec_from_json(const Json& json) {
    TargetSpec spec{.root = json_get<std::string>(json, "root"),
                    .init = json_get<std::string>(json, "init"),
                    .helpers = json_get<std::string>(json, "helpers")};
    for (const auto& console : json_at(json, "consoles"))
        spec.consoles.push_back({.name = json_get<std::string>(console, "name"),
                                 .terminal = json_get<std::string>(console, "terminal")});
    return spec;
}

sockaddr_un address_of_socket() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, socket_path);
    return address;
}

std::string receive(sys::BorrowedFd connection) {
    std::string message(longest_message, '\0');
    auto got = ::recv(connection.raw(), message.data(), message.size(), 0);
    message.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return message;
}

bool is_readable(sys::BorrowedFd fd, std::chrono::milliseconds wait) {
    pollfd poll{fd.raw(), POLLIN, 0};
    return ::poll(&poll, 1, static_cast<int>(wait.count())) > 0;
}

class Native final : public RunningSystem {
public:
    explicit Native(FirstProcess& first) : first_(first) {}
    [[nodiscard]] sys::BorrowedFd fd() const override { return first_.fd(); }
    [[nodiscard]] pid_t pid() const override { return 1; }
    void ask_to_end() override { ::kill(1, SIGRTMIN + 3); }
    bool kill() override { return false; } // PID 1 cannot be killed
    std::optional<TargetEnd> poll_end() override {
        auto said = first_.hear();
        if (!said)
            return std::nullopt;
        return *said == "reboot" || *said == "kexec"    ? TargetEnd::Restarted
               : *said == "poweroff" || *said == "halt" ? TargetEnd::PoweredOff
                                                        : TargetEnd::Failed;
    }

private:
    FirstProcess& first_;
};

// --- of PID 1 ---

// What systemd finds at the image's end: this program, and who waits for it.
Status make_door(const std::string& root, pid_t keeper) {
    auto place = root + door;
    SLIPWAY_CHECK(make_mount_point(place));
    SLIPWAY_CHECK(sys::mount(
        {.source = "slipway-door", .target = place, .type = "tmpfs", .options = door_options}));
    std::error_code failed;
    fs::copy_file("/proc/self/exe", place + "/shutdown", failed);
    if (failed)
        return fail_errno("copying the bootstrap", failed.value());
    for (const auto* name : {"oldroot", "proc", "sys", "dev", "run"})
        fs::create_directory(fmt::format("{}/{}", place, name), failed);
    return sys::write_file(place + keeper_file, fmt::to_string(keeper));
}

// Comes back with an error only, and with the old root unless `moved`.
Error become_init(const TargetSpec& spec, pid_t keeper, bool& moved) {
    if (auto prepared = prepare_root(spec); !prepared)
        return std::move(prepared.error());
    if (auto made = make_door(spec.root, keeper); !made)
        return std::move(made.error());
    let_be_killed();
    if (::chdir(spec.root.c_str()) != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0)
        return os_error("moving the image's root to /");
    moved = true;
    if (::chroot(".") != 0 || ::chdir("/") != 0)
        return os_error("changing to the image's root");
    return start_init(spec);
}

void kill_all_but(pid_t keeper) {
    for (const auto& name : sys::names_in("/proc")) {
        auto pid = parse_number(name);
        if (!pid || *pid == 1 || static_cast<pid_t>(*pid) == keeper)
            continue;
        // Threads of the kernel have no program.
        std::error_code none;
        auto program = fs::read_symlink("/proc/" + name + "/exe", none);
        if (!none && !program.empty())
            ::kill(static_cast<pid_t>(*pid), SIGKILL);
    }
}

// The bootstrap's root has stayed below the image's; whoever has it for a root can lead there.
void return_to_root_of(pid_t keeper) {
    int here = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int there =
        ::open(fmt::format("/proc/{}/root", keeper).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (there < 0 || ::fchdir(there) != 0 || ::chroot(".") != 0)
        return;
    ::umount2(fmt::format("/proc/self/fd/{}", here).c_str(), MNT_DETACH);
    ::close(here);
    ::close(there);
}

// The image's system runs at the root of the control groups, where its root can also stop, starve
// or end the bootstrap's group: this process is in none, and takes the bootstrap out of its own. At
// the groups' root nothing can be done to it; it goes into its own again before the next image.
void free_keeper(pid_t keeper) {
    using Limit = std::pair<const char*, const char*>; // a file, and what is no limit
    auto is_changed = [](const Limit& limit) {
        auto value = sys::read_file(fmt::format("{}/{}", own_cgroup, limit.first));
        return value && trim(*value) != limit.second;
    };
    constexpr std::array limits{Limit{"cgroup.freeze", "0"}, Limit{"memory.max", "max"},
                                Limit{"memory.high", "max"}, Limit{"pids.max", "max"},
                                Limit{"cpu.max", "max 100000"}};
    if (std::none_of(limits.begin(), limits.end(), is_changed))
        return;
    auto move = [&] {
        return sys::write_file("/sys/fs/cgroup/cgroup.procs", fmt::to_string(keeper));
    };
    if (!move() && make_writable("/sys/fs/cgroup"))
        std::ignore = move();
    for (const auto& [file, value] : limits)
        std::ignore = sys::write_file(fmt::format("{}/{}", own_cgroup, file), value);
}

class First {
public:
    First(const std::function<void()>& bootstrap, char* name)
        : bootstrap_(bootstrap), name_(name) {}

    [[noreturn]] void run(pid_t keeper, std::string news) {
        keeper_ = keeper;
        news_ = std::move(news);
        while (true) {
            if (keeper_ <= 0)
                start_keeper();
            if (!connection_.valid())
                connect();
            if (!connection_.valid())
                ::poll(nullptr, 0, look_interval_ms);
            else if (is_readable(connection_, std::chrono::milliseconds(look_interval_ms)))
                obey(receive(connection_));
            free_keeper(keeper_);
            for (int pid = 0; (pid = ::waitpid(-1, nullptr, WNOHANG)) > 0;)
                if (pid == keeper_)
                    begin_again();
        }
    }

private:
    // The bootstrap has ended, which only a system that it ran can have done: that ends, too.
    void begin_again() {
        keeper_ = 0;
        connection_.reset();
        kill_all_but(0);
        std::ignore = sys::unmount_tree("/run/slipway");
    }
    void start_keeper() {
        keeper_ = ::fork();
        if (keeper_ != 0)
            return;
        connection_.reset();
        name_[0] = '@'; // systemd's last signals spare processes that are called so
        bootstrap_();
        ::_exit(1);
    }
    void connect() {
        sys::OwnedFd made(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        auto address = address_of_socket();
        if (!made.valid() ||
            ::connect(made.raw(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            return;
        connection_ = std::move(made);
        say(news_);
        news_ = "here";
    }
    void say(const std::string& text) const {
        ::send(connection_.raw(), text.data(), text.size(), MSG_NOSIGNAL);
    }
    void obey(const std::string& message) {
        if (message.empty())
            return connection_.reset(); // the bootstrap has gone
        auto json = parse_json(message, "a request to PID 1");
        if (!json)
            return say(render_line(json.error()));
        bool moved = false;
        auto error = become_init(spec_from_json(*json), keeper_, moved);
        if (!moved)
            return say(render_line(error));
        // As systemd would have left it.
        if (::chdir(door) == 0 && ::syscall(SYS_pivot_root, ".", "oldroot") == 0 &&
            ::chroot(".") == 0)
            ::execl("/shutdown", "/shutdown", "failed", nullptr);
        say(render_line(error));
    }

    const std::function<void()>& bootstrap_;
    char* name_;
    pid_t keeper_ = 0;
    std::string news_;
    sys::OwnedFd connection_;
};

} // namespace

Result<FirstProcess> FirstProcess::listen() {
    FirstProcess first;
    first.listening_ =
        sys::OwnedFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    auto address = address_of_socket();
    ::unlink(socket_path);
    if (!first.listening_.valid() ||
        ::bind(first.listening_.raw(), reinterpret_cast<sockaddr*>(&address), sizeof address) !=
            0 ||
        ::chmod(socket_path, 0600) != 0 || ::listen(first.listening_.raw(), 1) != 0)
        return fail_errno("listening for PID 1");
    return first;
}

std::optional<std::string> FirstProcess::hear() {
    sys::OwnedFd made(::accept4(listening_.raw(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!made.valid())
        return std::nullopt;
    connection_ = std::move(made);
    return receive(connection_);
}

Status FirstProcess::become(const TargetSpec& spec) {
    if (!connection_.valid())
        std::ignore = hear();
    auto text = render_json(to_json(spec));
    if (::send(connection_.raw(), text.data(), text.size(), MSG_NOSIGNAL) < 0)
        return fail_errno("asking PID 1");
    if (!is_readable(connection_, longest_start))
        return fail(Code::Timeout, "PID 1 does not answer");
    auto answer = receive(connection_);
    connection_.reset();
    // It is another program now: its end of the connection is closed.
    return answer.empty() ? Status{} : fail(Code::Unsupported, printable(answer));
}

Result<std::unique_ptr<RunningSystem>> start_native(const TargetSpec& spec, FirstProcess& first) {
    SLIPWAY_CHECK(first.become(spec));
    return std::make_unique<Native>(first);
}

void run_first_process(const std::function<void()>& bootstrap, char* name) {
    (void)::signal(SIGPIPE, SIG_IGN);
    First(bootstrap, name).run(0, "here");
}

void come_back_as_first_process(std::string_view verb, const std::function<void()>& bootstrap,
                                char* name, std::string_view known_keeper) {
    (void)::signal(SIGPIPE, SIG_IGN);
    if (auto keeper = parse_number(known_keeper))
        First(bootstrap, name).run(static_cast<pid_t>(*keeper), std::string(verb));
    auto keeper = static_cast<pid_t>(
        parse_number(trim(sys::read_file(keeper_file).value_or(""))).value_or(0));
    kill_all_but(keeper);
    std::ignore = sys::unmount_tree("/oldroot");
    return_to_root_of(keeper);
    // From the image's control group, which will go.
    std::ignore = sys::write_file("/sys/fs/cgroup/cgroup.procs", "1");
    // The door, where this program's file is, goes with the image: the same one, from our own root.
    ::execl("/init", name, std::string(verb).c_str(), fmt::to_string(keeper).c_str(), nullptr);
    First(bootstrap, name).run(keeper, std::string(verb));
}

} // namespace slipway::boot
