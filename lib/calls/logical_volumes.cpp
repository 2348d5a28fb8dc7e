// SPDX-License-Identifier: Apache-2.0
// Calls on logical volumes.
#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/lvm_tool.hpp"
#include "calls/volumes.hpp"
#include "storage/device_mapper.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

Status create(Machine& machine, const std::string& volume, const std::string& group, Strings size) {
    SLIPWAY_CHECK(check_lvm_name(volume, "logical volume"));
    SLIPWAY_CHECK(check_group_name(group));
    size.insert(size.begin(), "--yes");
    size.insert(size.end(), {"-n", volume, group});
    return lvm_step(machine, "lvcreate", std::move(size));
}
Result<std::string> percent_of(std::int64_t percent) {
    if (percent < 0 || percent > 100)
        return fail(Code::InvalidArgument, fmt::format("{} is no percentage", percent));
    return fmt::format("{}%FREE", percent);
}
Status lvcreate(Machine& machine, const std::string& volume, const std::string& group,
                std::int64_t mebibytes) {
    if (mebibytes <= 0)
        return fail(Code::InvalidArgument, "a size is zero or negative");
    return create(machine, volume, group, {"-L", std::to_string(mebibytes)});
}
Status lvcreate_free(Machine& machine, const std::string& volume, const std::string& group,
                     std::int64_t percent) {
    SLIPWAY_TRY(auto size, percent_of(percent));
    return create(machine, volume, group, {"-l", size});
}
Status lvresize(Machine& machine, const Device& device, std::int64_t mebibytes) {
    if (mebibytes <= 0)
        return fail(Code::InvalidArgument, "a size is zero or negative");
    return lvm_step(machine, "lvresize", {"--force", "-L", std::to_string(mebibytes), device.name});
}
Status lvresize_free(Machine& machine, const Device& device, std::int64_t percent) {
    SLIPWAY_TRY(auto size, percent_of(percent));
    return lvm_step(machine, "lvresize", {"-l", "+" + size, device.name});
}
// Also a group, of which all goes.
Status lvremove(Machine& machine, const std::string& device) {
    SLIPWAY_TRY(auto name, volume_name(device));
    if (::access(("/dev/" + name).c_str(), F_OK) != 0)
        return fail_errno(device);
    SLIPWAY_CHECK(lvm_step(machine, "lvremove", {"--force", name}));
    ::rmdir(std::string(dirname_of("/dev/" + name)).c_str());
    return {};
}
Status lvrename(Machine& machine, const std::string& from, const std::string& to) {
    SLIPWAY_TRY(auto old_name, volume_name(from));
    SLIPWAY_TRY(auto new_name, volume_name(to));
    return lvm_step(machine, "lvrename", {old_name, new_name});
}
Result<std::string> lvuuid(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto name, volume_name(device.name));
    return lvm_value(machine, "lvs", {"-o", "lv_uuid", name});
}

Status lvm_remove_all(Machine& machine) {
    SLIPWAY_TRY(auto groups, vgs(machine));
    if (!groups.empty()) {
        Strings words{"--force"};
        words.insert(words.end(), groups.begin(), groups.end());
        SLIPWAY_CHECK(lvm_step(machine, "vgremove", std::move(words)));
    }
    for (const auto& group : groups)
        ::rmdir(("/dev/" + group).c_str());
    SLIPWAY_TRY(auto members, pvs(machine));
    return members.empty() ? Status{} : lvm_step(machine, "pvremove", std::move(members));
}

const LogicalVolumeNode* find_volume(const std::vector<LogicalVolumeNode>& volumes,
                                     const std::string& name) {
    struct stat wanted {
    }, known{};
    if (::stat(name.c_str(), &wanted) != 0)
        return nullptr;
    for (const auto& each : volumes)
        if (::stat(each.device.name.c_str(), &known) == 0 && known.st_rdev == wanted.st_rdev)
            return &each;
    return nullptr;
}

Result<bool> is_lv(Machine& machine, const Mountable& mountable) {
    return find_volume(logical_volumes(machine), mountable.device.name) != nullptr;
}

Result<std::string> lvm_canonical_lv_name(Machine& machine, const std::string& name) {
    SLIPWAY_TRY(auto device, machine.find_device(name));
    auto volumes = logical_volumes(machine);
    const auto* found = find_volume(volumes, device.name);
    if (found == nullptr)
        return fail(os_error(fmt::format("{} is no logical volume", device.name), EINVAL));
    return found->device.name;
}

Result<Strings> list_dm_devices(Machine& machine) {
    Strings names;
    for (const auto& device : mapped_devices(machine))
        names.push_back(device.name);
    return names;
}

} // namespace

Calls logical_volume_calls() {
    static constexpr Call calls[] = {
        {"is_lv", bind<is_lv>},
        {"list_dm_devices", bind<list_dm_devices>},
        {"lvcreate", bind<lvcreate>},
        {"lvcreate_free", bind<lvcreate_free>},
        {"lvm_canonical_lv_name", bind<lvm_canonical_lv_name>},
        {"lvm_remove_all", bind<lvm_remove_all>},
        {"lvremove", bind<lvremove>},
        {"lvrename", bind<lvrename>},
        {"lvresize", bind<lvresize>},
        {"lvresize_free", bind<lvresize_free>},
        {"lvuuid", bind<lvuuid>},
    };
    return calls;
}

} // namespace slipway::calls
