// SPDX-License-Identifier: Apache-2.0
#include "boot/traces.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <linux/raid/md_u.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

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

std::set<std::string> block_devices(std::string_view prefix, const std::string& sign) {
    std::set<std::string> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator("/sys/block", failed)) {
        auto name = entry.path().filename().string();
        if (name.starts_with(prefix) && fs::exists(entry.path() / sign, failed))
            found.insert(std::move(name));
    }
    return found;
}

std::set<std::string> first_words(const char* file, std::size_t skipped_lines) {
    std::set<std::string> found;
    auto text = sys::read_file(file).value_or("");
    auto lines = split_lines(text);
    for (std::size_t each = skipped_lines; each < lines.size(); ++each)
        if (auto words = split_words(lines[each]); !words.empty())
            found.emplace(words[0]);
    return found;
}

std::set<std::string> names_in(const char* directory) {
    std::set<std::string> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(directory, failed))
        found.insert(entry.path().filename());
    return found;
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

std::size_t count_processes() {
    std::size_t count = 0;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator("/proc", failed)) {
        auto name = entry.path().filename().string();
        bool is_process = std::all_of(name.begin(), name.end(),
                                      [](char each) { return each >= '0' && each <= '9'; });
        // A kernel thread has no program.
        if (is_process && fs::exists(fs::read_symlink(entry.path() / "exe", failed)))
            ++count;
    }
    return count;
}

template <class Argument>
Status control(const std::string& device, unsigned long call, Argument argument) {
    SLIPWAY_TRY(auto opened, sys::open_file(device, O_RDWR | O_NONBLOCK));
    if (::ioctl(opened.raw(), call, argument) != 0)
        return fail_errno(device);
    return {};
}

Status remove_mapping(const std::string& name) {
    dm_ioctl request{};
    request.version[0] = DM_VERSION_MAJOR;
    request.data_size = sizeof request;
    auto mapped = sys::read_file(fmt::format("/sys/block/{}/dm/name", name)).value_or("");
    std::string(trim(mapped)).copy(request.name, sizeof request.name - 1);
    return control("/dev/mapper/control", DM_DEV_REMOVE, &request);
}

// Only what no hardware has: a real interface cannot be removed.
Status remove_link(const std::string& name) {
    struct {
        nlmsghdr header;
        ifinfomsg link;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_DELLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.link.ifi_index = static_cast<int>(::if_nametoindex(name.c_str()));
    sys::OwnedFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct {
        nlmsghdr header;
        nlmsgerr error;
        std::array<char, 256> rest;
    } answer{};
    if (!socket.valid() || ::send(socket.raw(), &request, sizeof request, 0) < 0 ||
        ::recv(socket.raw(), &answer, sizeof answer, 0) < static_cast<ssize_t>(sizeof(nlmsghdr)))
        return fail_errno(fmt::format("removing {}", name));
    if (answer.error.error != 0)
        return fail_errno(fmt::format("removing {}", name), -answer.error.error);
    return {};
}

class Undo {
public:
    explicit Undo(const MachineState& before) : before_(before), now_(look_at_machine()) {}

    std::vector<Change> run() {
        // In this order: the later ones are below the earlier ones.
        each_new(before_.swaps, now_.swaps, "the swap", [](const std::string& path) -> Status {
            return ::swapoff(path.c_str()) == 0 ? Status{} : Status(fail_errno("swapoff"));
        });
        // Mappings may lie on mappings: as often as there are levels.
        for (int level = 0; level < 8; ++level) {
            auto mappings = look_at_machine().mappings;
            for (const auto& name : mappings)
                if (!before_.mappings.contains(name))
                    std::ignore = remove_mapping(name);
        }
        auto left = look_at_machine().mappings;
        each_new(before_.mappings, now_.mappings, "the mapping", [&](const std::string& name) {
            return left.contains(name) ? remove_mapping(name) : Status{};
        });
        each_new(before_.arrays, now_.arrays, "the array", [](const std::string& name) {
            return control("/dev/" + name, STOP_ARRAY, nullptr);
        });
        each_new(before_.loops, now_.loops, "the loop device",
                 [](const std::string& name) { return control("/dev/" + name, LOOP_CLR_FD, 0); });
        each_new(before_.links, now_.links, "the interface", remove_link);
        set_back();
        for (const auto& module : now_.modules)
            if (!before_.modules.contains(module))
                changes_.push_back({.what = "the module " + module, .why = "modules stay"});
        return std::move(changes_);
    }

private:
    template <class Action>
    void each_new(const std::set<std::string>& before, const std::set<std::string>& now,
                  const char* kind, Action action) {
        for (const auto& name : now) {
            if (before.contains(name))
                continue;
            auto done = action(name);
            changes_.push_back({.what = fmt::format("{} {}", kind, name),
                                .undone = done.has_value(),
                                .why = done ? "" : render_line(done.error())});
        }
    }

    void set_back() {
        for (const auto& [path, value] : before_.settings) {
            auto found = now_.settings.find(path);
            if (found == now_.settings.end() || found->second == value)
                continue;
            auto done = sys::write_file(path, value + "\n"); // some take whole lines only
            auto name = replace_all(path.substr(std::strlen("/proc/sys/")), "/", ".");
            changes_.push_back({.what = fmt::format("{} {} -> {}", name, value, found->second),
                                .undone = done.has_value(),
                                .why = done ? "" : render_line(done.error())});
        }
    }

    const MachineState& before_;
    MachineState now_;
    std::vector<Change> changes_;
};

} // namespace

MachineState look_at_machine() {
    return {.loops = block_devices("loop", "loop/backing_file"),
            .mappings = block_devices("dm-", "dm"),
            .arrays = block_devices("md", "md"),
            .swaps = first_words("/proc/swaps", 1),
            .modules = first_words("/proc/modules", 0),
            .links = names_in("/sys/class/net"),
            .settings = settings(),
            .mounts = split_lines(sys::read_file("/proc/self/mountinfo").value_or("")).size(),
            .processes = count_processes(),
            .files = names_in("/proc/self/fd").size()};
}

std::vector<Change> undo_changes(const MachineState& before) {
    return Undo(before).run();
}

std::string render_changes(const std::vector<Change>& changes) {
    std::vector<std::string> undone, left, modules;
    for (const auto& change : changes) {
        constexpr std::string_view module = "the module ";
        if (change.what.starts_with(module))
            modules.push_back(change.what.substr(module.size()));
        else if (change.undone)
            undone.push_back(change.what);
        else
            left.push_back(fmt::format("{} ({})", change.what, change.why));
    }
    std::string text;
    if (!undone.empty())
        text += fmt::format("undone: {}\n", join(undone, ", "));
    if (!left.empty())
        text += fmt::format("LEFT BEHIND: {}\n", join(left, ", "));
    if (!modules.empty())
        text += fmt::format("modules that stay: {}\n", join(modules, ", "));
    return text;
}

} // namespace slipway::boot
