// SPDX-License-Identifier: Apache-2.0
#include "boot/machine.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <tuple>

#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "boot/system_mounts.hpp"
#include "sys/fd.hpp"
#include "sys/machine_memory.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
constexpr auto next_root = "/.slipway-root";
constexpr std::uint64_t memory_of_a_process = 512 << 10; // bytes, four times what the least takes
constexpr std::chrono::milliseconds longest_write_back{30'000}, between_looks{20};
constexpr std::uint64_t fewest_processes = 1000;

// The kernel's own limit lets processes that do nothing but fork take all memory, and then it is
// busy looking for one to kill.
Status limit_processes() {
    constexpr auto file = "/proc/sys/kernel/threads-max";
    SLIPWAY_TRY(auto text, sys::read_file(file));
    auto most = std::max(sys::machine_memory().total / memory_of_a_process, fewest_processes);
    if (parse_number(trim(text)).value_or(0) <= most)
        return {};
    return sys::write_file(file, fmt::format("{}\n", most));
}

// sched_attr of linux/sched/types.h, which cannot be included beside sched.h.
struct SchedulingOrder {
    std::uint32_t size = sizeof(SchedulingOrder);
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0, deadline = 0, period = 0; ///< ns
};

// What cannot be written now may never be, such as to a disk that was pulled out.
void write_back() {
    auto child = ::fork();
    if (child == 0) {
        ::sync();
        std::ignore = sys::unmount_tree("/run/slipway/disks"); // clean for the next start
        ::_exit(0);
    }
    for (auto left = longest_write_back; child > 0 && left.count() > 0; left -= between_looks) {
        if (::waitpid(child, nullptr, WNOHANG) != 0)
            return;
        std::this_thread::sleep_for(between_looks);
    }
}

} // namespace

Status mount_own_filesystems() {
    auto mount = [](const SystemMount& row) -> Status {
        ::mkdir(row.path, 0755);
        if (::mount(row.type, row.path, row.type, row.flags, row.options) != 0 && errno != EBUSY)
            return fail_errno(fmt::format("mounting {} on {}", row.type, row.path));
        return {};
    };
    for (const auto& row : system_mounts)
        SLIPWAY_CHECK(mount(row));
    return mount({"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"});
}

Status leave_rootfs() {
    struct statfs root {};
    if (::statfs("/", &root) != 0)
        return fail_errno("looking at the root");
    if (root.f_type != RAMFS_MAGIC && root.f_type != TMPFS_MAGIC)
        return {}; // the kernel takes either for its rootfs
    if (::mkdir(next_root, 0755) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", next_root));
    if (::mount("slipway", next_root, "tmpfs", 0, "mode=0755") != 0)
        return fail_errno("mounting a tmpfs for the bootstrap");
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator("/", failed)) {
        if (entry.path() == next_root || entry.path() == "/dev") // devices come with devtmpfs
            continue;
        // Piece by piece: there is not room for two of them in a small machine.
        fs::copy(entry.path(), next_root / entry.path().filename(),
                 fs::copy_options::recursive | fs::copy_options::copy_symlinks, failed);
        if (failed)
            return fail_errno(fmt::format("copying {}", entry.path().string()), failed.value());
        fs::remove_all(entry.path(), failed);
    }
    if (::chdir(next_root) != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
        ::chroot(".") != 0 || ::chdir("/") != 0)
        return fail_errno("moving the bootstrap into memory of its own");
    return {};
}

Status protect_this_process() {
    // On fault: threads would otherwise have all of their stacks at once.
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return fail_errno("locking the bootstrap in memory");
    // A target that forks without end has no more than its share of the processor.
    if (::setpriority(PRIO_PROCESS, 0, -20) != 0)
        return fail_errno("going before all others");
    go_before_all(0);
    SLIPWAY_CHECK(limit_processes());
    return sys::write_file("/proc/self/oom_score_adj", "-1000");
}

void let_be_killed(pid_t process) {
    auto whose = process == 0 ? "self" : fmt::to_string(process);
    [[maybe_unused]] auto done = sys::write_file(fmt::format("/proc/{}/oom_score_adj", whose), "0");
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(process), 0);
}

void go_before_all(pid_t process) {
    constexpr std::uint64_t period = 20'000'000;
    SchedulingOrder order{.policy = SCHED_DEADLINE,
                          .flags = SCHED_FLAG_RESET_ON_FORK,
                          .runtime = period * 2 / 5, // of one processor two may have it
                          .deadline = period,
                          .period = period};
    ::syscall(SYS_sched_setattr, process, &order, 0);
}

void end_machine(const std::string& how) {
    write_back();
    ::reboot(how == "poweroff" ? RB_POWER_OFF : how == "halt" ? RB_HALT_SYSTEM : RB_AUTOBOOT);
    while (true)
        ::pause(); // PID 1 never ends
}

} // namespace slipway::boot
