// SPDX-License-Identifier: Apache-2.0
#include "work/given_tree.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/mount.hpp"
#include "sys/process.hpp"
#include "work/unpacker.hpp"

namespace slipway::work {
namespace {

using image::Kind;

constexpr auto scratch_node = "/dev/.slipway-scratch";
// The scratch disk lasts as long as the session, so nothing on it need survive anything.
constexpr auto make_filesystem = "mkfs.ext4";
const char* const filesystem_options[] = {"-q",        "-F",
                                          "-m",        "0",
                                          "-O",        "^has_journal,^resize_inode",
                                          "-E",        "lazy_itable_init=1,nodiscard",
                                          scratch_node};
constexpr auto scratch_options = "noinit_itable,errors=remount-ro";

Result<sys::OwnedFd> clone_mount(int directory) {
    sys::OwnedFd mount(
        ::open_tree(directory, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    if (!mount.valid())
        return fail_errno("opening the directory");
    return mount;
}

Result<sys::OwnedFd> open_archive(const image::DiskSpec& spec) {
    if (spec.device.empty())
        return sys::open_file(sys::proc_path(spec.raw_fd), O_RDONLY);
    SLIPWAY_TRY(auto disk, sys::KernelDisk::open(spec.device, false));
    return sys::duplicate(disk.fd());
}

} // namespace

Result<std::vector<image::DiskSpec>> disk_specs(const Json& arguments) {
    const auto& list = json_at(arguments, "disks");
    if (!list.is_array() || list.empty())
        return fail(Code::Protocol, "a request to open without disks");
    std::vector<image::DiskSpec> specs;
    for (const auto& json : list) {
        SLIPWAY_TRY(auto spec, image::disk_spec_from_json(json));
        specs.push_back(std::move(spec));
    }
    return specs;
}

Result<std::optional<GivenTree>> GivenTree::take_from(std::vector<image::DiskSpec>& specs) {
    std::optional<GivenTree> given;
    for (auto& spec : specs) {
        if (spec.kind == Kind::Directory || spec.kind == Kind::Archive) {
            given = GivenTree();
            given->spec_ = std::move(spec);
        } else if (spec.kind == Kind::Scratch && given) {
            given->scratch_spec_ = std::move(spec);
        }
    }
    std::erase_if(specs, [](const auto& spec) { return spec.kind != Kind::Disk; });
    if (given && given->spec_.kind == Kind::Directory && given->spec_.device.empty()) {
        SLIPWAY_TRY(given->directory_, clone_mount(given->spec_.raw_fd));
    }
    return given;
}

Result<mount::MountableVolume> GivenTree::make_volume(const sys::Host& host,
                                                      const std::string& workspace,
                                                      report::Findings& findings) {
    place_ = workspace + "/given";
    if (::mkdir(place_.c_str(), 0755) != 0)
        return fail_errno(fmt::format("making {}", place_));
    if (spec_.kind == Kind::Directory) {
        SLIPWAY_CHECK(show_directory());
        report::Volume volume{.name = "dir", .disk = "", .type = "directory"};
        return mount::MountableVolume{std::move(volume), place_};
    }
    SLIPWAY_CHECK(unpack(host, workspace, findings));
    report::Volume volume{.name = "tar", .disk = "", .size = spec_.size, .type = "tar"};
    return mount::MountableVolume{std::move(volume), place_ + "/tree"};
}

Status GivenTree::show_directory() {
    if (!spec_.device.empty())
        return sys::mount({.source = "none",
                           .target = place_,
                           .type = "hostfs",
                           .flags = MS_RDONLY | MS_NODEV,
                           .options = spec_.device});
    if (::move_mount(directory_.raw(), "", AT_FDCWD, place_.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return fail_errno("mounting the directory");
    directory_.reset(); // it would keep the mount busy
    return {};
}

Status GivenTree::make_place(const sys::Host& host, const std::string& workspace) {
    sys::MountSpec memory{.source = "slipway",
                          .target = place_,
                          .type = "tmpfs",
                          .flags = MS_NODEV,
                          .options = "mode=0700"};
    if (!scratch_spec_ || !sys::find_program(make_filesystem))
        return sys::mount(memory);
    constexpr unsigned index = 1; // behind the archive
    SLIPWAY_TRY(scratch_, image::AttachedDisk::attach(host, *scratch_spec_, index, workspace));
    if (::mknod(scratch_node, S_IFBLK | 0600, scratch_->device()) != 0)
        return fail_errno("making a node for the scratch disk");
    sys::ProcessSpec process{.argv = {make_filesystem}};
    process.argv.insert(process.argv.end(), std::begin(filesystem_options),
                        std::end(filesystem_options));
    SLIPWAY_TRY(auto made, sys::run(*host.runner, process));
    Status mounted = sys::check_tool(process, made, "preparing the scratch disk");
    if (mounted)
        mounted = sys::mount({.source = scratch_node,
                              .target = place_,
                              .type = "ext4",
                              .flags = MS_NODEV | MS_NOATIME,
                              .options = scratch_options});
    ::unlink(scratch_node);
    return mounted;
}

Status GivenTree::unpack(const sys::Host& host, const std::string& workspace,
                         report::Findings& findings) {
    SLIPWAY_TRY(auto archive, open_archive(spec_));
    SLIPWAY_CHECK(make_place(host, workspace));
    auto tree = place_ + "/tree";
    if (::mkdir(tree.c_str(), 0755) != 0)
        return fail_errno(fmt::format("making {}", tree));
    SLIPWAY_TRY(auto found, unpack_archive(host, archive, spec_.size, tree));
    findings.insert(findings.end(), found.begin(), found.end());
    return {};
}

Status GivenTree::close() {
    if (!place_.empty())
        SLIPWAY_CHECK(sys::unmount_tree(place_));
    place_.clear();
    return scratch_ ? scratch_->detach() : Status{};
}

} // namespace slipway::work
