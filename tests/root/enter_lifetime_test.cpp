// SPDX-License-Identifier: Apache-2.0
// What is there before, during and after: mounts of the caller, processes, cgroups.
#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <gmock/gmock.h>

#include "enter/nodev.hpp"
#include "root/enter_fixture.hpp"

using namespace slipway;
using namespace slipway::enter_test;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

namespace {

class EnterLifetime : public EnterTest {
protected:
    static std::string mounts() { return must(sys::read_file("/proc/self/mountinfo", 16 << 20)); }
    static bool has_process(const std::string& argument) {
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            auto line = sys::read_file(entry.path() / "cmdline");
            if (line && line->find(argument) != std::string::npos)
                return true;
        }
        return false;
    }
    template <class Condition> static bool soon(Condition condition) {
        for (int tries = 0; tries < 300; ++tries, std::this_thread::sleep_for(10ms))
            if (condition())
                return true;
        return false;
    }
};

TEST_F(EnterLifetime, Trap5_MountsOfTheCallerStayAndAreCoveredInside) {
    for (const auto* name : {"/proc", "/sys", "/run"})
        must(sys::mount({.source = "caller", .target = in_guest(name), .type = "tmpfs"}));
    must(sys::write_file(in_guest("/proc/of-the-caller"), ""));
    {
        auto root = prepare();
        auto before = mounts();
        EXPECT_THAT(shell(root, "ls /proc /sys /run; grep -c ' /proc ' /proc/mounts"),
                    Not(HasSubstr("of-the-caller")));
        EXPECT_EQ(must(root.command({"ls", "/proc"})).out, "");
        EXPECT_EQ(shell(root, "exit 1") + shell(root, "kill -9 $$"), "");
        EXPECT_FALSE(root.command_with_mounts({"sleep", "9"}, {.deadline = 50ms}));
        EXPECT_EQ(mounts(), before);
    }
    EXPECT_TRUE(std::filesystem::exists(in_guest("/proc/of-the-caller")));
    for (const auto* name : {"/run", "/sys", "/proc"})
        EXPECT_EQ(::umount2(in_guest(name).c_str(), 0), 0) << name;
}

TEST_F(EnterLifetime, APlainCommandDoesNotSeeAProcThatTheCallerMounted) {
    must(sys::mount({.source = "proc", .target = in_guest("/proc"), .type = "proc"}));
    auto root = prepare();
    EXPECT_EQ(must(root.command({"sh", "-c",
                                 "ls /proc; cat /proc/sys/kernel/core_pattern 2>/dev/null; mkdir "
                                 "/proc/x 2>/dev/null && echo wrote"}))
                  .out,
              "");
    ::umount2(in_guest("/proc").c_str(), 0);
}

