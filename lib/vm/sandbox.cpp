// SPDX-License-Identifier: Apache-2.0
#include "vm/sandbox.hpp"

#include <array>
#include <atomic>
#include <csignal>

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::vm {
namespace {

constexpr std::chrono::seconds machine_deadline{30}, daemon_deadline{20};

// Dynamic users of systemd have these ids, so no account has them. Sandboxes of one machine at one
// time rarely share one; where they do, Landlock still keeps them apart.
constexpr unsigned first_user = 61184, users = 4336;

unsigned next_bundle() {
    static std::atomic<unsigned> last{0};
    return ++last;
}

std::string said(sys::BorrowedFd errors) {
    std::string text(4096, '\0');
    auto got = ::pread(errors.raw(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return printable(trim(text));
}

} // namespace

std::optional<unsigned> user_to_become() {
    if (::geteuid() != 0)
        return std::nullopt;
    return first_user + static_cast<unsigned>(::getpid()) % users;
}

// The last dot: hostfs does not follow the link that stands in /proc for the descriptor.
std::string directory_for_hostfs(const sys::FdMapping& directory) {
    return sys::proc_path(directory.child) + "/.";
}

std::vector<int> capabilities_over_files(const TestbedSpec& testbed) {
    if (testbed.changes_owners)
        return {CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER, CAP_FSETID};
    return {CAP_DAC_OVERRIDE};
}

Sandbox::Sandbox(const std::optional<TestbedSpec>& testbed)
    : on_console_(testbed ? testbed->on_console : nullptr), bundle_(next_bundle()),
      user_(testbed && testbed->keeps_user ? std::nullopt : user_to_become()) {}

Status Sandbox::start_process(const sys::Host& host, sys::ProcessSpec process, const Links& links) {
    SLIPWAY_TRY(auto control, sys::make_socket_pair());
    SLIPWAY_TRY(auto console, sys::make_pipe());
    SLIPWAY_TRY(window_, sys::make_memfd("window"));
    if (::ftruncate(window_.raw(), window_size + pulse_size) != 0)
        return fail_errno("making the window of the sandbox");
    process.fds.insert(process.fds.end(), {{control.second, links.control},
                                           {window_, links.window},
                                           {console.second, 1},
                                           {console.second, 2}});
    process.confinement->write_fds.push_back(links.window);
    process.bundle = bundle_;
    program_ = process.argv.front();
    SLIPWAY_TRY(machine_, host.runner->start(process));
    control_ = std::move(control.first);
    console_pipe_ = std::move(console.first);
    ::fcntl(console_pipe_.raw(), F_SETFL, O_NONBLOCK);
    return {};
}

void Sandbox::listen() {
    std::array<char, 16384> buffer{};
    ssize_t got = 0;
    while ((got = ::read(console_pipe_.raw(), buffer.data(), buffer.size())) > 0) {
        std::string_view bytes{buffer.data(), static_cast<std::size_t>(got)};
        console_.feed(bytes);
        if (on_console_)
            on_console_(bytes);
    }
}

Result<std::optional<int>> Sandbox::wait(std::chrono::milliseconds limit) {
    auto ended = machine_->wait(limit);
    listen();
    return ended;
}

std::uint64_t Sandbox::pulse() const {
    std::uint64_t count = 0;
    auto got = ::pread(window_.raw(), &count, sizeof count, window_size);
    return got == sizeof count ? count : 0;
}

// What the console tells of an end that came too early, or nothing.
std::optional<Error> Sandbox::known_end() const {
    auto text = console_.tail(200);
    for (const auto* sign : {"Out of memory", "out of memory", "deadlocked on memory"})
        if (text.find(sign) != std::string::npos)
            return Error{.code = Code::NoSpace,
                         .what = "the sandbox's machine ran out of memory",
                         .hint = "give it more with SLIPWAY_SANDBOX_MEMORY=MIB"};
    constexpr std::string_view mark = "Kernel panic - not syncing: ";
    if (auto panic = text.find(mark); panic != std::string::npos) {
        auto line = text.substr(panic + mark.size());
        if (line.starts_with("Requested init "))
            return Error{.code = Code::Permission,
                         .what = "the unprivileged user of the sandbox cannot read slipway-worker",
                         .hint = "install slipway where everybody may read it, such as below "
                                 "/usr/local, or let others enter its directories"};
        return Error{
            .code = Code::Corrupt,
            .what = fmt::format("the sandbox's kernel panicked: {}",
                                printable(line.substr(0, line.find('\n')))),
            .hint = "the image is damaged or hostile; this machine and the image are untouched"};
    }
    // QEMU opens the disks, and its standard error is the console.
    constexpr std::string_view complaint = ": -blockdev ";
    if (auto at = text.find(program_ + std::string(complaint)); at != std::string::npos) {
        auto line = text.substr(at, text.find('\n', at) - at);
        // The node's description is long, and tells the user nothing.
        line.erase(0, std::min(line.rfind("}: ") + 3, line.size()));
        return Error{.code = Code::Corrupt,
                     .what = "the image could not be opened",
                     .tool = ToolFailure{{program_}, 1, printable(line)}};
    }
    return std::nullopt;
}

Error Sandbox::explain_end() {
    auto ended = machine_->wait(std::chrono::seconds(2));
    listen();
    for (const auto& errors : daemon_errors_)
        if (auto message = said(errors); !message.empty())
            return {.code = Code::Corrupt,
                    .what = "the image could not be opened",
                    .tool = ToolFailure{{"qemu-storage-daemon"}, 1, message}};
    if (auto known = known_end())
        return *known;
    return {.code = Code::ToolFailed,
            .what = "the sandbox's machine has ended",
            .tool = ToolFailure{{program_}, ended ? ended->value_or(-1) : -1, console_.tail(10)},
            .hint = "nothing was written to the source; try again, and report it if it stays"};
}

Status Sandbox::finish() {
    SLIPWAY_TRY(auto status, machine_->wait(machine_deadline));
    listen();
    // A QEMU whose guest panicked ends well.
    if (!status || *status != 0 || known_end())
        return fail(explain_end());
    Status first;
    for (auto& daemon : daemons_) {
        daemon->signal(SIGTERM, false);
        auto ended = daemon->wait(daemon_deadline);
        if (first && !ended)
            first = fail(std::move(ended).error());
        else if (first && ended->value_or(-1) != 0)
            first = fail(Code::ToolFailed,
                         "qemu-storage-daemon has failed and may not have written all");
    }
    daemons_.clear();
    return first;
}

void Sandbox::kill() {
    machine_->signal(SIGKILL, true);
    for (auto& daemon : daemons_)
        daemon->signal(SIGKILL, true);
}

} // namespace slipway::vm
