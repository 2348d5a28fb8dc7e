// SPDX-License-Identifier: Apache-2.0
#include "work/opened_root.hpp"

#include <algorithm>
#include <set>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/find.hpp"
#include "guest/grub_cfg.hpp"
#include "guest/inspect.hpp"
#include "mount/check.hpp"
#include "mount/forget.hpp"
#include "sys/mount.hpp"
#include "work/containers.hpp"
#include "work/surroundings.hpp"

namespace slipway::work {
namespace {

// Of the bus the guest moves to. A filesystem on a whole disk has the disk's own name.
std::string node_name(unsigned index, const report::Volume& volume) {
    return image::disk_name(index, "vd") +
           (volume.partition == 0 ? "" : std::to_string(volume.partition));
}

// A node where the kernel could mount it.
Result<mount::MountableVolume> mountable(image::AttachedDisk& disk, unsigned index,
                                         const report::Volume& volume) {
    SLIPWAY_TRY(auto device, disk.device_of(volume));
    SLIPWAY_TRY(auto node, make_disk_node(node_name(index, volume), device));
    return mount::MountableVolume{volume, node};
}

// What /proc/cmdline shows: the arguments of the guest's first boot entry, for tools that take
// them over (kernel-install); never the host's.
std::string guest_command_line(const report::Inventory& inventory) {
    const auto* config = inventory.file(inventory.boot_loader.grub_config);
    if (config == nullptr)
        return {};
    auto kernels = guest::parse_grub_kernels(*config);
    if (kernels.empty())
        return {};
    const auto& first = kernels.front();
    auto length = first.arguments_end - first.arguments_begin;
    return std::string(trim(std::string_view(*config).substr(first.arguments_begin, length)));
}

storage::Pools pools_on(const std::vector<image::DiskSpec>& specs) {
    auto all = [&](auto test) { return std::all_of(specs.begin(), specs.end(), test); };
    if (all([](const auto& spec) { return !spec.device.empty(); }))
        return storage::Pools::Writable; // in a sandbox
    return all([](const auto& spec) { return spec.raw_fd >= 0 && !spec.writable; })
               ? storage::Pools::ReadOnly
               : storage::Pools::Closed;
}

} // namespace

Status OpenedRoot::open(const Json& arguments) {
    host.runner = &runner;
    SLIPWAY_TRY(auto specs, disk_specs(arguments));
    SLIPWAY_TRY(given, GivenTree::take_from(specs));
    pools = pools_on(specs);
    SLIPWAY_TRY(host_network, sys::open_file("/proc/self/ns/net", O_RDONLY));
    SLIPWAY_TRY(workspace, make_surroundings());
    if (given) {
        SLIPWAY_TRY(auto volume, given->make_volume(host, workspace, found_in_given));
        volumes.push_back(std::move(volume));
        writable = dropped = given->writable();
    }
    for (const auto& spec : specs) {
        auto index = static_cast<unsigned>(disks.size());
        SLIPWAY_TRY(auto disk, image::AttachedDisk::attach(host, spec, index, workspace));
        writable = writable || spec.writable;
        dropped = dropped || spec.dropped;
        disks.push_back(std::move(disk));
        auto& attached = disks.back();
        SLIPWAY_TRY(auto node, make_disk_node(image::disk_name(index, "vd"), attached.device()));
        disk_nodes.push_back({attached.disk(), node});
        for (const auto& volume : attached.volumes()) {
            SLIPWAY_TRY(auto usable, mountable(attached, index, volume));
            volumes.push_back(std::move(usable));
        }
    }
    return open_containers(*this, arguments);
}

Status OpenedRoot::check_filesystems() {
    if (!writable || std::exchange(checked, true))
        return {};
    std::set<std::string> mounted;
    if (tree) {
        for (const auto& [path, volume] : tree->mountpoints())
            mounted.insert(volume);
        // That it cannot be written is why we are here.
        [[maybe_unused]] auto unmounted = tree->unmount();
    }
    tree.reset();
    inventory.reset();
    for (const auto& each : volumes) {
        bool wanted =
            mounted.empty() ? each.volume.kind != "snapshot" : mounted.contains(each.volume.name);
        if (!wanted || each.node.empty())
            continue;
        auto came_to = mount::check_filesystem(each.node, each.volume.type);
        if (came_to ? !came_to->corrected : came_to.error().code == Code::Unsupported)
            continue;
        found_by_checks.push_back(
            {.id = came_to ? "filesystem-repaired" : "filesystem-damaged",
             .severity = report::Severity::Warning,
             .where = each.volume.name,
             .text = replace_all(
                 fmt::format("{} {}. {}", each.volume.name,
                             came_to ? "was damaged, and has been repaired" : "is damaged",
                             came_to ? came_to->words : came_to.error().what),
                 each.node, each.volume.name),
             .remedy = "copy the image again from its origin, or check the filesystem in the "
                       "guest"});
    }
    return {};
}

report::Inventory OpenedRoot::survey() const {
    report::Inventory found;
    for (const auto& each : disk_nodes)
        found.disks.push_back(each.disk);
    for (const auto& each : volumes)
        found.volumes.push_back(each.volume);
    for (const auto* findings : {&found_in_given, &found_while_opening, &found_by_checks})
        add_new(found.findings, *findings);
    if (stack)
        add_new(found.findings, stack->findings());
    return found;
}

Status OpenedRoot::need_root(const RootChoice& choice) {
    if (tree && (!choice.writable || writable_tree))
        return {};
    if (choice.writable && !writable)
        return fail(Code::Internal, "the disks were opened read-only");
    auto target = workspace + "/root";
    if (tree) {
        auto name = tree->root_name();
        SLIPWAY_CHECK(tree->unmount());
        tree.reset();
        inventory.reset();
        return mount_tree(name, {}, choice.writable);
    }
    auto searched = guest::find_systems(volumes, target, {.root = choice.name});
    if (!searched)
        return fail(nothing_found(std::move(searched).error()));
    auto& search = *searched;
    found_while_opening = search.findings;
    if (stack)
        add_new(found_while_opening, stack->findings());
    auto picked = guest::pick_system(search);
    if (picked)
        return mount_tree(picked->root, std::move(search.mounted), choice.writable);
    search.mounted.reset();
    bool is_blank = std::all_of(volumes.begin(), volumes.end(),
                                [](const auto& volume) { return volume.volume.type.empty(); });
    if (is_blank && picked.error().code == Code::NotFound)
        return fail(Code::NotFound,
                    "no operating system was found in the image: no filesystem in it is known",
                    "unpack an archive (OVA, tar, gzip) first; disks with sectors of 4096 bytes "
                    "cannot be opened");
    if (choice.need_system && choice.name.empty())
        return fail(nothing_found(std::move(picked).error()));
    auto name = choice.name;
    if (name.empty()) {
        for (const auto& volume : volumes)
            if (mount::is_mountable_type(volume.volume.type)) {
                if (!name.empty())
                    return fail(std::move(picked).error());
                name = volume.volume.name;
            }
        if (name.empty())
            return fail(nothing_found(std::move(picked).error()));
    }
    return mount_tree(name, {}, choice.writable);
}

Status OpenedRoot::mount_tree(const std::string& name, std::optional<mount::MountedVolume> mounted,
                              bool for_writing) {
    SLIPWAY_TRY(auto made, mount::MountTree::mount(
                               volumes, {.root = name, .writable = for_writing, .dropped = dropped},
                               workspace + "/root", std::move(mounted)));
    tree.emplace(std::move(made));
    writable_tree = for_writing;
    return {};
}

Status OpenedRoot::need_inventory(const RootChoice& choice) {
    SLIPWAY_CHECK(need_root(choice));
    return inventory ? Status{} : look_again();
}

Status OpenedRoot::look_again() {
    auto guest = guest::opened_guest(*tree, disk_nodes, volumes);
    for (const auto* found : {&found_in_given, &found_while_opening, &found_by_checks})
        guest.findings.insert(guest.findings.end(), found->begin(), found->end());
    SLIPWAY_TRY(auto made, guest::inspect(guest));
    inventory = std::move(made);
    return {};
}

Result<enter::Root*> OpenedRoot::need_chroot() {
    if (chroot)
        return chroot.get();
    if (!inventory)
        SLIPWAY_CHECK(look_again());
    // Guest commands inherit it: empty, and unknown to the host's.
    if (::unshare(CLONE_NEWNET) != 0)
        return fail_errno("making a network namespace");
    enter::RootSpec spec{.directory = tree->target(),
                         .uefi = inventory->firmware == "uefi",
                         .hostname = inventory->os.hostname,
                         .kernel_cmdline = guest_command_line(*inventory),
                         .host_network = host_network};
    std::map<std::string, dev_t> numbers;
    for (unsigned index = 0; index < disks.size(); ++index) {
        auto& disk = disks[index];
        auto name = image::disk_name(index, "vd");
        spec.disks.push_back({.name = name, .device = disk.device(), .size = disk.disk().size});
        for (const auto& volume : disk.volumes()) {
            SLIPWAY_TRY(auto device, disk.device_of(volume));
            numbers[volume.name] = device;
            spec.partitions.push_back({.name = node_name(index, volume),
                                       .disk = name,
                                       .number = volume.partition,
                                       .device = device,
                                       .start = volume.start,
                                       .size = volume.size,
                                       .uuid = volume.uuid,
                                       .label = volume.label,
                                       .partuuid = volume.partuuid,
                                       .partlabel = volume.partlabel,
                                       .fstype = volume.type});
        }
    }
    if (stack)
        spec.mapped = mapped_for_guest(*this, std::move(numbers));
    SLIPWAY_TRY(auto prepared, enter::Root::prepare(std::move(spec), host));
    chroot = std::make_unique<enter::Root>(std::move(prepared));
    return chroot.get();
}

Status OpenedRoot::close() {
    Status first;
    auto note = [&first](Status status) {
        if (first && !status)
            first = std::move(status);
    };
    chroot.reset();
    if (tree)
        note(tree->unmount());
    tree.reset();
    mount::forget_btrfs_devices(volumes);
    if (stack)
        note(stack->close());
    stack.reset();
    for (auto disk = disks.rbegin(); disk != disks.rend(); ++disk)
        note(disk->detach());
    disks.clear();
    if (given)
        note(given->close());
    given.reset();
    return first;
}

} // namespace slipway::work