TEST_F(EnterLifetime, Trap6_SeparateFilesystemsBelowAreThereAndNodev) {
    Disk boot(*scratch_, "boot", "boot");
    must(sys::write_file(boot.directory() + "/kernel", "here\n"));
    ASSERT_EQ(::mknod((boot.directory() + "/node").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
    must(sys::bind_mount(boot.directory(), in_guest("/boot")));
    {
        auto root = prepare();
        // Mounted after `prepare` too.
        must(sys::mount({.source = "late", .target = in_guest("/root"), .type = "tmpfs"}));
        auto output = shell(root, "cat /boot/kernel; head -c1 /boot/node; grep -E ' /(boot|root) ' "
                                  "/proc/mounts; echo new >/boot/written");
        EXPECT_THAT(output, HasSubstr("here\n"));
        EXPECT_THAT(output, HasSubstr("/boot/node: Permission denied"));
        EXPECT_THAT(output, HasSubstr("/boot ext4 rw,nodev"));
        EXPECT_THAT(output, HasSubstr("late /root tmpfs rw,nodev"));
    }
    EXPECT_EQ(must(sys::read_file(boot.directory() + "/written")), "new\n");
    EXPECT_EQ(::umount2(in_guest("/root").c_str(), 0), 0);
    EXPECT_EQ(::umount2(in_guest("/boot").c_str(), 0), 0);
}

TEST_F(EnterLifetime, TheClassicWayOfSettingNodevKeepsOtherFlags) {
    auto path = *scratch_ / "flags";
    ::mkdir(path.c_str(), 0755);
    must(sys::mount({.source = "flags",
                     .target = path,
                     .type = "tmpfs",
                     .flags = MS_NOSUID | MS_NOEXEC | MS_NOATIME}));
    const char* paths[] = {path.c_str()};
    EXPECT_EQ(enter::set_nodev_one_by_one(paths), 0);
    EXPECT_THAT(mounts(), HasSubstr(path + " rw,nosuid,nodev,noexec,noatime"));
    ::umount2(path.c_str(), 0);
    const char* absent[] = {"/no/such/mount"};
    EXPECT_EQ(enter::set_nodev_one_by_one(absent), ENOENT);
}

TEST_F(EnterLifetime, APlainDirectoryCanBeARoot) {
    auto directory = *scratch_ / "plain";
    ::mkdir(directory.c_str(), 0755);
    ::mkdir((directory + "/bin").c_str(), 0755);
    must(copy_file(busybox, directory + "/bin/busybox"));
    auto own = spec();
    own.directory = directory;
    auto root = must(enter::Root::prepare(own, host()));
    EXPECT_EQ(must(root.command_with_mounts({"/bin/busybox", "sh", "-c", "echo /*"})).out,
              "/bin /dev /proc /run /sys\n");
    // The mount points that were missing were made, as is documented, and nothing else.
    EXPECT_TRUE(std::filesystem::is_empty(directory + "/dev"));
}

TEST_F(EnterLifetime, AReadOnlyGuestWithoutMountPointsIsRefusedClearly) {
    auto directory = *scratch_ / "sealed";
    ::mkdir(directory.c_str(), 0755);
    must(
        sys::mount({.source = "sealed", .target = directory, .type = "tmpfs", .flags = MS_RDONLY}));
    auto own = spec();
    own.directory = directory;
    auto root = enter::Root::prepare(own, host());
    ASSERT_FALSE(root);
    EXPECT_THAT(render_text(root.error()), HasSubstr("the guest has no directory /proc"));
    ::umount2(directory.c_str(), 0);
}

TEST_F(EnterLifetime, SharedMountsAreRefused) {
    auto directory = *scratch_ / "shared";
    ::mkdir(directory.c_str(), 0755);
    must(sys::mount({.source = "shared", .target = directory, .type = "tmpfs"}));
    must(sys::mount({.source = "none", .target = directory, .type = "", .flags = MS_SHARED}));
    auto root = enter::Root::prepare(spec(), host());
    ASSERT_FALSE(root);
    EXPECT_EQ(root.error().code, Code::InvalidArgument);
    ::umount2(directory.c_str(), 0);
}

TEST_F(EnterLifetime, RootsAndCommandsLiveSideBySideAndLeaveNothing) {
    auto before = mounts();
    std::string first_cgroup;
    {
        auto first = prepare();
        first_cgroup = first.cgroup_path();
        ASSERT_TRUE(std::filesystem::exists(first_cgroup));
        {
            auto second = prepare();
            EXPECT_NE(second.cgroup_path(), first_cgroup);
            auto one = must(first.start({.argv = {"sleep", "0.2"}}));
            auto two = must(second.start({.argv = {"sleep", "0.1"}}));
            EXPECT_EQ(must(two.wait()).status, 0);
            EXPECT_EQ(must(one.wait()).status, 0);
        }
        EXPECT_EQ(shell(first, "ls /sys/block"), "vda\n");
    }
    EXPECT_FALSE(std::filesystem::exists(first_cgroup));
    // Of the stages one empty tmpfs remains, in this namespace only.
    auto after = mounts();
    EXPECT_LE(std::count(after.begin(), after.end(), '\n'),
              std::count(before.begin(), before.end(), '\n') + 1);
    EXPECT_TRUE(std::filesystem::is_empty("/proc/driver"));
}

TEST_F(EnterLifetime, ADroppedCommandIsKilled) {
    auto root = prepare();
    {
        auto running = must(root.start({.argv = {"sleep", "765.4"}}));
        EXPECT_TRUE(soon([] { return has_process("765.4"); }));
    }
    EXPECT_FALSE(has_process("765.4"));
}

TEST_F(EnterLifetime, Trap5_AfterSigkillOfTheCallerNothingIsLeft) {
    auto pipe = must(sys::make_pipe());
    auto pid = ::fork();
    if (pid == 0) {
        auto root = prepare();
        auto running = root.start({.argv = {"sh", "-c", "setsid sleep 987.6 & sleep 987.6"}});
        auto told = sys::write_all(pipe.second, running ? root.cgroup_path() : "failed");
        ::close(pipe.second.release());
        ::pause();
        ::_exit(told ? 0 : 1);
    }
    pipe.second.reset();
    auto cgroup = must(sys::read_all(pipe.first, 4096));
    ASSERT_TRUE(std::filesystem::exists(cgroup)) << cgroup;
    ASSERT_TRUE(soon([] { return has_process("987.6"); }));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(soon([] { return !has_process("987.6"); }));
    // The next root takes the cgroup away, and leaves those in use alone.
    auto first = prepare();
    auto second = prepare();
    EXPECT_TRUE(soon([&] {
        [[maybe_unused]] auto third = prepare();
        return !std::filesystem::exists(cgroup);
    }));
    EXPECT_EQ(shell(first, "echo ok"), "ok\n");
}

// Control groups of Slipway's whose owners have gone.
std::vector<std::string> nobodys_groups(const std::filesystem::path& parent) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(parent))
        if (entry.path().filename().string().starts_with("slipway-")) {
            auto cgroup = sys::open_file(entry.path(), O_RDONLY | O_DIRECTORY);
            if (cgroup && ::flock(cgroup->raw(), LOCK_EX | LOCK_NB) == 0)
                found.push_back(entry.path());
        }
    return found;
}

