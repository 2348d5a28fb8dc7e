// SPDX-License-Identifier: Apache-2.0
// Calls on btrfs. Its tools get a directory of the guest's as a descriptor: no path of the guest's
// is looked up by them.
#include <algorithm>
#include <array>
#include <cctype>

#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/btrfs_tool.hpp"
#include "calls/devices.hpp"
#include "calls/filesystems.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

/// A btrfs filesystem: where it is mounted already, or mounted aside for as long as this lives.
class TopLevel {
public:
    static Result<TopLevel> of(Machine& machine, const Mountable& mountable) {
        TopLevel top;
        for (const auto& each : machine.mounted)
            if (each.source == mountable.device.name) {
                SLIPWAY_TRY(top.directory_,
                            sys::open_file(each.volume.target(), O_RDONLY | O_DIRECTORY));
                return top;
            }
        SLIPWAY_TRY(auto volume, probe(mountable.device));
        if (volume.volume.type != "btrfs")
            return fail(Code::InvalidArgument,
                        fmt::format("{} holds no btrfs", mountable.device.name));
        auto target = machine.workspace + "/scratch/btrfs";
        if (::mkdir(target.c_str(), 0700) != 0 && errno != EEXIST)
            return fail_errno("making " + target);
        SLIPWAY_TRY(
            auto mounted,
            mount::mount_volume(volume, target, {.other_nodes = other_nodes(machine, volume)}));
        top.own_.emplace(std::move(mounted));
        SLIPWAY_TRY(top.directory_, sys::open_file(target, O_RDONLY | O_DIRECTORY));
        return top;
    }
    [[nodiscard]] sys::BorrowedFd directory() const { return directory_; }

private:
    std::optional<mount::MountedVolume> own_;
    sys::OwnedFd directory_; // goes first: it keeps the mount busy
};

Result<std::vector<Subvolume>> parse_subvolumes(std::string_view text) {
    std::vector<Subvolume> all;
    for (auto line : split_lines(text)) {
        // "ID 256 gen 7 top level 5 path dir/two"
        auto words = split_words(line);
        auto path = line.find(" path ");
        auto id = words.size() > 8 ? parse_number(words[1]) : std::nullopt;
        auto top = words.size() > 8 ? parse_number(words[6]) : std::nullopt;
        if (!id || !top || path == std::string_view::npos)
            return fail(Code::ToolFailed,
                        fmt::format("btrfs said '{}' of a subvolume", printable(line)));
        all.push_back({*id, *top, std::string(line.substr(path + 6))});
    }
    return all;
}

Result<std::uint64_t> default_of(Machine& machine, sys::BorrowedFd directory) {
    SLIPWAY_TRY(auto text,
                run_btrfs(machine, directory, {"subvolume", "get-default", std::string(placed)}));
    auto words = split_words(text);
    auto id = words.size() > 1 ? parse_number(words[1]) : std::nullopt;
    if (!id)
        return fail(Code::ToolFailed, "btrfs did not say which subvolume is the default");
    return *id;
}

Result<std::vector<Subvolume>> subvolumes_at(Machine& machine, sys::BorrowedFd directory) {
    SLIPWAY_TRY(auto text,
                run_btrfs(machine, directory, {"subvolume", "list", std::string(placed)}));
    return parse_subvolumes(text);
}

// A path, or what can be mounted.
template <class Function>
auto at_filesystem(Machine& machine, const std::string& name, Function function)
    -> decltype(function(sys::BorrowedFd(-1))) {
    if (!name.starts_with("/dev/") && !name.starts_with("btrfsvol:")) {
        if (!name.starts_with('/'))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}': a path begins with '/'", printable(name)));
        SLIPWAY_TRY(auto path, GuestPath::parse(name));
        SLIPWAY_TRY(auto directory, open_place(machine, path));
        return function(directory);
    }
    SLIPWAY_TRY(auto mountable, machine.find_mountable(name));
    SLIPWAY_TRY(auto top, TopLevel::of(machine, mountable));
    return function(top.directory());
}

Result<Json> btrfs_subvolume_list(Machine& machine, const std::string& fs) {
    return at_filesystem(machine, fs, [&](sys::BorrowedFd directory) -> Result<Json> {
        SLIPWAY_TRY(auto all, subvolumes_at(machine, directory));
        auto list = Json::array();
        for (const auto& each : all)
            list.push_back({{"btrfssubvolume_id", each.id},
                            {"btrfssubvolume_top_level_id", each.top_level},
                            {"btrfssubvolume_path", each.path}});
        return list;
    });
}

Result<std::int64_t> btrfs_subvolume_get_default(Machine& machine, const std::string& fs) {
    return at_filesystem(machine, fs, [&](sys::BorrowedFd directory) -> Result<std::int64_t> {
        SLIPWAY_TRY(auto id, default_of(machine, directory));
        return static_cast<std::int64_t>(id);
    });
}

