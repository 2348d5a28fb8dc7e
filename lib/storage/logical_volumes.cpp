// SPDX-License-Identifier: Apache-2.0
// Activation of one group's logical volumes, and the way back.
#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/device_mapper.hpp"
#include "storage/groups.hpp"

namespace slipway::storage {
namespace {

constexpr auto sandbox = "--engine sandbox";

std::vector<MapperDevice> mapped_of(const std::string& group_uuid) {
    auto prefix = mapper_uuid(group_uuid, "");
    auto devices = mapped_devices();
    std::erase_if(devices, [&](const auto& each) { return !each.uuid.starts_with(prefix); });
    return devices;
}

// Names of mapped devices are the kernel's, not a namespace's: the host may have them.
Status check_free(const Group& group, const std::vector<LogicalVolume>& volumes) {
    for (const auto& device : mapped_devices()) {
        bool taken = device.uuid.starts_with(mapper_uuid(group.name.uuid, ""));
        for (const auto& volume : volumes)
            taken = taken || device.name == mapper_name(group.name.name, volume.name);
        if (taken)
            return fail(Code::Busy,
                        fmt::format("the LVM group {} cannot be opened: this host has an active "
                                    "volume of the same name ({})",
                                    group.name.name, device.name),
                        sandbox);
    }
    return {};
}

// What is told of a volume that is left alone, or nothing.
std::optional<Error> obstacle(const Group& group, const LogicalVolume& volume) {
    auto name = fmt::format("{}/{}", group_label(group.name), volume.name);
    if (volume.health == "partial" && volume.layout.find("raid") == std::string::npos)
        return Error{.code = Code::NotFound,
                     .what = fmt::format("{} has parts on missing physical volumes: {}", name,
                                         join(group.missing, ", ")),
                     .hint = "give the images of all its disks: --disk FILE for each further one"};
    auto kind = kind_that_writes(volume);
    if (!kind.empty() && !group.scope.read_only.empty())
        return Error{.code = Code::Unsupported,
                     .what = fmt::format("{} ({}) cannot be opened on a read-only disk: its "
                                         "metadata is written when it starts",
                                         name, kind),
                     .hint = "open the image with a writable overlay"};
    return std::nullopt;
}

// Twins would get the same names in the kernel. lvm finds its devices by UUID, so it does not mind.
Status rename_twins(const Group& group, const std::vector<LogicalVolume>& volumes) {
    auto links = fmt::format("/dev/{}", group.name.name);
    for (const auto& volume : volumes)
        ::unlink(fmt::format("{}/{}", links, volume.name).c_str());
    ::rmdir(links.c_str());
    for (const auto& device : mapped_of(group.name.uuid)) {
        auto name = fmt::format("slipway-{}-{}", group.name.uuid.substr(0, 6), device.name);
        SLIPWAY_CHECK(rename_mapping(device.name, name));
        (void)std::rename(fmt::format("/dev/mapper/{}", device.name).c_str(),
                          fmt::format("/dev/mapper/{}", name).c_str());
    }
    return {};
}

Status deactivate(const sys::Host& host, const Group& group) {
    auto spec = deactivate_spec(group.scope, group.name.name);
    auto done = run_lvm({.runner = host.runner}, spec);
    auto left = mapped_of(group.name.uuid);
    // What lvm does not manage, such as a group that lost a PV meanwhile: from the top down.
    for (bool removed = true; removed && !left.empty();) {
        removed = false;
        for (const auto& device : left)
            if (remove_mapping(device.name)) {
                ::unlink(fmt::format("/dev/mapper/{}", device.name).c_str());
                removed = true;
            }
        left = mapped_of(group.name.uuid);
    }
    if (left.empty())
        return {};
    if (!done)
        return fail(std::move(done).error());
    SLIPWAY_CHECK(sys::check_tool(spec, *done, "deactivating an LVM group"));
    return fail(Code::Busy, fmt::format("volumes of the LVM group {} are still in use",
                                        group_label(group.name)));
}

void refuse(Opening& opening, const Group& group, const LogicalVolume& volume, Error error) {
    opening.refuse({.volume = fmt::format("{}/{}", group_label(group.name), volume.name),
                    .type = volume.layout,
                    .uuid = volume.uuid,
                    .error = std::move(error)});
}

struct Choice {
    std::vector<LogicalVolume> plain;
    std::vector<LogicalVolume> wanted; ///< of lvm
    std::vector<std::string> names;    ///< for lvm
};

Choice choose(Opening& opening, const Group& group, const std::vector<LogicalVolume>& volumes) {
    Choice choice;
    for (const auto& volume : volumes) {
        if (is_internal(volume))
            continue;
        if (auto why = obstacle(group, volume)) {
            refuse(opening, group, volume, std::move(*why));
            continue;
        }
        if (is_plain(volume)) {
            choice.plain.push_back(volume);
            continue;
        }
        for (auto target : targets_of(volume))
            load_target(target);
        choice.wanted.push_back(volume);
        choice.names.push_back(fmt::format("{}/{}", group.name.name, volume.name));
    }
    return choice;
}

std::vector<std::string> names_below(const Opening& opening, const Group& group) {
    std::vector<std::string> below;
    for (auto index : group.members)
        below.push_back(opening.devices[index].volume.name);
    return below;
}

Result<LinearMap> map_of(const Opening& opening, const Group& group, const LogicalVolume& volume,
                         const std::vector<VolumeSegment>& segments) {
    LinearMap map{.name = Opening::fresh_mapping(),
                  .extents = {},
                  .read_only = !group.scope.read_only.empty()};
    std::uint64_t end = 0;
    for (const auto& segment : segments) {
        if (segment.volume_uuid != volume.uuid)
            continue;
        auto member = std::find_if(group.members.begin(), group.members.end(), [&](auto index) {
            return opening.devices[index].node == segment.node;
        });
        if (member == group.members.end() || segment.start_in_volume != end)
            return fail(Code::Corrupt, fmt::format("the LVM volume {} is not in one piece, or not "
                                                   "on the disks that were given",
                                                   volume.name));
        map.extents.push_back(
            {opening.devices[*member].number, segment.start_on_node, segment.size});
        end += segment.size;
    }
    return map;
}

// Without lvm: a name in the kernel is the host's too, which may have a group of the same name or
// be where the image was copied from, and udev would look into what lvm activates.
Status map_plain(Opening& opening, const Group& group, const std::vector<LogicalVolume>& volumes) {
    if (volumes.empty())
        return {};
    auto list = list_segments_spec(group.scope);
    SLIPWAY_TRY(auto listed, run_lvm(opening.host(), list));
    SLIPWAY_CHECK(
        sys::check_tool(list, listed, fmt::format("reading the LVM group {}", group.name.name)));
    SLIPWAY_TRY(auto segments, parse_segments(listed.out));
    for (const auto& volume : volumes) {
        auto name = fmt::format("{}/{}", group_label(group.name), volume.name);
        auto map = map_of(opening, group, volume, segments);
        auto mapped = map ? opening.add_mapping(name, *map)
                          : Result<Opening::Mapped>(fail(std::move(map).error()));
        auto added = mapped ? opening.add({.name = name,
                                           .kind = "lvm",
                                           .stands_on = names_below(opening, group),
                                           .node = mapped->node,
                                           .number = mapped->number})
                            : Status(fail(std::move(mapped).error()));
        if (!added)
            refuse(opening, group, volume, std::move(added).error());
    }
    return {};
}

// Those that the kernel has now; the tool's status says nothing of a single one.
void collect(Opening& opening, const Group& group, const Choice& choice, const Error& otherwise) {
    auto below = names_below(opening, group);
    auto layer = opening.layers.size() - 1; // partitions inside add layers of their own
    auto mapped = mapped_of(group.name.uuid);
    for (const auto& volume : choice.wanted) {
        auto name = fmt::format("{}/{}", group_label(group.name), volume.name);
        auto uuid = mapper_uuid(group.name.uuid, volume.uuid);
        auto found = std::find_if(mapped.begin(), mapped.end(),
                                  [&](const auto& each) { return each.uuid == uuid; });
        Status added = found == mapped.end() ? Status(fail(otherwise)) : Status{};
        if (added) {
            auto node = fmt::format("/dev/mapper/{}", found->name);
            opening.layers[layer].nodes.push_back(node);
            added = opening.add({.name = name,
                                 .kind = is_snapshot(volume) ? "snapshot" : "lvm",
                                 .stands_on = below,
                                 .node = node,
                                 .number = found->number});
        }
        if (!added)
            refuse(opening, group, volume, std::move(added).error());
    }
}

Status activate_by_lvm(Opening& opening, const Group& group, const Choice& choice,
                       const std::vector<LogicalVolume>& volumes) {
    SLIPWAY_CHECK(check_free(group, volumes));
    // Before lvm runs: what it activates before it fails is to be closed too.
    opening.layers.push_back(
        {.name = group_label(group.name),
         .close = [host = opening.host(), group] { return deactivate(host, group); }});
    auto spec = activate_spec(group.scope, choice.names);
    SLIPWAY_TRY(auto captured, run_lvm(opening.host(), spec));
    auto status = sys::check_tool(spec, captured,
                                  fmt::format("activating the LVM group {}", group.name.name));
    if (group.name.twin)
        SLIPWAY_CHECK(rename_twins(group, choice.wanted));
    Error otherwise{.code = Code::ToolFailed, .what = "lvm did not activate it"};
    if (!status)
        otherwise = std::move(status).error();
    collect(opening, group, choice, otherwise);
    return {};
}

} // namespace

Result<std::size_t> activate(Opening& opening, const Group& group) {
    auto list = list_lvs_spec(group.scope);
    SLIPWAY_TRY(auto listed, run_lvm(opening.host(), list));
    SLIPWAY_CHECK(
        sys::check_tool(list, listed, fmt::format("reading the LVM group {}", group.name.name)));
    SLIPWAY_TRY(auto volumes, parse_lvs(listed.out));
    auto choice = choose(opening, group, volumes);
    auto before = opening.devices.size();
    SLIPWAY_CHECK(map_plain(opening, group, choice.plain));
    if (choice.names.empty())
        return opening.devices.size() - before;
    auto activated = activate_by_lvm(opening, group, choice, volumes);
    if (!activated && activated.error().code == Code::Cancelled)
        return fail(std::move(activated).error());
    if (!activated)
        for (const auto& volume : choice.wanted)
            refuse(opening, group, volume, activated.error());
    return opening.devices.size() - before;
}

} // namespace slipway::storage
