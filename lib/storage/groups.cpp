// SPDX-License-Identifier: Apache-2.0
#include "storage/groups.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/device_mapper.hpp"

namespace slipway::storage {
namespace {

constexpr auto member_type = "LVM2_member";

// Nothing is to be seen of groups whose PVs a host's lvm has as well: it looks at our nodes only.
Result<std::vector<PhysicalVolume>> list_members(const Opening& opening,
                                                 const std::vector<std::size_t>& members) {
    LvmScope scope{.lock_dir = opening.scratch()};
    for (auto index : members)
        scope.nodes.push_back(opening.devices[index].node);
    auto spec = list_pvs_spec(scope);
    SLIPWAY_TRY(auto captured, run_lvm(opening.host(), spec));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, "reading the LVM groups of the image"));
    return parse_pvs(captured.out);
}

std::vector<Group> groups_of(Opening& opening, const std::vector<std::size_t>& members,
                             const std::vector<PhysicalVolume>& listed) {
    std::map<std::string, Group> groups;
    for (const auto& pv : listed) {
        if (pv.group_uuid.empty())
            continue;
        auto& group = groups[pv.group_uuid];
        group.name = {.name = pv.group, .uuid = pv.group_uuid};
        group.system_id = pv.system_id;
        auto found = std::find_if(members.begin(), members.end(), [&](auto index) {
            return opening.devices[index].node == pv.node;
        });
        if (found != members.end())
            group.members.push_back(*found);
        else
            group.missing.push_back(pv.uuid);
    }
    std::vector<Group> all;
    for (const auto& entry : groups) {
        auto group = entry.second;
        group.name.twin = opening.names_in_use.contains("lvm:" + group.name.name) ||
                          std::count_if(groups.begin(), groups.end(), [&](const auto& each) {
                              return each.second.name.name == group.name.name;
                          }) > 1;
        group.scope.lock_dir = opening.scratch();
        if (!group.system_id.empty())
            group.scope.system_ids = {group.system_id};
        for (auto index : group.members) {
            group.scope.nodes.push_back(opening.devices[index].node);
            if (opening.devices[index].read_only)
                group.scope.read_only = {group.name.name};
        }
        all.push_back(std::move(group));
    }
    return all;
}

void tell(Opening& opening, const Group& group) {
    auto label = group_label(group.name);
    if (!group.missing.empty())
        opening.findings.push_back(
            {.id = "lvm-incomplete",
             .severity = report::Severity::Error,
             .where = label,
             .text = fmt::format("the LVM group lacks {} of its physical volumes: {}",
                                 group.missing.size(), join(group.missing, ", ")),
             .remedy = "give the images of all its disks: --disk FILE for each further one"});
    if (group.name.twin)
        opening.findings.push_back(
            {.id = "lvm-duplicate-name",
             .severity = report::Severity::Warning,
             .where = label,
             .text = fmt::format("the image has another LVM group named {}; this one, {}, is "
                                 "called {} here",
                                 group.name.name, group.name.uuid, label),
             .remedy = fmt::format("vgrename {} NAME in the guest", group.name.uuid)});
}

Error lvm_missing() {
    return {.code = Code::Unsupported,
            .what = "no LVM here: lvm is missing",
            .hint = "apt install lvm2"};
}

Error second_copy(const std::string& volume, const Group& group) {
    return {.code = Code::Exists,
            .what = fmt::format("{} holds a physical volume of the LVM group {}, which is open "
                                "already without it",
                                volume, group_label(group.name)),
            .hint = "open the image without the disk that is a copy of another one"};
}

} // namespace

Result<sys::Captured> run_lvm(const sys::Host& host, const sys::ProcessSpec& spec) {
    constexpr std::chrono::minutes deadline{2};
    auto captured = sys::run(*host.runner, spec,
                             {.deadline = deadline, .max_output = 8 << 20, .cancel = host.cancel});
    if (!captured && captured.error().code == Code::NotFound)
        return fail(lvm_missing());
    return captured;
}

Result<bool> open_groups(Opening& opening, Completeness completeness) {
    auto members = opening.waiting(member_type);
    if (members.empty())
        return false;
    auto ready = need_device_mapper("LVM");
    auto listed = ready ? list_members(opening, members)
                        : Result<std::vector<PhysicalVolume>>(fail(std::move(ready).error()));
    if (!listed) {
        if (listed.error().code == Code::Cancelled)
            return fail(std::move(listed).error());
        for (auto index : members)
            opening.refuse(index, listed.error());
        return false;
    }
    bool found = false;
    for (const auto& group : groups_of(opening, members, *listed)) {
        if (completeness == Completeness::Whole && !group.missing.empty())
            continue;
        if (opening.names_in_use.contains("lvm:" + group.name.uuid)) {
            for (auto index : group.members)
                opening.refuse(index, second_copy(opening.devices[index].volume.name, group));
            continue;
        }
        tell(opening, group);
        auto activated = activate(opening, group);
        if (!activated && activated.error().code == Code::Cancelled)
            return fail(std::move(activated).error());
        opening.names_in_use.insert("lvm:" + group.name.name);
        opening.names_in_use.insert("lvm:" + group.name.uuid);
        for (auto index : group.members)
            opening.done_with(index);
        if (!activated)
            opening.refuse({.volume = group_label(group.name),
                            .type = member_type,
                            .uuid = group.name.uuid,
                            .error = std::move(activated).error()});
        else
            found = found || *activated > 0;
    }
    return found;
}

} // namespace slipway::storage