TEST_F(EnterLifetime, Trap5_SigkillOfTheCallerAtAnyMomentLeavesNothing) {
    auto parent = std::filesystem::path(prepare().cgroup_path()).parent_path();
    auto before = mounts();
    for (int round = 0; round < 40; ++round) {
        auto pid = ::fork();
        if (pid == 0) {
            must(sys::enter_private_mount_namespace());
            while (true)
                if (auto root = enter::Root::prepare(spec(), {}); root)
                    for (int command = 0; command < 3; ++command)
                        [[maybe_unused]] auto ignored = root->command_with_mounts(
                            {"sh", "-c", "setsid sleep 876.5 & sleep 0.001"});
        }
        std::this_thread::sleep_for(std::chrono::microseconds(700 * round));
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    EXPECT_TRUE(soon([] { return !has_process("876.5"); }));
    EXPECT_EQ(mounts(), before);
    // Another program's, which begins or ends just now, has no owner for a moment.
    EXPECT_TRUE(soon([&] {
        { [[maybe_unused]] auto cleaner = prepare(); }
        return nobodys_groups(parent).empty();
    }));
}

TEST_F(EnterLifetime, TheInitIsKilledWithEverythingInItsNamespace) {
    auto root = prepare();
    auto running = must(root.start({.argv = {"sh", "-c", "setsid sleep 543.2 & sleep 543.2"}}));
    ASSERT_TRUE(soon([] { return has_process("543.2"); }));
    ::kill(running.pid(), SIGKILL);
    EXPECT_EQ(must(running.wait()).status, 128 + SIGKILL);
    EXPECT_FALSE(has_process("543.2"));
}

TEST_F(EnterLifetime, DescriptorsOfTheCallerDoNotReachTheGuest) {
    auto root = prepare();
    int inherited = ::dup(2); // without O_CLOEXEC
    int high = ::fcntl(2, F_DUPFD, 700);
    EXPECT_EQ(shell(root, "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
    ::close(inherited);
    ::close(high);
}

} // namespace
