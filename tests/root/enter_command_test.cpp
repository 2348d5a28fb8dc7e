// SPDX-License-Identifier: Apache-2.0
// How commands start, end, talk and are talked to.
#include <csignal>
#include <filesystem>
#include <utility>

#include <poll.h>

#include <gmock/gmock.h>

#include "root/enter_fixture.hpp"

using namespace slipway;
using namespace slipway::enter_test;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

namespace {

class EnterCommand : public EnterTest {
protected:
    /// Waits for the first bytes as long as it takes, and then until none came for `pause`.
    static std::string read_available(sys::BorrowedFd fd, std::chrono::milliseconds pause) {
        std::string text;
        pollfd poller{.fd = fd.raw(), .events = POLLIN, .revents = 0};
        auto wait = std::chrono::milliseconds(20s);
        while (::poll(&poller, 1, static_cast<int>(std::exchange(wait, pause).count())) > 0) {
            std::array<char, 4096> buffer{};
            auto got = ::read(fd.raw(), buffer.data(), buffer.size());
            if (got <= 0)
                break;
            text.append(buffer.data(), static_cast<std::size_t>(got));
        }
        return text;
    }
};

TEST_F(EnterCommand, ExitStatusesAndSignalsPassThrough) {
    auto root = prepare();
    EXPECT_EQ(must(root.command_with_mounts({"true"})).finished.status, 0);
    EXPECT_EQ(must(root.command_with_mounts({"sh", "-c", "exit 37"})).finished.status, 37);
    EXPECT_EQ(must(root.command_with_mounts({"sh", "-c", "exit 130"})).finished.status, 130);
    EXPECT_EQ(must(root.command_with_mounts({"sh", "-c", "kill -TERM $$"})).finished.status,
              128 + SIGTERM);
    EXPECT_EQ(must(root.command_with_mounts({"sh", "-c", "kill -KILL $$"})).finished.status,
              128 + SIGKILL);
}

TEST_F(EnterCommand, WhatCannotBeExecutedIsToldFromStatusesOfTheGuest) {
    auto root = prepare();
    auto absent = must(root.command_with_mounts({"no-such-program"}));
    EXPECT_EQ(absent.finished.status, 127);
    EXPECT_EQ(absent.finished.exec_errno, ENOENT);
    auto directory = must(root.command_with_mounts({"/etc"}));
    EXPECT_EQ(directory.finished.status, 126);
    EXPECT_EQ(directory.finished.exec_errno, EACCES);
    must(sys::write_file(in_guest("/bin/foreign"), std::string("\x7f") + "ELF of another machine"));
    ::chmod(in_guest("/bin/foreign").c_str(), 0755);
    auto foreign = must(root.command_with_mounts({"foreign"}));
    EXPECT_EQ(foreign.finished.status, 126);
    EXPECT_EQ(foreign.finished.exec_errno, ENOEXEC);
    auto own = must(root.command_with_mounts({"sh", "-c", "exit 127"}));
    EXPECT_EQ(own.finished.status, 127);
    EXPECT_EQ(own.finished.exec_errno, 0);
}

TEST_F(EnterCommand, OurOwnFailuresAreErrorsThatNameTheStep) {
    auto root = prepare();
    auto nowhere = root.start({.argv = {"true"}, .cwd = "/no/such/directory"});
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, Code::NotFound);
    EXPECT_THAT(nowhere.error().what, HasSubstr("directory"));
    EXPECT_FALSE(root.start({.argv = {}}));
    EXPECT_FALSE(root.start({.argv = {"true", std::string("a\0b", 3)}}));
}

TEST_F(EnterCommand, AMountThatFailsIsNamed) {
    auto broken = in_guest("/no-dev");
    for (const auto* name : {"", "/proc", "/sys", "/run", "/etc"})
        ::mkdir((broken + name).c_str(), 0755);
    must(sys::write_file(broken + "/target", ""));
    auto own = spec();
    own.directory = broken;
    auto root = must(enter::Root::prepare(own, host()));
    // After `prepare` made it, the guest turns its /dev into a link to a file.
    ::rmdir((broken + "/dev").c_str());
    ASSERT_EQ(::symlink("/target", (broken + "/dev").c_str()), 0);
    auto started = root.start({.argv = {"true"}});
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().what, HasSubstr("mounting tmpfs at /dev"));
    EXPECT_EQ(started.error().errno_value, ENOTDIR);
}