Status btrfs_subvolume_set_default(Machine& machine, std::int64_t id, const GuestPath& fs) {
    return btrfs_at(machine, fs,
                    {"subvolume", "set-default", std::to_string(id), std::string(placed)});
}

Status btrfs_subvolume_create(Machine& machine, const GuestPath& dest,
                              const std::optional<std::string>& qgroup) {
    Strings words{"subvolume", "create"};
    if (qgroup) {
        SLIPWAY_CHECK(check_qgroup(*qgroup));
        words.insert(words.end(), {"-i", *qgroup});
    }
    return btrfs_at_parent(machine, dest, std::move(words));
}

Status btrfs_subvolume_delete(Machine& machine, const GuestPath& subvolume) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto real, root.real_path(subvolume));
    return btrfs_at_parent(machine, real, {"subvolume", "delete"});
}

Status btrfs_subvolume_snapshot(Machine& machine, const GuestPath& source, const GuestPath& dest,
                                std::optional<bool> ro, const std::optional<std::string>& qgroup) {
    constexpr int second = 4;
    SLIPWAY_TRY(auto from, open_place(machine, source));
    SLIPWAY_TRY(auto to, open_place(machine, dest.parent()));
    Strings words{"btrfs", "subvolume", "snapshot"};
    if (ro.value_or(false))
        words.emplace_back("-r");
    if (qgroup) {
        SLIPWAY_CHECK(check_qgroup(*qgroup));
        words.insert(words.end(), {"-i", *qgroup});
    }
    words.emplace_back(placed);
    words.push_back(fmt::format("{}/{}", sys::proc_path(second), dest.name()));
    SLIPWAY_TRY(
        [[maybe_unused]] auto done,
        machine.run_tool({.argv = std::move(words), .fds = {{from, place_number}, {to, second}}}));
    return {};
}

// "\tUUID: \t\t\t5f…"; lines that are further in go on the value before.
Result<Json> btrfs_subvolume_show(Machine& machine, const GuestPath& subvolume) {
    SLIPWAY_TRY(auto directory, open_place(machine, subvolume));
    SLIPWAY_TRY(auto text,
                run_btrfs(machine, directory, {"subvolume", "show", std::string(placed)}));
    auto values = Json::object();
    std::string last;
    auto lines = split_lines(text);
    if (!lines.empty())
        values["path"] = std::string(trim(lines.front()));
    for (std::size_t i = 1; i < lines.size(); ++i) {
        auto colon = lines[i].find(':');
        if (lines[i].starts_with("\t\t") || colon == std::string_view::npos) {
            auto& value = values[last].get_ref<std::string&>();
            value += (value.empty() ? "" : ",") + std::string(trim(lines[i]));
            continue;
        }
        last = std::string(trim(lines[i].substr(0, colon)));
        auto value = trim(lines[i].substr(colon + 1));
        values[last] = value == "-" ? std::string{} : std::string(value);
    }
    return values;
}

Status btrfs_filesystem_sync(Machine& machine, const GuestPath& fs) {
    return btrfs_at(machine, fs, {"filesystem", "sync", std::string(placed)});
}

Status btrfs_filesystem_resize(Machine& machine, const GuestPath& mountpoint,
                               std::optional<std::int64_t> size) {
    if (size.value_or(1) <= 0)
        return fail(Code::InvalidArgument, "a size is zero or negative");
    return btrfs_at(
        machine, mountpoint,
        {"filesystem", "resize", size ? std::to_string(*size) : "max", std::string(placed)});
}

Status btrfs_filesystem_defragment(Machine& machine, const GuestPath& path,
                                   std::optional<bool> flush,
                                   const std::optional<std::string>& compress) {
    Strings words{"filesystem", "defragment", "-r"};
    if (flush.value_or(false))
        words.emplace_back("-f");
    if (compress) {
        if (*compress != "zlib" && *compress != "lzo")
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no compression", printable(*compress)), "zlib or lzo");
        words.push_back("-c" + *compress);
    }
    words.emplace_back(placed);
    return btrfs_at(machine, path, std::move(words));
}

Status btrfs_filesystem_balance(Machine& machine, const GuestPath& fs) {
    return btrfs_at(machine, fs, {"balance", "start", "--full-balance", std::string(placed)});
}
Status btrfs_balance_cancel(Machine& machine, const GuestPath& path) {
    return btrfs_at(machine, path, {"balance", "cancel", std::string(placed)});
}
Status btrfs_balance_pause(Machine& machine, const GuestPath& path) {
    return btrfs_at(machine, path, {"balance", "pause", std::string(placed)});
}
Status btrfs_balance_resume(Machine& machine, const GuestPath& path) {
    return btrfs_at(machine, path, {"balance", "resume", std::string(placed)});
}

