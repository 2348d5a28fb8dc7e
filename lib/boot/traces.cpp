// SPDX-License-Identifier: Apache-2.0
#include "boot/traces.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <linux/raid/md_u.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "boot/block_devices.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

constexpr auto controllers_file = "/sys/fs/cgroup/cgroup.subtree_control";
constexpr std::chrono::seconds smallest_step{1}; // of a clock that somebody has set
constexpr long nanoseconds_in_s = 1'000'000'000;

// They change by themselves, are written only, or have effects when they are written.
constexpr std::array volatile_settings{"/proc/sys/kernel/random/",
                                       "/proc/sys/kernel/ns_last_pid",
                                       "/proc/sys/fs/dentry-state",
                                       "/proc/sys/fs/inode-",
                                       "/proc/sys/fs/file-nr",
                                       "/proc/sys/fs/aio-nr",
                                       "/proc/sys/fs/quota/",
                                       "/proc/sys/fs/binfmt_misc",
                                       "/proc/sys/net/netfilter/nf_conntrack_count",
                                       "/proc/sys/vm/drop_caches",
                                       "/proc/sys/vm/compact_memory",
                                       "/proc/sys/vm/stat_refresh",
                                       "/proc/sys/kernel/pty/nr",
                                       "/proc/sys/kernel/cad_pid",
                                       "/proc/sys/kernel/tainted",
                                       "/proc/sys/kernel/sched_domain/"};

std::set<std::string> first_words(const char* file, std::size_t skipped_lines) {
    std::set<std::string> found;
    auto text = sys::read_file(file).value_or("");
    auto lines = split_lines(text);
    for (std::size_t each = skipped_lines; each < lines.size(); ++each)
        if (auto words = split_words(lines[each]); !words.empty())
            found.emplace(words[0]);
    return found;
}

std::set<std::string> controllers() {
    std::set<std::string> found;
    auto text = sys::read_file(controllers_file).value_or("");
    for (auto name : split_words(text))
        found.emplace(name);
    return found;
}

std::chrono::nanoseconds read_clock(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Changes only when somebody sets the clock: it is corrected by going slower or faster otherwise,
// and the other goes with it.
std::chrono::nanoseconds clock_distance() {
    return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
}

bool is_volatile(const std::string& path) {
    return std::any_of(volatile_settings.begin(), volatile_settings.end(),
                       [&](const char* each) { return path.starts_with(each); });
}

// Those of interfaces come and go with them.
std::map<std::string, std::string> settings() {
    std::map<std::string, std::string> found;
    std::error_code failed;
    fs::recursive_directory_iterator entries("/proc/sys", failed);
    for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
        const auto& path = entries->path().string();
        if (is_volatile(path)) {
            entries.disable_recursion_pending();
            continue;
        }
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
            (info.st_mode & 0444) == 0 || (info.st_mode & 0222) == 0)
            continue;
        if (auto value = sys::read_file(path, 4096))
            found[path] = std::string(trim(*value));
    }
    return found;
}

class Undo {
public:
    explicit Undo(const MachineState& before) : before_(before), now_(look_at_machine()) {}

    std::vector<Change> run() {
        append(undo_read_only(before_.read_only)); // nothing else can be put back otherwise
        // In this order: the later ones are below the earlier ones.
        each_new(before_.swaps, now_.swaps, "the swap", [](const std::string& path) -> Status {
            return ::swapoff(path.c_str()) == 0 ? Status{} : Status(fail_errno("swapoff"));
        });
        remove_mappings();
        each_new(before_.arrays, now_.arrays, "the array",
                 [](const std::string& name) { return control_device(name, STOP_ARRAY, nullptr); });
        each_new(before_.loops, now_.loops, "the loop device", [](const std::string& name) {
            return control_device(name, LOOP_CLR_FD, nullptr);
        });
        allow_addresses();
        append(undo_network(before_.network));
        append(undo_devices(before_.devices));
        set_back(); // after the network: some depend on the size of packets
        set_controllers_back();
        set_clock_back();
        for (const auto& module : now_.modules)
            if (!before_.modules.contains(module))
                changes_.push_back({.what = "the module " + module, .why = "modules stay"});
        return std::move(changes_);
    }

private:
    void append(std::vector<Change> more) {
        changes_.insert(changes_.end(), std::make_move_iterator(more.begin()),
                        std::make_move_iterator(more.end()));
    }