TEST_F(EnterCommand, OutputIsKeptAndEnvironmentIsClean) {
    ::setenv("SLIPWAY_TEST_SECRET", "1", 1);
    auto root = prepare();
    auto result = must(root.command_with_mounts({"sh", "-c", "echo out; echo err >&2; env; pwd"},
                                                {.env = {"A=b c", "PATH=/bin"}, .cwd = "/tmp"}));
    EXPECT_THAT(result.out, testing::StartsWith("out\n"));
    EXPECT_EQ(result.err, "err\n");
    EXPECT_THAT(result.out, HasSubstr("\nA=b c\n"));
    EXPECT_THAT(result.out, HasSubstr("\nPATH=/bin\n"));
    EXPECT_THAT(result.out, HasSubstr("\nHOME=/root\n"));
    EXPECT_THAT(result.out, Not(HasSubstr("SLIPWAY_TEST_SECRET")));
    EXPECT_THAT(result.out, EndsWith("\n/tmp\n"));
    EXPECT_EQ(shell(root, "cat", {.input = "given\n"}), "given\n");
    EXPECT_EQ(shell(root, "cat; readlink /proc/self/fd/0"), "/dev/null\n");
}

TEST_F(EnterCommand, LargeOutputsKeepTheirEndAndDoNotBlock) {
    auto root = prepare();
    std::size_t seen = 0;
    auto result = must(root.command_with_mounts(
        {"sh", "-c", "head -c 50000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo end"},
        {.on_output = [&](std::string_view piece) { seen += piece.size(); }}));
    EXPECT_EQ(seen, 53000004U);
    EXPECT_LT(result.out.size(), 2U << 20);
    EXPECT_THAT(result.out, EndsWith("end\n"));
    EXPECT_LT(result.err.size(), 2U << 20);
}

TEST_F(EnterCommand, SignalsGoToTheCommandsGroup) {
    auto root = prepare();
    auto pipe = must(sys::make_pipe());
    auto running = must(
        root.start({.argv = {"sh", "-c",
                             "trap 'echo got; exit 7' INT; (trap 'echo child; exit' INT; echo "
                             "ready; while :; do sleep 0.1; done) & while :; do sleep 0.1; done"},
                    .stdout_fd = pipe.second}));
    pipe.second.reset();
    EXPECT_EQ(read_available(pipe.first, 50ms), "ready\n");
    running.signal(SIGINT);
    EXPECT_EQ(must(running.wait()).status, 7);
    EXPECT_THAT(read_available(pipe.first, 100ms), HasSubstr("got\n"));
    running.signal(SIGTERM); // after its end: nothing happens
    EXPECT_EQ(must(running.wait()).status, 7);
}

TEST_F(EnterCommand, KillEndsEverything) {
    auto root = prepare();
    auto pipe = must(sys::make_pipe());
    auto running =
        must(root.start({.argv = {"sh", "-c", "trap '' TERM INT; echo ready; sleep 1000"},
                         .stdout_fd = pipe.second}));
    pipe.second.reset();
    EXPECT_EQ(read_available(pipe.first, 50ms), "ready\n");
    running.signal(SIGTERM);
    EXPECT_FALSE(must(running.wait(200ms)));
    running.signal(SIGKILL);
    EXPECT_EQ(must(running.wait()).status, 128 + SIGKILL);
}

TEST_F(EnterCommand, ADeadlineEndsWhatHangsPolitelyAndThenByForce) {
    auto root = prepare();
    auto polite = must(
        must(root.start({.argv = {"sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"},
                         .deadline = 1s}))
            .wait());
    EXPECT_TRUE(polite.timed_out);
    EXPECT_EQ(polite.status, 3);
    auto start = Clock::now();
    auto stubborn =
        must(must(root.start({.argv = {"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"},
                              .deadline = 1s}))
                 .wait());
    EXPECT_TRUE(stubborn.timed_out);
    EXPECT_EQ(stubborn.status, 128 + SIGKILL);
    EXPECT_LT(seconds_since(start), 6);
    auto captured =
        root.command_with_mounts({"sh", "-c", "echo so far >&2; sleep 100"}, {.deadline = 1s});
    ASSERT_FALSE(captured);
    EXPECT_EQ(captured.error().code, Code::Timeout);
    EXPECT_EQ(captured.error().tool->stderr_tail, "so far");
}

TEST_F(EnterCommand, ARequestToStopEndsIt) {
    auto root = prepare();
    Cancel cancel;
    auto result = root.command_with_mounts(
        {"sh", "-c", "echo x; sleep 100"},
        {.cancel = cancel, .on_output = [&](std::string_view) { cancel.request(); }});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Cancelled);
}

TEST_F(EnterCommand, DaemonsDieWithTheCommand) {
    auto root = prepare();
    auto start = Clock::now();
    auto result = must(root.command_with_mounts(
        {"sh", "-c", "setsid sh -c 'sleep 654; true' & setsid sleep 654 & (sleep 654 &); exit 5"}));
    EXPECT_EQ(result.finished.status, 5);
    EXPECT_LT(seconds_since(start), 5);
    auto left = must(sys::run(runner_, {.argv = {"sh", "-c",
                                                 "grep -lx sleep /proc/[0-9]*/comm | while read f; "
                                                 "do tr '\\0' ' ' <${f%comm}cmdline; done"}}));
    EXPECT_THAT(left.out, Not(HasSubstr("sleep 654")));
}

