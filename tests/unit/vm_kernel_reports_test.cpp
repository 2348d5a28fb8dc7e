// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"
#include "vm/kernel_reports.hpp"

namespace slipway::vm {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

std::vector<KernelReport> reports_in(std::string_view console) {
    KernelReports reports;
    for (auto line : split_lines(console))
        reports.see(line);
    return reports.found();
}

std::vector<KernelReport> reports_of(const std::string& name) {
    auto text = sys::read_file(std::string(SLIPWAY_SOURCE_DIR "/tests/fixtures/console/") + name);
    return reports_in(text.value());
}

TEST(KernelReports, PanicOfARealKernel) {
    auto found = reports_of("kernel-panic-sysrq.txt");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].kind, "panic");
    EXPECT_EQ(found[0].title, "Kernel panic - not syncing: sysrq triggered crash");
    EXPECT_EQ(found[0].function, "sysrq_handle_crash");
    EXPECT_EQ(found[0].process, "bash");
    EXPECT_TRUE(found[0].fatal);
    EXPECT_NEAR(found[0].at, 2.2, 0.1);
}

TEST(KernelReports, PanicOfUserModeLinuxWhichTellsNoTimes) {
    auto found = reports_of("uml-panic-sysrq.txt");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].kind, "panic");
    // Above it stands what comes behind the call of panic, which is another function.
    EXPECT_EQ(found[0].function, "__handle_sysrq");
    EXPECT_EQ(found[0].process, "bash");
}

TEST(KernelReports, WordsThatOnlyLookLikeOne) {
    EXPECT_THAT(reports_in("[    1.000000] debug: all is well\n"
                           "[    1.000000] usbcore: BUG: is a word of mine\n"
                           "[    1.000000] systemd[1]: BUG: not the kernel's\n"
                           "[    1.100000] EXT4-fs error (device vda): not a crash\n"
                           "[    1.200000] kmemleak: Automatic memory scanning thread started\n"
                           "[    1.300000] rcu: INFO: rcu_scheduler is fine\n"
                           "[    1.400000] INFO: lockdep is turned off.\n"
                           "[    1.500000] BUG reports go to the list\n"
                           "Oops, said a program\n"),
                IsEmpty());
}

TEST(KernelReports, AnOopsIsOneReportAndItsPanicAnother) {
    auto found = reports_in(
        "[   10.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
        "[   10.000001] #PF: supervisor read access in kernel mode\n"
        "[   10.000002] Oops: 0000 [#1] PREEMPT SMP PTI\n"
        "[   10.000003] CPU: 1 PID: 99 Comm: my prog Not tainted 6.1.0 #1\n"
        "[   10.000004] RIP: 0010:my_function+0x12/0x34 [my_module]\n"
        "[   10.000005] Call Trace:\n"
        "[   10.000006]  ? stale_function+0x1/0x2\n"
        "[   10.000007] ---[ end trace 0000000000000000 ]---\n"
        "[   10.000008] Kernel panic - not syncing: Fatal exception\n");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].kind, "oops");
    EXPECT_EQ(found[0].function, "my_function");
    EXPECT_EQ(found[0].process, "my prog");
    EXPECT_EQ(found[0].line, 1U);
    EXPECT_FALSE(found[0].fatal);
    EXPECT_EQ(found[1].kind, "panic");
    EXPECT_EQ(found[1].line, 9U);
}

TEST(KernelReports, EachKindIsNamed) {
    for (const auto& [line, kind] : std::initializer_list<std::pair<const char*, const char*>>{
             {"BUG: KASAN: slab-use-after-free in f+0x1/0x2", "kasan"},
             {"kernel BUG at fs/ext4/inode.c:123!", "bug"},
             {"WARNING: possible circular locking dependency detected", "lockdep"},
             {"WARNING: CPU: 0 PID: 1 at fs/x.c:1 f+0x1/0x2", "warning"},
             {"WARNING: fs/x.c:12 at f+0x1/0x2, CPU#0: fsstress/12", "warning"},
             {"WARNING: at f+0x1/0x2, CPU#0: fsstress/12", "warning"},
             {"WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "lockdep"},
             {"[ BUG: Invalid wait context ]", "lockdep"},
             {"BUG: Dentry 0000000012345678{i=2,n=x} still in use (1) [unmount of ext4 vda]", "bug"},
             {"BUG: using smp_processor_id() in preemptible [00000000] code: x/1", "bug"},
             {"INFO: task fsstress:123 blocked for more than 120 seconds.", "hung-task"},
             {"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [x:1]", "soft-lockup"},
             {"rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu-stall"},
             {"general protection fault, probably for non-canonical address 0x1", "oops"},
             {"BUG: sleeping function called from invalid context at x.c:1", "bug"},
             {"BUG kmalloc-64 (Not tainted): Redzone overwritten", "bug"},
             {"UBSAN: array-index-out-of-bounds in fs/x.c:1:2", "ubsan"},
             {"BUG: KFENCE: use-after-free read in f+0x1/0x2", "kfence"},
             {"Out of memory: Killed process 12 (x)", "oom"},
             {"XFS: Assertion failed: 0, file: x.c, line: 1", "assertion"},
             {"kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
              "memory-leak"}})
        EXPECT_THAT(reports_in(std::string("[    5.000000][  T123] ") + line),
                    ElementsAre(Field(&KernelReport::kind, kind)))
            << line;
}

TEST(KernelReports, WhatComesLaterDoesNotBelongToIt) {
    auto found = reports_in("[    5.000000] INFO: task x:1 blocked for more than 120 seconds.\n"
                            "[    5.000100] Call Trace:\n"
                            "[    5.000200]  schedule+0x1/0x2\n"
                            "[    9.000000] run fstests generic/002\n"
                            "[    9.000001] EXT4-fs (vda): mounted filesystem\n");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].text.size(), 3U);
}

} // namespace
} // namespace slipway::vm