// BTRFS_IOC_BALANCE_PROGRESS, as the tool asks it.
Result<Json> btrfs_balance_status(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_place(machine, path));
    btrfs_ioctl_balance_args balance{};
    Json record{{"btrfsbalance_status", "none"},
                {"btrfsbalance_total", 0},
                {"btrfsbalance_balanced", 0},
                {"btrfsbalance_considered", 0},
                {"btrfsbalance_left", 0}};
    if (::ioctl(directory.raw(), BTRFS_IOC_BALANCE_PROGRESS, &balance) != 0) {
        if (errno == ENOTCONN)
            return record;
        return fail_errno(fmt::format("the balance of {}", path.str()));
    }
    auto expected = balance.stat.expected;
    record["btrfsbalance_status"] =
        (balance.state & BTRFS_BALANCE_STATE_RUNNING) != 0 ? "running" : "paused";
    record["btrfsbalance_total"] = expected;
    record["btrfsbalance_balanced"] = balance.stat.completed;
    record["btrfsbalance_considered"] = balance.stat.considered;
    record["btrfsbalance_left"] =
        expected == 0 ? 0
                      : 100 - std::min<std::uint64_t>(100, balance.stat.completed * 100 / expected);
    return record;
}

} // namespace

Status check_qgroup(const std::string& id) {
    bool good = !id.empty() && std::all_of(id.begin(), id.end(), [](unsigned char c) {
        return std::isdigit(c) != 0 || c == '/';
    });
    return good ? Status{}
                : fail(Code::InvalidArgument, fmt::format("'{}' is no quota group", printable(id)));
}

Result<std::string> run_btrfs(Machine& machine, sys::BorrowedFd directory, Strings words,
                              const std::vector<int>& accepted) {
    words.insert(words.begin(), "btrfs");
    SLIPWAY_TRY(
        auto done,
        machine.run_tool({.argv = std::move(words), .fds = {{directory, place_number}}}, accepted));
    return std::move(done.out);
}

Result<sys::OwnedFd> open_place(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    return root.open_path(path, O_RDONLY | O_NONBLOCK);
}

Status btrfs_at(Machine& machine, const GuestPath& path, Strings words) {
    SLIPWAY_TRY(auto file, open_place(machine, path));
    SLIPWAY_TRY([[maybe_unused]] auto done, run_btrfs(machine, file, std::move(words)));
    return {};
}

// The directory that the last name stands in.
Status btrfs_at_parent(Machine& machine, const GuestPath& path, Strings words) {
    words.push_back(fmt::format("{}/{}", placed, path.name()));
    return btrfs_at(machine, path.parent(), std::move(words));
}

Status run_tool_on(Machine& machine, Strings words, const Device& device,
                   const std::vector<int>& accepted) {
    words.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run_tool({.argv = std::move(words)}, accepted));
    return {};
}

Result<Subvolumes> btrfs_subvolumes(Machine& machine, const Mountable& mountable) {
    SLIPWAY_TRY(auto top, TopLevel::of(machine, mountable));
    Subvolumes found;
    SLIPWAY_TRY(found.all, subvolumes_at(machine, top.directory()));
    SLIPWAY_TRY(found.default_id, default_of(machine, top.directory()));
    return found;
}

std::vector<std::string> other_nodes(const Machine& machine, const mount::MountableVolume& volume) {
    Strings others;
    if (volume.volume.type != "btrfs")
        return others;
    for (const auto& device : all_devices(machine))
        if (device.name != volume.node)
            if (auto found = probe(device);
                found && found->volume.type == "btrfs" && found->volume.uuid == volume.volume.uuid)
                others.push_back(device.name);
    return others;
}

Calls btrfs_calls() {
    static constexpr Call calls[] = {
        {"btrfs_balance_cancel", bind<btrfs_balance_cancel>},
        {"btrfs_balance_pause", bind<btrfs_balance_pause>},
        {"btrfs_balance_resume", bind<btrfs_balance_resume>},
        {"btrfs_balance_status", bind<btrfs_balance_status>},
        {"btrfs_filesystem_balance", bind<btrfs_filesystem_balance>},
        {"btrfs_filesystem_defragment", bind<btrfs_filesystem_defragment>},
        {"btrfs_filesystem_resize", bind<btrfs_filesystem_resize>},
        {"btrfs_filesystem_sync", bind<btrfs_filesystem_sync>},
        {"btrfs_subvolume_create", bind<btrfs_subvolume_create>},
        {"btrfs_subvolume_delete", bind<btrfs_subvolume_delete>},
        {"btrfs_subvolume_get_default", bind<btrfs_subvolume_get_default>},
        {"btrfs_subvolume_list", bind<btrfs_subvolume_list>},
        {"btrfs_subvolume_set_default", bind<btrfs_subvolume_set_default>},
        {"btrfs_subvolume_show", bind<btrfs_subvolume_show>},
        {"btrfs_subvolume_snapshot", bind<btrfs_subvolume_snapshot>},
    };
    return calls;
}

} // namespace slipway::calls