    template <class Action>
    void each_new(const std::set<std::string>& before, const std::set<std::string>& now,
                  const char* kind, Action action) {
        for (const auto& name : now) {
            if (before.contains(name))
                continue;
            changes_.push_back(change_of(fmt::format("{} {}", kind, name), action(name)));
        }
    }

    // Mappings may lie on mappings: as often as there are levels.
    void remove_mappings() {
        auto left = now_.mappings;
        for (int level = 0; level < 8 && left != before_.mappings; ++level) {
            for (const auto& name : left)
                if (!before_.mappings.contains(name))
                    std::ignore = control_mapping(name, DM_DEV_REMOVE);
            left = device_mappings();
        }
        each_new(before_.mappings, now_.mappings, "the mapping", [&](const std::string& name) {
            return left.contains(name) ? control_mapping(name, DM_DEV_REMOVE) : Status{};
        });
    }

    void allow_addresses() const {
        for (const auto& [path, value] : before_.settings)
            if (path.ends_with("/disable_ipv6"))
                std::ignore = sys::write_file(path, value + "\n");
    }

    void set_back() {
        for (const auto& [path, value] : before_.settings) {
            auto found = now_.settings.find(path);
            if (found == now_.settings.end() || found->second == value)
                continue;
            auto done = sys::write_file(path, value + "\n"); // some take whole lines only
            auto name = replace_all(path.substr(std::strlen("/proc/sys/")), "/", ".");
            changes_.push_back(
                change_of(fmt::format("{} {} -> {}", name, value, found->second), done));
        }
    }

    // Those for the groups of the system, which are gone.
    void set_controllers_back() {
        std::string off;
        for (const auto& name : now_.controllers)
            if (!before_.controllers.contains(name))
                off += " -" + name;
        if (off.empty())
            return;
        auto done = sys::write_file(controllers_file, trim(off));
        if (!done) // nobody is harmed: it is told only
            append({change_of("the controllers of control groups" + off, done)});
    }

    void set_clock_back() {
        auto off = clock_distance() - before_.clock;
        if (std::chrono::abs(off) < smallest_step)
            return;
        auto wanted = before_.clock + read_clock(CLOCK_BOOTTIME);
        timespec time{.tv_sec = wanted.count() / nanoseconds_in_s,
                      .tv_nsec = wanted.count() % nanoseconds_in_s};
        auto done = ::clock_settime(CLOCK_REALTIME, &time) == 0
                        ? Status{}
                        : Status(fail_errno("setting the clock"));
        auto days = std::chrono::abs(off) / std::chrono::hours(24);
        auto seconds = std::chrono::duration_cast<Seconds>(std::chrono::abs(off)).count();
        append({change_of(
            fmt::format("the clock, which it had set {} by {}",
                        off.count() > 0 ? "forward" : "back",
                        days > 2 ? fmt::format("{} days", days) : format_seconds(seconds)),
            done)});
    }

    const MachineState& before_;
    MachineState now_;
    std::vector<Change> changes_;
};

} // namespace

MachineState look_at_machine() {
    return {.loops = block_devices("loop", "loop/backing_file"),
            .mappings = device_mappings(),
            .arrays = block_devices("md", "md"),
            .swaps = first_words("/proc/swaps", 1),
            .modules = first_words("/proc/modules", 0),
            .network = look_at_network(),
            .devices = look_at_devices(),
            .read_only = read_only_mounts(),
            .settings = settings(),
            .controllers = controllers(),
            .clock = clock_distance()};
}

std::vector<Change> undo_changes(const MachineState& before) {
    return Undo(before).run();
}

} // namespace slipway::boot