TEST_F(EnterCommand, OrphansAreReaped) {
    auto root = prepare();
    EXPECT_EQ(shell(root, "i=0; while [ $i -lt 50 ]; do (true & ) ; i=$((i+1)); done; sleep 0.2; "
                          "grep -c '^State:.Z' /proc/[0-9]*/status | grep -c ':1$'; true"),
              "0\n");
}

TEST_F(EnterCommand, ATerminalIsOneOfTheGuestsOwn) {
    auto root = prepare();
    auto running = must(root.start(
        {.argv = {"sh", "-c",
                  "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; ls -l "
                  "/dev/console; echo x >/dev/tty; read line; echo \"<$line>\"; stty size"},
         .env = {"TERM=dumb"},
         .tty = true,
         .window = {.ws_row = 33, .ws_col = 101}}));
    ASSERT_TRUE(running.terminal().valid());
    EXPECT_EQ(::isatty(running.terminal().raw()), 1);
    auto text = read_available(running.terminal(), 400ms);
    EXPECT_THAT(text, HasSubstr("/dev/pts/0\r\n33 101\r\nall\r\n"));
    EXPECT_THAT(text, HasSubstr("/dev/console -> pts/0\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nx\r\n"));
    must(running.set_window_size({.ws_row = 50, .ws_col = 120}));
    must(sys::write_all(running.terminal(), "typed\n"));
    text = read_available(running.terminal(), 400ms);
    EXPECT_THAT(text, HasSubstr("<typed>\r\n50 120\r\n"));
    EXPECT_EQ(must(running.wait()).status, 0);
}

TEST_F(EnterCommand, ControlCOnItsTerminalInterrupts) {
    auto root = prepare();
    auto running = must(
        root.start({.argv = {"sh", "-c", "echo ready; sleep 100; echo not here"}, .tty = true}));
    EXPECT_THAT(read_available(running.terminal(), 300ms), HasSubstr("ready"));
    must(sys::write_all(running.terminal(), "\x03"));
    EXPECT_EQ(must(running.wait()).status, 128 + SIGINT);
}

TEST_F(EnterCommand, GivenDescriptorsGoBesideATerminal) {
    auto root = prepare();
    auto pipe = must(sys::make_pipe());
    auto running = must(root.start({.argv = {"sh", "-c", "[ -t 0 ] && [ ! -t 1 ] && echo piped"},
                                    .tty = true,
                                    .stdout_fd = pipe.second}));
    pipe.second.reset();
    EXPECT_EQ(read_available(pipe.first, 500ms), "piped\n");
    EXPECT_EQ(must(running.wait()).status, 0);
}

TEST_F(EnterCommand, TimesOfMountRunAndUnmountAreMeasured) {
    auto root = prepare();
    auto timings = must(root.command_with_mounts({"sleep", "0.2"})).finished.timings;
    EXPECT_GT(timings.mount, 0);
    EXPECT_LT(timings.mount, 0.2);
    EXPECT_GE(timings.run, 0.2);
    EXPECT_LT(timings.run, 1);
    EXPECT_GT(timings.unmount, 0);
    EXPECT_LT(timings.unmount, 0.2);
}

TEST_F(EnterCommand, QuietFailuresAreLoggedForDebuggingOnly) {
    auto root = prepare();
    must(root.command_with_mounts({"false"}, {.quiet = true}));
    EXPECT_THAT(log_, Not(Contains(testing::StartsWith("warning"))));
    EXPECT_THAT(log_, Contains("debug false in the guest: mounting tmpfs at /dev"));
    EXPECT_THAT(
        log_, Contains(testing::ContainsRegex("status 1; mount .* ms, run .* ms, unmount .* ms")));
    must(root.command_with_mounts({"false"}));
    EXPECT_THAT(log_, Contains("warning false in the guest: status 1"));
}

TEST_F(EnterCommand, PlainCommandsHaveNoMountsUnlessTheToolIsKnown) {
    auto root = prepare();
    EXPECT_EQ(must(root.command({"ls", "/proc"})).out, "");
    // A redirection to /dev/null must not make a file of that name in the guest.
    EXPECT_EQ(
        must(root.command({"sh", "-c", "echo x >/dev/null; [ -c /dev/null ] && echo node"})).out,
        "node\n");
    EXPECT_FALSE(std::filesystem::exists(in_guest("/dev/null")));
    must(sys::write_file(in_guest("/bin/update-grub"),
                         "#!/bin/sh\n[ -e /proc/self ] && [ -b /dev/vda1 ] && echo mounted\n"));
    ::chmod(in_guest("/bin/update-grub").c_str(), 0755);
    EXPECT_EQ(must(root.command({"update-grub"})).out, "mounted\n");
    EXPECT_EQ(must(root.command({"env", "X=1", "/bin/update-grub"})).out, "mounted\n");
}

} // namespace
