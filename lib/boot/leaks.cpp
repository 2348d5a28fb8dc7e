// SPDX-License-Identifier: Apache-2.0
#include "boot/leaks.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/fd.hpp"
#include "sys/mount.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

// Measured with Debian's systemd: the kernel's own tables grow by up to 20 MiB with the modules and
// the first of everything, and shrink again later.
constexpr std::uint64_t usual_memory = 40 << 20;
constexpr std::uint64_t usual_tmpfs = 4 << 20; // pages on their way
constexpr unsigned usual_files = 4, usual_sockets = 8;

std::uint64_t number_after(std::string_view text, std::string_view name) {
    for (auto line : split_lines(text))
        if (line.starts_with(name))
            if (auto words = split_words(line.substr(name.size())); !words.empty())
                return parse_number(words[0]).value_or(0);
    return 0;
}

// What is in the tmpfs that can be seen, each counted once.
std::uint64_t visible_tmpfs(const std::vector<sys::MountPoint>& mounts) {
    std::uint64_t bytes = 0;
    std::set<dev_t> counted;
    for (const auto& each : mounts) {
        struct statfs place {};
        struct stat info {};
        if (::statfs(each.target.c_str(), &place) == 0 && place.f_type == TMPFS_MAGIC &&
            ::stat(each.target.c_str(), &info) == 0 && counted.insert(info.st_dev).second)
            bytes += (place.f_blocks - place.f_bfree) * static_cast<std::uint64_t>(place.f_bsize);
    }
    return bytes;
}

// A thread of the kernel has no program.
std::map<std::string, unsigned> processes() {
    std::map<std::string, unsigned> found;
    for (const auto& name : sys::names_in("/proc")) {
        auto place = "/proc/" + name;
        std::error_code none;
        if (!parse_number(name) || fs::read_symlink(place + "/exe", none).empty())
            continue;
        auto command = sys::read_file(place + "/comm").value_or("");
        ++found[fmt::format("{} ({})", printable(trim(command)), name)];
    }
    return found;
}

// Without numbers: "socket:[123]".
std::map<std::string, unsigned> files() {
    std::map<std::string, unsigned> found;
    for (const auto& number : sys::names_in("/proc/self/fd")) {
        std::error_code none;
        auto name = fs::read_symlink("/proc/self/fd/" + number, none).string();
        if (!none)
            ++found[name.substr(0, name.find('['))];
    }
    return found;
}

unsigned cgroups() {
    unsigned count = 0;
    auto top = sys::open_file("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY);
    if (top)
        std::ignore = sys::walk_tree(*top, {.enter = [&](const auto& entry) -> Result<bool> {
            count += entry.type == DT_DIR ? 1 : 0;
            return true;
        }});
    return count;
}

unsigned sum(const std::map<std::string, unsigned>& all) {
    unsigned count = 0;
    for (const auto& [name, times] : all)
        count += times;
    return count;
}

// Names of which there are more.
std::vector<std::string> new_ones(const std::map<std::string, unsigned>& before,
                                  const std::map<std::string, unsigned>& after) {
    std::vector<std::string> found;
    for (const auto& [name, count] : after) {
        auto known = before.find(name);
        auto more = count - std::min(count, known == before.end() ? 0 : known->second);
        if (more > 0)
            found.push_back(more == 1 ? name : fmt::format("{} times {}", more, name));
    }
    return found;
}

std::string compare(unsigned before, unsigned after, const char* name) {
    return after <= before ? fmt::format("{} {}", after, name)
                           : fmt::format("{} {} (+{})", after, name, after - before);
}

} // namespace

Holdings look_at_holdings() {
    std::ignore = sys::write_file("/proc/sys/vm/drop_caches", "3\n");
    auto memory = sys::read_file("/proc/meminfo").value_or("");
    auto shared = number_after(memory, "Shmem:") << 10;
    auto mounts = sys::read_mounts().value_or(std::vector<sys::MountPoint>{});
    Holdings held{.memory = (number_after(memory, "MemAvailable:") << 10) + shared,
                  .hidden_tmpfs = shared - std::min(shared, visible_tmpfs(mounts)),
                  .processes = processes(),
                  .files = files(),
                  .sockets = static_cast<unsigned>(number_after(
                      sys::read_file("/proc/net/sockstat").value_or(""), "sockets: used")),
                  .cgroups = cgroups()};
    for (const auto& each : mounts)
        ++held.mounts[fmt::format("{} {}", each.target, each.source)];
    return held;
}

std::vector<Change> find_growth(const Holdings& before, const Holdings& after) {
    std::vector<Change> grown;
    auto tell = [&](const std::string& what) { grown.push_back({.what = what}); };
    if (after.memory + usual_memory < before.memory)
        tell(fmt::format("{} of memory that nobody has a name for",
                         format_size(before.memory - after.memory)));
    if (after.hidden_tmpfs > before.hidden_tmpfs + usual_tmpfs)
        tell(fmt::format("{} in a tmpfs that is mounted nowhere",
                         format_size(after.hidden_tmpfs - before.hidden_tmpfs)));
    for (const auto& name : new_ones(before.mounts, after.mounts))
        tell("the mount " + printable(name));
    for (const auto& name : new_ones(before.processes, after.processes))
        tell("the process " + name);
    if (sum(after.files) > sum(before.files) + usual_files)
        tell("open files of the bootstrap: " + join(new_ones(before.files, after.files), ", "));
    if (after.sockets > before.sockets + usual_sockets)
        tell(fmt::format("{} sockets", after.sockets - before.sockets));
    if (after.cgroups > before.cgroups)
        tell(fmt::format("{} control groups", after.cgroups - before.cgroups));
    return grown;
}

std::string render_comparison(const Holdings& before, const Holdings& after) {
    auto less = before.memory > after.memory;
    auto difference = less ? before.memory - after.memory : after.memory - before.memory;
    return fmt::format("afterwards: memory {} {}, {}, {}, {}, {}, {}", format_size(difference),
                       less ? "less" : "more",
                       compare(sum(before.mounts), sum(after.mounts), "mounts"),
                       compare(sum(before.processes), sum(after.processes), "processes"),
                       compare(sum(before.files), sum(after.files), "files"),
                       compare(before.sockets, after.sockets, "sockets"),
                       compare(before.cgroups, after.cgroups, "control groups"));
}

} // namespace slipway::boot
