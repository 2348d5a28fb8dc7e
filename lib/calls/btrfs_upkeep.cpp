// SPDX-License-Identifier: Apache-2.0
// Calls on the devices, quotas and health of a btrfs filesystem.
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

Status change_devices(Machine& machine, Strings words, const std::vector<Device>& devices,
                      const GuestPath& fs) {
    if (devices.empty())
        return {};
    for (const auto& device : devices)
        words.push_back(device.name);
    words.emplace_back(placed);
    return btrfs_at(machine, fs, std::move(words));
}

Status btrfs_device_add(Machine& machine, const std::vector<Device>& devices, const GuestPath& fs) {
    return change_devices(machine, {"device", "add", "--force"}, devices, fs);
}

Status btrfs_device_delete(Machine& machine, const std::vector<Device>& devices,
                           const GuestPath& fs) {
    return change_devices(machine, {"device", "delete"}, devices, fs);
}

Status btrfs_replace(Machine& machine, const Device& source, const Device& target,
                     const GuestPath& mountpoint) {
    SLIPWAY_CHECK(
        btrfs_at(machine, mountpoint,
                 {"replace", "start", "-B", "-f", source.name, target.name, std::string(placed)}));
    // The kernel names the filesystem by another device now.
    for (auto& each : machine.mounted)
        if (each.source == source.name)
            each.source = target.name;
    return {};
}

// "\tdevid    1 size 200.00MiB used 40.00MiB path /dev/sda1"
Result<Strings> btrfs_filesystem_show(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto text, machine.run({"btrfs", "filesystem", "show", device.name}));
    Strings names;
    for (auto line : split_lines(text)) {
        auto path = line.find(" path ");
        if (trim(line).starts_with("devid") && path != std::string_view::npos)
            names.emplace_back(trim(line.substr(path + 6)));
    }
    return names;
}

Status btrfs_fsck(Machine& machine, const Device& device, std::optional<std::int64_t> superblock,
                  std::optional<bool> repair) {
    if (superblock.value_or(0) < 0)
        return fail(Code::InvalidArgument, "the number of a superblock is negative");
    Strings words{"btrfs", "check"};
    if (superblock)
        words.insert(words.end(), {"--super", std::to_string(*superblock)});
    if (repair.value_or(false))
        words.insert(words.end(), {"--repair", "--force"});
    return run_tool_on(machine, std::move(words), device);
}

Status btrfs_image(Machine& machine, const std::vector<Device>& source, const GuestPath& image,
                   std::optional<std::int64_t> level) {
    if (source.empty())
        return fail(Code::InvalidArgument, "no device is given");
    constexpr std::int64_t highest = 9;
    if (level.value_or(0) < 0 || level.value_or(0) > highest)
        return fail(Code::InvalidArgument, "compression has the levels 0 to 9");
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto file, root.open_path(image, O_RDWR | O_CREAT | O_TRUNC, 0666));
    Strings words{"btrfs-image"};
    if (level)
        words.insert(words.end(), {"-c", std::to_string(*level)});
    for (const auto& device : source)
        words.push_back(device.name);
    words.emplace_back(placed);
    SLIPWAY_TRY([[maybe_unused]] auto done,
                machine.run_tool({.argv = std::move(words), .fds = {{file, place_number}}}));
    return {};
}

Status tune(Machine& machine, Strings options, const Device& device) {
    options.insert(options.begin(), "btrfstune");
    return run_tool_on(machine, std::move(options), device);
}
Status btrfs_set_seeding(Machine& machine, const Device& device, bool seeding) {
    return tune(machine, {"-f", "-S", seeding ? "1" : "0"}, device);
}
Status enable_extended_inode_refs(Machine& machine, const Device& device) {
    return tune(machine, {"-r"}, device);
}
Status enable_skinny_metadata(Machine& machine, const Device& device) {
    return tune(machine, {"-x"}, device);
}

Status btrfs_rescue_chunk_recover(Machine& machine, const Device& device) {
    return run_tool_on(machine, {"btrfs", "rescue", "chunk-recover", "-y"}, device);
}
Status btrfs_rescue_super_recover(Machine& machine, const Device& device) {
    constexpr int recovered = 2;
    return run_tool_on(machine, {"btrfs", "rescue", "super-recover", "-y"}, device, {0, recovered});
}

