// SPDX-License-Identifier: Apache-2.0
// What guest code, as root, can see and change of the host: nothing.
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <gmock/gmock.h>

#include "enter/device_cgroup.hpp"
#include "root/enter_fixture.hpp"

using namespace slipway;
using namespace slipway::enter_test;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

class EnterIsolation : public EnterTest {};

std::string checksum(sys::Runner& runner, const std::string& path) {
    return must(sys::run(runner, {.argv = {"sha256sum", path}})).out;
}

// Another disk of the host with an operating system on it, as os-prober would look for.
class Canary {
public:
    explicit Canary(const Scratch& scratch) : disk_(scratch, "canary", "CANARY") {
        ::mkdir((disk_.directory() + "/etc").c_str(), 0755);
        must(sys::write_file(disk_.directory() + "/etc/os-release", "NAME=CANARY-OS\n"));
        disk_.unmount();
        ::sync();
    }
    [[nodiscard]] const Disk& disk() const { return disk_; }

private:
    Disk disk_;
};

TEST_F(EnterIsolation, Trap3_TheCanaryIsNeitherSeenNorChanged) {
    Canary canary(*scratch_);
    auto before = checksum(runner_, canary.disk().image());
    auto root = prepare();
    // Everything that could find a disk, then everything that could reach it by its number.
    auto output =
        shell(root, fmt::format(R"(
        blkid; blkid -L CANARY; blkid -p /dev/*; cat /proc/partitions /proc/diskstats /proc/mounts /proc/swaps
        ls /sys/block /sys/class/block /sys/dev/block /dev /dev/disk/by-label /proc/fs 2>&1
        find /sys /proc/sys -name '*loop*' 2>/dev/null
        for place in /dev /run /tmp / /dev/shm /dev/pts /root; do
            for number in '{0} {1}' '{2} {3}'; do
                mknod $place/evil b $number && echo made $place
                cat $place/evil 2>/dev/null | strings | grep -m1 CANARY
                dd if=/dev/zero of=$place/evil bs=4k count=1 conv=notrunc 2>/dev/null && [ -b $place/evil ] && echo wrote $place
                mount -t ext4 $place/evil /root && echo mounted $place
                rm -f $place/evil
            done
        done
        mount -t ext4 LABEL=CANARY /root && echo mounted by label
        mount -t devtmpfs none /root && echo mounted devtmpfs
        mount -t sysfs none /root && echo mounted sysfs
        mount -t proc none /root && echo mounted proc
        mount -o remount,rw /sys && echo remounted sys
        mount -o remount,rw /proc/sys && echo remounted proc
        mount -o remount,dev / && echo remounted root
        umount /proc/partitions && echo unmounted
        umount -l /dev && echo unmounted dev
    )",
                                major(canary.disk().partition()), minor(canary.disk().partition()),
                                major(canary.disk().device()), minor(canary.disk().device())));
    for (const auto* sign :
         {"CANARY\n", "CANARY-OS", "LABEL=\"CANARY\"", "made ", "wrote ", "mounted", "loop"})
        EXPECT_THAT(output, Not(HasSubstr(sign))) << output;
    EXPECT_EQ(checksum(runner_, canary.disk().image()), before);
}

// The test above must be able to fail: with the canary among the guest's disks it is found.
TEST_F(EnterIsolation, TheCanaryIsSeenWhereItBelongsToTheGuest) {
    Canary canary(*scratch_);
    auto with_canary = spec();
    with_canary.disks.push_back(
        {.name = "vdb", .device = canary.disk().device(), .size = Disk::size});
    with_canary.partitions.push_back({.name = "vdb1",
                                      .disk = "vdb",
                                      .number = 1,
                                      .device = canary.disk().partition(),
                                      .start = Disk::offset,
                                      .size = Disk::size - Disk::offset,
                                      .label = "CANARY"});
    auto root = must(enter::Root::prepare(with_canary, host()));
    auto output = shell(root, "blkid; strings /dev/disk/by-label/CANARY | grep CANARY-OS");
    EXPECT_THAT(output, HasSubstr("LABEL=\"CANARY\""));
    EXPECT_THAT(output, HasSubstr("CANARY-OS"));
}

TEST_F(EnterIsolation, NodesThatAreOnTheGuestsFilesystemMeanNothing) {
    Canary canary(*scratch_);
    ASSERT_EQ(::mknod(in_guest("/planted").c_str(), S_IFBLK | 0666, canary.disk().partition()), 0);
    ASSERT_EQ(::mknod(in_guest("/planted-mem").c_str(), S_IFCHR | 0666, makedev(1, 1)), 0);
    auto root = prepare();
    auto output =
        shell(root, "cat /planted /planted-mem; cp -a /planted /dev/planted; cat /dev/planted");
    EXPECT_THAT(output, Not(HasSubstr("CANARY")));
    EXPECT_THAT(output, HasSubstr("'/planted': Permission denied"));
    EXPECT_THAT(output, HasSubstr("'/planted-mem': Permission denied"));
    ::unlink(in_guest("/planted").c_str());
    ::unlink(in_guest("/planted-mem").c_str());
}

TEST_F(EnterIsolation, SettingsOfTheHostsKernelStay) {
    auto core_pattern = must(sys::read_file("/proc/sys/kernel/core_pattern"));
    auto swappiness = must(sys::read_file("/proc/sys/vm/swappiness"));
    auto hostname = must(sys::read_file("/proc/sys/kernel/hostname"));
    auto root = prepare();
    auto output = shell(root, R"(
        echo '|/tmp/evil' >/proc/sys/kernel/core_pattern && echo changed
        echo 1 >/proc/sys/vm/swappiness && echo changed
        sysctl -w vm.swappiness=1 2>&1 | grep -q '= 1' && echo changed
        echo b >/proc/sysrq-trigger && echo changed
        for f in /proc/irq/*/smp_affinity /proc/mtrr /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug; do
            echo 1 >$f && echo changed $f
        done
        hostname evil && echo changed; dmesg | head -1; date -s 2001-01-01; reboot -f; halt -f
        insmod /bin/busybox && echo changed; swapoff -a; true
    )");
    EXPECT_THAT(output, Not(HasSubstr("changed"))) << output;
    EXPECT_EQ(must(sys::read_file("/proc/sys/kernel/core_pattern")), core_pattern);
    EXPECT_EQ(must(sys::read_file("/proc/sys/vm/swappiness")), swappiness);
    EXPECT_EQ(must(sys::read_file("/proc/sys/kernel/hostname")), hostname);
}

TEST_F(EnterIsolation, ProcessesOfTheHostAreOutOfReach) {
    auto root = prepare();
    auto output = shell(
        root,
        fmt::format(
            "ps; kill -0 {0} && echo rea''ched; ls /proc/{0} && echo se''en; cat /proc/1/environ; "
            "ls /proc/1/root/ /proc/1/cwd/; kill -KILL 1; echo still here",
            ::getpid()));
    EXPECT_THAT(output, Not(HasSubstr("reached")));
    EXPECT_THAT(output, Not(HasSubstr("seen")));
    EXPECT_THAT(output, HasSubstr("still here"));
    EXPECT_THAT(output, Not(HasSubstr("test_root_enter")));
}

TEST_F(EnterIsolation, CoresOfTheGuestAreNotHandedToTheHost) {
    auto root = prepare();
    auto output =
        shell(root, "ulimit -c; ulimit -c 0; ulimit -c; cd /tmp; sh -c 'kill -SEGV $$'; ls /tmp");
    EXPECT_THAT(output, Not(HasSubstr("core")));
    EXPECT_THAT(output, Not(HasSubstr("dumped")));
}

TEST_F(EnterIsolation, ThereIsNoNetworkUnlessAsked) {
    auto root = prepare();
    auto alone = shell(root, "cat /proc/net/dev; ls /sys/class/net");
    EXPECT_EQ(std::count(alone.begin(), alone.end(), ':'), 1) << alone;
    EXPECT_THAT(alone, HasSubstr("lo:"));
    must(sys::write_file(in_guest("/etc/resolv.conf"), "nameserver 203.0.113.9\n"));
    auto with = shell(root, "cat /proc/net/dev /etc/resolv.conf", {.network = true});
    std::ifstream host_devices("/proc/net/dev");
    std::string line;
    std::getline(host_devices, line);
    std::getline(host_devices, line);
    while (std::getline(host_devices, line))
        EXPECT_THAT(with, HasSubstr(line.substr(0, line.find(':') + 1)));
    EXPECT_THAT(with, HasSubstr(must(sys::read_file("/etc/resolv.conf"))));
    // The guest's own file is only covered.
    EXPECT_EQ(must(sys::read_file(in_guest("/etc/resolv.conf"))), "nameserver 203.0.113.9\n");
}

TEST_F(EnterIsolation, HostNameAndCommandLineAreTheGuests) {
    auto root = prepare();
    EXPECT_EQ(shell(root, "hostname; cat /proc/cmdline"), "guest\nroot=LABEL=guest ro\n");
}

TEST_F(EnterIsolation, AHostNameThatTheKernelWouldRefuseDoesNotStopCommands) {
    for (const auto& name : {std::string(70, 'x'), std::string("two words"),
                             std::string("esc\x1b[2J"), std::string()}) {
        auto own = spec();
        own.hostname = name;
        auto root = must(enter::Root::prepare(own, host()));
        EXPECT_EQ(shell(root, "hostname"), "localhost\n");
    }
}

TEST_F(EnterIsolation, Trap4_FirmwareIsTheGuestsWhateverTheHostHas) {
    EXPECT_EQ(shell(prepare(), "ls /sys/firmware"), "");
    auto uefi = spec();
    uefi.uefi = true;
    auto root = must(enter::Root::prepare(uefi, host()));
    EXPECT_EQ(shell(root, "cat /sys/firmware/efi/fw_platform_size"), "64\n");
}

TEST_F(EnterIsolation, CommandsDoNotLeaveThingsForEachOther) {
    auto root = prepare();
    shell(root,
          "touch /run/left /dev/left /dev/shm/left; ipcmk -M 4096; ln -s /etc/shadow /dev/log");
    EXPECT_EQ(
        shell(root,
              "ls /run /dev/shm; ls /dev/left /dev/log 2>/dev/null; tail -n +2 /proc/sysvipc/shm"),
        "/dev/shm:\n\n/run:\nlock\nudev\n");
}

TEST_F(EnterIsolation, LinksOfTheGuestDoNotLeadMountsOutOfIt) {
    auto hostile = in_guest("/hostile");
    for (const auto* name : {"", "/etc", "/bin", "/inner"})
        ::mkdir((hostile + name).c_str(), 0755);
    must(copy_file(busybox, hostile + "/bin/busybox"));
    auto outside = *scratch_ / "outside";
    ::mkdir(outside.c_str(), 0755);
    for (const auto* name : {"/proc", "/sys", "/dev", "/run"})
        ASSERT_EQ(::symlink(outside.c_str(), (hostile + name).c_str()), 0);
    auto own = spec();
    own.directory = hostile;
    auto root = enter::Root::prepare(own, host());
    if (root) // a path that is not there in the guest: made, or refused, but never the host's
        [[maybe_unused]]
        auto ignored = root->command_with_mounts({"/bin/busybox", "true"});
    EXPECT_TRUE(std::filesystem::is_empty(outside));
    EXPECT_EQ(must(sys::mounts_below(outside)).size(), 0U);
}

TEST_F(EnterIsolation, TheDeviceCgroupOfVersion1DeniesAlike) {
    auto mounts = must(sys::read_file("/proc/self/mountinfo", 16 << 20));
    if (mounts.find("cgroup rw,devices") == std::string::npos)
        GTEST_SKIP() << "no cgroup v1 with the devices controller";
    Canary canary(*scratch_);
    auto cgroup = must(enter::DeviceCgroup::create(enter::DeviceCgroup::Version::V1,
                                                   enter::allowed_devices(spec()), ""));
    auto node = *scratch_ / "foreign";
    ASSERT_EQ(::mknod(node.c_str(), S_IFBLK | 0600, canary.disk().device()), 0);
    auto pid = ::fork();
    if (pid == 0) {
        bool moved = ::write(cgroup.procs_fd(), "0", 1) == 1;
        bool opened = ::open(node.c_str(), O_RDONLY) >= 0;
        bool made = ::mknod((node + "2").c_str(), S_IFBLK | 0600, canary.disk().device()) == 0;
        bool own = ::open("/dev/null", O_RDWR) >= 0;
        ::_exit(moved && !opened && !made && own ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

} // namespace
