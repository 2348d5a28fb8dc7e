// SPDX-License-Identifier: Apache-2.0
// Calls that run programs of the guest, and those that ask about this machine.
#include <algorithm>
#include <thread>

#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/guest_view.hpp"
#include "work/command.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

constexpr std::size_t most_output = 512 << 20; // the client keeps it in memory
constexpr std::size_t most_lines_output = 64 << 20;
constexpr std::size_t kept_messages = 64 << 10;
constexpr auto shell = "/bin/sh";

/// Between a command and the client: keeps what the client does not get as a stream.
class CommandPeer final : public work::Peer {
public:
    /// `output`: the command's output is kept there; null: the client gets it.
    CommandPeer(work::Peer& client, std::string* output) : client_(client), output_(output) {}

    [[nodiscard]] const std::string& messages() const { return messages_; }

    void progress(const sys::Progress& progress) override { client_.progress(progress); }
    void log(Level level, std::string_view text) override { client_.log(level, text); }
    Status send(work::Stream stream, std::string_view bytes) override {
        if (stream == work::ErrorOutput) {
            messages_ += bytes;
            if (messages_.size() > 2 * kept_messages)
                messages_.erase(0, messages_.size() - kept_messages);
            return {};
        }
        sent_ += bytes.size();
        if (sent_ > (output_ != nullptr ? most_lines_output : most_output))
            return fail(Code::NoSpace, fmt::format("the command writes more than {} MiB",
                                                   (sent_ - bytes.size()) >> 20));
        if (output_ == nullptr)
            return client_.send(stream, bytes);
        *output_ += bytes;
        return {};
    }
    [[nodiscard]] std::size_t credit(work::Stream stream) const override {
        constexpr std::size_t piece = 64 << 10;
        return stream == work::Output && output_ == nullptr ? client_.credit(stream) : piece;
    }
    Result<std::optional<work::Event>> next_event(std::chrono::milliseconds limit) override {
        return client_.next_event(limit);
    }
    [[nodiscard]] bool cancelled() override { return client_.cancelled(); }
    void consumed(std::size_t bytes) override { client_.consumed(bytes); }
    [[nodiscard]] sys::BorrowedFd fd() const override { return client_.fd(); }

private:
    work::Peer& client_;
    std::string* output_;
    std::string messages_;
    std::size_t sent_ = 0;
};

Result<enter::Root*> need_chroot(Machine& machine) {
    SLIPWAY_TRY([[maybe_unused]] auto root, machine.root());
    if (!machine.chroot) {
        SLIPWAY_TRY(auto prepared, enter::Root::prepare(root_spec_of(machine), machine.host));
        machine.chroot = std::make_unique<enter::Root>(std::move(prepared));
    }
    return machine.chroot.get();
}

Error command_failed(const Strings& argv, int status, const std::string& messages) {
    std::string_view text = messages;
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    Error error{.code = Code::ToolFailed, .what = std::string(text)};
    error.tool = ToolFailure{argv, status, std::string(text)};
    return error;
}

Status run_in_guest(Machine& machine, const Strings& argv, work::Peer& client,
                    std::string* output) {
    SLIPWAY_TRY(auto* chroot, need_chroot(machine));
    if (argv.empty())
        return fail(Code::InvalidArgument, "the list of words is empty: it must name a program");
    CommandPeer peer(client, output);
    SLIPWAY_TRY(auto finished,
                work::run_command(*chroot, {{"argv", argv}, {"network", machine.network}}, peer));
    if (auto error = json_get<int>(finished, "exec_errno"); error != 0)
        return fail_errno(argv.front(), error);
    if (auto status = json_get<int>(finished, "status"); status != 0)
        return fail(command_failed(argv, status, peer.messages()));
    return {};
}

Result<Strings> lines_of_guest(Machine& machine, const Strings& argv, work::Peer& client) {
    std::string output;
    SLIPWAY_CHECK(run_in_guest(machine, argv, client, &output));
    Strings lines;
    for (auto line : split_lines(output))
        lines.emplace_back(line);
    return lines;
}

Status command(Machine& machine, const Strings& argv, Client client) {
    return run_in_guest(machine, argv, client.peer, nullptr);
}
Result<Strings> command_lines(Machine& machine, const Strings& argv, Client client) {
    return lines_of_guest(machine, argv, client.peer);
}
Status sh(Machine& machine, const std::string& text, Client client) {
    return run_in_guest(machine, {shell, "-c", text}, client.peer, nullptr);
}
Result<Strings> sh_lines(Machine& machine, const std::string& text, Client client) {
    return lines_of_guest(machine, {shell, "-c", text}, client.peer);
}
// Commands have the mounts always; the name is kept for callers of other back ends.
Status command_with_mounts(Machine& machine, const Strings& argv, std::optional<bool> /*quiet*/,
                           Client client) {
    return run_in_guest(machine, argv, client.peer, nullptr);
}

Result<Json> utsname(Machine&) {
    struct utsname name {};
    if (::uname(&name) != 0)
        return fail_errno("uname");
    return Json{{"uts_sysname", name.sysname},
                {"uts_release", name.release},
                {"uts_version", name.version},
                {"uts_machine", name.machine}};
}

Status sleep(Machine&, std::int64_t seconds, Client client) {
    if (seconds < 0)
        return fail(Code::InvalidArgument, "the time is negative");
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (std::chrono::steady_clock::now() < until) {
        auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        SLIPWAY_TRY(auto event,
                    client.peer.next_event(std::clamp(left, std::chrono::milliseconds(0),
                                                      std::chrono::milliseconds(1000))));
        if (event && event->kind == work::Event::Kind::Cancel)
            return fail(Code::Cancelled, "stopped on request");
    }
    return {};
}

Result<std::int64_t> set_umask(Machine&, std::int64_t mask) {
    if (mask < 0 || mask > 0777)
        return fail(Code::InvalidArgument, fmt::format("{} is no mask of file modes", mask),
                    "use 0 to 0777, which is 511");
    return static_cast<std::int64_t>(::umask(static_cast<mode_t>(mask)));
}

Result<std::int64_t> get_umask(Machine&) {
    auto mask = ::umask(022);
    ::umask(mask);
    return static_cast<std::int64_t>(mask);
}

Status dmesg(Machine&, const Output& output) {
    constexpr int read_all = 3, size_of_buffer = 10; // see syslog(2)
    auto size = ::klogctl(size_of_buffer, nullptr, 0);
    std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
    auto got = size > 0 ? ::klogctl(read_all, text.data(), size) : -1;
    if (got < 0)
        return fail_errno("reading the kernel's messages");
    return output.send(std::string_view(text).substr(0, static_cast<std::size_t>(got)));
}

} // namespace

Calls commands_calls() {
    static constexpr Call calls[] = {
        {"command", bind<command>},
        {"command_lines", bind<command_lines>},
        {"command_quiet", bind<command>},
        {"command_with_mounts", bind<command_with_mounts>},
        {"dmesg", bind<dmesg>},
        {"get_umask", bind<get_umask>},
        {"sh", bind<sh>},
        {"sh_lines", bind<sh_lines>},
        {"sleep", bind<sleep>},
        {"umask", bind<set_umask>},
        {"utsname", bind<utsname>},
    };
    return calls;
}

} // namespace slipway::calls