Status btrfs_quota_enable(Machine& machine, const GuestPath& fs, bool enable) {
    return btrfs_at(machine, fs, {"quota", enable ? "enable" : "disable", std::string(placed)});
}
Status btrfs_quota_rescan(Machine& machine, const GuestPath& fs) {
    return btrfs_at(machine, fs, {"quota", "rescan", std::string(placed)});
}
Status btrfs_qgroup_create(Machine& machine, const std::string& id, const GuestPath& subvolume) {
    SLIPWAY_CHECK(check_qgroup(id));
    return btrfs_at(machine, subvolume, {"qgroup", "create", id, std::string(placed)});
}
Status btrfs_qgroup_destroy(Machine& machine, const std::string& id, const GuestPath& subvolume) {
    SLIPWAY_CHECK(check_qgroup(id));
    return btrfs_at(machine, subvolume, {"qgroup", "destroy", id, std::string(placed)});
}
Status change_parent(Machine& machine, const char* verb, const std::string& source,
                     const std::string& target, const GuestPath& path) {
    SLIPWAY_CHECK(check_qgroup(source));
    SLIPWAY_CHECK(check_qgroup(target));
    return btrfs_at(machine, path, {"qgroup", verb, source, target, std::string(placed)});
}
Status btrfs_qgroup_assign(Machine& machine, const std::string& source, const std::string& target,
                           const GuestPath& path) {
    return change_parent(machine, "assign", source, target, path);
}
Status btrfs_qgroup_remove(Machine& machine, const std::string& source, const std::string& target,
                           const GuestPath& path) {
    return change_parent(machine, "remove", source, target, path);
}
Status btrfs_qgroup_limit(Machine& machine, const GuestPath& subvolume, std::int64_t size) {
    if (size < 0)
        return fail(Code::InvalidArgument, "a size is negative");
    return btrfs_at(machine, subvolume,
                    {"qgroup", "limit", std::to_string(size), std::string(placed)});
}
Result<Json> btrfs_qgroup_show(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_place(machine, path));
    SLIPWAY_TRY(auto text,
                run_btrfs(machine, directory, {"qgroup", "show", "--raw", std::string(placed)}));
    auto list = Json::array();
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        auto referenced = words.size() > 2 ? parse_number(words[1]) : std::nullopt;
        auto exclusive = words.size() > 2 ? parse_number(words[2]) : std::nullopt;
        if (referenced && exclusive)
            list.push_back({{"btrfsqgroup_id", std::string(words[0])},
                            {"btrfsqgroup_rfer", *referenced},
                            {"btrfsqgroup_excl", *exclusive}});
    }
    return list;
}

// The tool's own scrub goes on in a daemon, and keeps what it found in a file of the host's.
Result<btrfs_scrub_progress> scrub(sys::BorrowedFd directory, const GuestPath& path) {
    btrfs_ioctl_fs_info_args info{};
    if (::ioctl(directory.raw(), BTRFS_IOC_FS_INFO, &info) != 0)
        return fail_errno(fmt::format("looking at the devices of {}", path.str()));
    btrfs_scrub_progress sum{};
    for (std::uint64_t id = 1; id <= info.max_id; ++id) {
        btrfs_ioctl_dev_info_args device{};
        device.devid = id;
        if (::ioctl(directory.raw(), BTRFS_IOC_DEV_INFO, &device) != 0)
            continue; // it was removed
        btrfs_ioctl_scrub_args arguments{};
        arguments.devid = id;
        arguments.end = ~0ULL;
        if (::ioctl(directory.raw(), BTRFS_IOC_SCRUB, &arguments) != 0)
            return fail_errno(fmt::format("scrubbing {}", path.str()));
        // Eight-byte numbers one behind the other (linux/btrfs.h); the last is a position.
        const auto& progress = arguments.progress;
        for (auto member :
             {&btrfs_scrub_progress::data_extents_scrubbed,
              &btrfs_scrub_progress::tree_extents_scrubbed,
              &btrfs_scrub_progress::data_bytes_scrubbed,
              &btrfs_scrub_progress::tree_bytes_scrubbed, &btrfs_scrub_progress::read_errors,
              &btrfs_scrub_progress::csum_errors, &btrfs_scrub_progress::verify_errors,
              &btrfs_scrub_progress::no_csum, &btrfs_scrub_progress::csum_discards,
              &btrfs_scrub_progress::super_errors, &btrfs_scrub_progress::malloc_errors,
              &btrfs_scrub_progress::uncorrectable_errors, &btrfs_scrub_progress::unverified_errors,
              &btrfs_scrub_progress::corrected_errors})
            sum.*member += progress.*member;
        sum.last_physical = progress.last_physical;
    }
    return sum;
}

