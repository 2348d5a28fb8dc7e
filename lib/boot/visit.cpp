// SPDX-License-Identifier: Apache-2.0
#include "boot/visit.hpp"

#include <array>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/holds.hpp"
#include "boot/kexec.hpp"
#include "boot/polls.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {
namespace {

constexpr std::chrono::milliseconds longest_release{700}, between_looks{100};
constexpr std::chrono::seconds between_releases{1}, longest_death{10};
constexpr std::uint64_t sees_namespaces = 257; // of systemd
constexpr auto helpers = "/run/slipway/helpers";
// Small: the target's root may write there.
constexpr auto helpers_options = "mode=0700,size=64k,nr_inodes=16";
constexpr std::string_view return_script = "#!/bin/sh\n"
                                           "# Ends this system, and goes back to the bootstrap.\n"
                                           "echo return > /run/slipway/return\n";

// What the target finds as /run/slipway: a pipe that only its root may write to.
Result<sys::OwnedFd> make_helpers() {
    if (::mkdir(helpers, 0700) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", helpers));
    SLIPWAY_CHECK(sys::mount({.source = "slipway-helpers",
                              .target = helpers,
                              .type = "tmpfs",
                              .options = helpers_options}));
    auto pipe = std::string(helpers) + "/return",
         script = std::string(helpers) + "/bootstrap-return";
    SLIPWAY_CHECK(sys::write_file(script, return_script));
    if (::chmod(script.c_str(), 0700) != 0 || ::mkfifo(pipe.c_str(), 0600) != 0)
        return fail_errno(fmt::format("making {}", pipe));
    // For writing, too: so that it never comes to its end.
    return sys::open_file(pipe, O_RDWR | O_NONBLOCK);
}

std::string_view text_of(TargetEnd end) {
    switch (end) {
    case TargetEnd::PoweredOff:
        return "it has switched itself off";
    case TargetEnd::Restarted:
        return "it wanted to restart";
    case TargetEnd::Killed:
        return "it was killed";
    case TargetEnd::Failed:
        return "its init has ended";
    }
    return "";
}

} // namespace

Result<std::unique_ptr<Visit>> Visit::start(loading::Entrance entrance, Consoles& consoles,
                                            FirstProcess& first) {
    if (entrance.entry == loading::Entry::Kexec) {
        SLIPWAY_CHECK(load_kernel_of(entrance));
        consoles.say("the image's own kernel starts now, and loads the image again: there is no "
                     "return from it to this one");
        return fail(start_loaded_kernel());
    }
    bool native = entrance.entry == loading::Entry::Native;
    if (native && entrance.systemd == 0)
        return fail(Code::Unsupported,
                    "the native way is for images with systemd: it gives the machine back",
                    "load it with --entry contained");
    Before before; // it changes things as soon as it runs
    SLIPWAY_TRY(auto helper, make_helpers());
    auto start = [&]() -> Result<std::unique_ptr<RunningSystem>> {
        SLIPWAY_TRY(auto lent, consoles.lend());
        TargetSpec spec{.root = entrance.root.path(),
                        .init = entrance.init,
                        .consoles = std::move(lent),
                        .hides_namespaces = !native && entrance.systemd >= sees_namespaces,
                        .helpers = helpers};
        return native ? start_native(spec, first) : start_contained(spec);
    };
    auto target = start();
    if (!target) {
        consoles.take_back();
        helper.reset();
        std::ignore = sys::unmount_tree(helpers);
        return fail(std::move(target.error()));
    }
    return std::unique_ptr<Visit>(
        new Visit(std::move(entrance), std::move(*target), std::move(helper), std::move(before)));
}

void Visit::add_polls(std::vector<pollfd>& polls) const {
    polls.push_back({target_->fd().raw(), POLLIN, 0});
    polls.push_back({helper_.raw(), POLLIN, 0});
}

void Visit::turn(const std::vector<pollfd>& polls) {
    auto now = Clock::now();
    std::array<char, 256> bytes{};
    auto* lazy = entrance_.root.lazy();
    if (lazy != nullptr)
        lazy->listen();
    if (is_ready(polls, helper_.raw()) && ::read(helper_.raw(), bytes.data(), bytes.size()) > 0)
        come_back("/.bootstrap-return");
    if (entrance_.return_after && now - began_ >= *entrance_.return_after)
        come_back("the time is over");
    if (!end_)
        end_ = target_->poll_end();
    if (asked_ && now - *asked_ >= entrance_.deadline && !end_)
        end_it(now);
}

void Visit::end_it(Clock::time_point now) {
    if (!killed_) {
        if (!stuck_.empty())
            return;
        if (auto* lazy = entrance_.root.lazy())
            lazy->give_up(); // what waits for a block cannot end
        if (target_->kill())
            killed_ = released_ = now;
        else
            stuck_ = "it is the machine's PID 1, which cannot be killed";
        return;
    }
    if (now - *released_ >= between_releases) {
        release_killed();
        released_ = now;
    }
    if (now - *killed_ >= longest_death)
        stuck_ = "it was killed, and the kernel waits for something that it does";
}

void Visit::come_back(const std::string& why) {
    if (asked_)
        return;
    asked_ = Clock::now();
    why_ = why;
    target_->ask_to_end();
}

std::chrono::seconds Visit::age() const {
    return std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_);
}

Visit::Ended Visit::finish(Consoles& consoles) {
    Ended ended{.how = fmt::format("back after {} s: {}", age().count(),
                                   killed_ ? "it did not end in time, and was killed"
                                   : end_  ? text_of(*end_)
                                           : "")};
    if (auto complaint = target_->complaint(); !complaint.empty())
        ended.how += ", which did not start: " + complaint;
    if (!why_.empty())
        ended.how += fmt::format(" ({})", why_);
    helper_.reset();
    std::ignore = remove_other_cgroups(); // those that stay are told below
    auto closed = entrance_.root.close();
    if (auto unmounted = sys::unmount_tree(helpers); closed && !unmounted)
        closed = std::move(unmounted);
    if (!closed)
        ended.left = render_text(closed.error()) + "\n";
    auto changes = undo_changes(before_.machine);
    consoles.take_back();
    target_.reset();
    auto holdings = look_at_holdings();
    auto grown = find_growth(before_.holdings, holdings);
    // What was killed gives its memory back a moment later.
    for (auto until = Clock::now() + longest_release; !grown.empty() && Clock::now() < until;) {
        std::this_thread::sleep_for(between_looks);
        holdings = look_at_holdings();
        grown = find_growth(before_.holdings, holdings);
    }
    for (auto& each : grown)
        changes.push_back(std::move(each));
    ended.left += render_changes(changes);
    ended.how += "\n" + render_comparison(before_.holdings, holdings);
    return ended;
}

} // namespace slipway::boot