Json scrub_record(const btrfs_scrub_progress& done) {
    return {{"btrfsscrub_data_extents_scrubbed", done.data_extents_scrubbed},
            {"btrfsscrub_tree_extents_scrubbed", done.tree_extents_scrubbed},
            {"btrfsscrub_data_bytes_scrubbed", done.data_bytes_scrubbed},
            {"btrfsscrub_tree_bytes_scrubbed", done.tree_bytes_scrubbed},
            {"btrfsscrub_read_errors", done.read_errors},
            {"btrfsscrub_csum_errors", done.csum_errors},
            {"btrfsscrub_verify_errors", done.verify_errors},
            {"btrfsscrub_no_csum", done.no_csum},
            {"btrfsscrub_csum_discards", done.csum_discards},
            {"btrfsscrub_super_errors", done.super_errors},
            {"btrfsscrub_malloc_errors", done.malloc_errors},
            {"btrfsscrub_uncorrectable_errors", done.uncorrectable_errors},
            {"btrfsscrub_unverified_errors", done.unverified_errors},
            {"btrfsscrub_corrected_errors", done.corrected_errors},
            {"btrfsscrub_last_physical", done.last_physical}};
}

Result<std::string> filesystem_id(sys::BorrowedFd directory, const GuestPath& path) {
    btrfs_ioctl_fs_info_args info{};
    if (::ioctl(directory.raw(), BTRFS_IOC_FS_INFO, &info) != 0)
        return fail_errno(fmt::format("{} is on no btrfs", path.str()));
    return to_hex(info.fsid, sizeof info.fsid);
}

Status btrfs_scrub_start(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_place(machine, path));
    SLIPWAY_TRY(auto id, filesystem_id(directory, path));
    SLIPWAY_TRY(auto done, scrub(directory, path));
    machine.scrubbed[id] = scrub_record(done);
    return {};
}

Result<Json> btrfs_scrub_status(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_place(machine, path));
    SLIPWAY_TRY(auto id, filesystem_id(directory, path));
    auto known = machine.scrubbed.find(id);
    return known == machine.scrubbed.end() ? scrub_record({}) : known->second;
}

Status btrfs_scrub_cancel(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_place(machine, path));
    if (::ioctl(directory.raw(), BTRFS_IOC_SCRUB_CANCEL, nullptr) != 0)
        return fail_errno(fmt::format("stopping the scrub of {}", path.str()));
    return {};
}

// One that was begun went on to its end.
Status btrfs_scrub_resume(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_place(machine, path));
    SLIPWAY_TRY([[maybe_unused]] auto id, filesystem_id(directory, path));
    return fail(Code::InvalidArgument, fmt::format("no scrub of {} was stopped", path.str()));
}

} // namespace

Calls btrfs_upkeep_calls() {
    static constexpr Call calls[] = {
        {"btrfs_device_add", bind<btrfs_device_add>},
        {"btrfs_device_delete", bind<btrfs_device_delete>},
        {"btrfs_filesystem_show", bind<btrfs_filesystem_show>},
        {"btrfs_fsck", bind<btrfs_fsck>},
        {"btrfs_image", bind<btrfs_image>},
        {"btrfs_qgroup_assign", bind<btrfs_qgroup_assign>},
        {"btrfs_qgroup_create", bind<btrfs_qgroup_create>},
        {"btrfs_qgroup_destroy", bind<btrfs_qgroup_destroy>},
        {"btrfs_qgroup_limit", bind<btrfs_qgroup_limit>},
        {"btrfs_qgroup_remove", bind<btrfs_qgroup_remove>},
        {"btrfs_qgroup_show", bind<btrfs_qgroup_show>},
        {"btrfs_quota_enable", bind<btrfs_quota_enable>},
        {"btrfs_quota_rescan", bind<btrfs_quota_rescan>},
        {"btrfs_replace", bind<btrfs_replace>},
        {"btrfs_rescue_chunk_recover", bind<btrfs_rescue_chunk_recover>},
        {"btrfs_rescue_super_recover", bind<btrfs_rescue_super_recover>},
        {"btrfs_scrub_cancel", bind<btrfs_scrub_cancel>},
        {"btrfs_scrub_resume", bind<btrfs_scrub_resume>},
        {"btrfs_scrub_start", bind<btrfs_scrub_start>},
        {"btrfs_scrub_status", bind<btrfs_scrub_status>},
        {"btrfs_set_seeding", bind<btrfs_set_seeding>},
        {"btrfstune_enable_extended_inode_refs", bind<enable_extended_inode_refs>},
        {"btrfstune_enable_skinny_metadata_extent_refs", bind<enable_skinny_metadata>},
        {"btrfstune_seeding", bind<btrfs_set_seeding>},
    };
    return calls;
}

} // namespace slipway::calls
