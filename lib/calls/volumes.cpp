// SPDX-License-Identifier: Apache-2.0
#include "calls/volumes.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fcntl.h>
#include <linux/major.h>
#include <linux/raid/md_u.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/devices.hpp"
#include "mount/ladder.hpp"
#include "storage/device_mapper.hpp"
#include "storage/names.hpp"
#include "work/surroundings.hpp"

namespace slipway::calls {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

constexpr std::string_view lvm_mark = "LVM-";
constexpr std::string_view lvm_member = "LVM2_member", array_member = "linux_raid_member";

bool is_node(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
}

// "a--b-c" is the volume c of the group a-b (storage::mapper_name).
std::string name_of_mapping(std::string_view mapping) {
    std::string name = "/dev/";
    for (std::size_t i = 0; i < mapping.size(); ++i) {
        if (mapping[i] == '-' && i + 1 < mapping.size() && mapping[i + 1] == '-')
            name += mapping[i++];
        else
            name += mapping[i] == '-' ? '/' : mapping[i];
    }
    return name;
}

// Of this machine; a kernel that is not ours has the host's too.
std::vector<storage::MapperDevice> our_mappings(const Machine& machine) {
    auto all = storage::mapped_devices();
    if (!machine.own_kernel)
        std::erase_if(all, [&](const auto& each) {
            return !machine.containers.mappings.contains(each.name);
        });
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return all;
}

std::vector<Device> members_of_type(const Machine& machine, std::string_view type) {
    std::vector<Device> found;
    for (auto& device : all_devices(machine))
        if (auto probed = probe(device); probed && probed->volume.type == type)
            found.push_back(std::move(device));
    return found;
}

// Thin pools and such: lvm would ask modprobe(8), see load_target.
void load_targets(const Machine& machine) {
    auto spec = storage::list_lvs_spec(lvm_scope(machine));
    auto listed = machine.run_tool(spec);
    auto volumes = listed ? storage::parse_lvs(listed->out)
                          : Result<std::vector<storage::LogicalVolume>>(fail(listed.error()));
    if (!volumes)
        return;
    for (const auto& volume : *volumes)
        for (auto target : storage::targets_of(volume))
            storage::load_target(target);
}

void note_system_ids(Machine& machine) {
    auto listed = machine.run_tool(storage::list_pvs_spec(lvm_scope(machine)));
    auto members = listed ? storage::parse_pvs(listed->out)
                          : Result<std::vector<storage::PhysicalVolume>>(fail(listed.error()));
    if (!members)
        return;
    auto& known = machine.containers.system_ids;
    for (const auto& member : *members)
        if (!member.system_id.empty() &&
            std::find(known.begin(), known.end(), member.system_id) == known.end())
            known.push_back(member.system_id);
}

// What cannot be activated (a group that lacks a disk) is as it is on a plain machine: it stays.
Status activate_groups(Machine& machine) {
    if (members_of_type(machine, lvm_member).empty() || !storage::need_device_mapper("LVM"))
        return {};
    note_system_ids(machine);
    load_targets(machine);
    auto done = run_lvm(machine, "vgchange", {"-a", "y"});
    if (!done && done.error().code == Code::Cancelled)
        return fail(std::move(done).error());
    return {};
}

// Each by its UUID, under the next number that is free from 127 downwards, as mdadm numbers them.
Status assemble_arrays(Machine& machine) {
    auto members = members_of_type(machine, array_member);
    if (members.empty() || !machine.own_kernel || !storage::need_md("MD"))
        return {};
    Strings argv{"mdadm", "--assemble", "--scan", "--run", "--config=/dev/.slipway-mdadm.conf"};
    std::string config = "DEVICE";
    for (const auto& member : members)
        config += " " + member.name;
    config += "\nHOMEHOST <ignore>\nAUTO +all\n";
    SLIPWAY_CHECK(sys::write_file("/dev/.slipway-mdadm.conf", config));
    auto done = machine.run_tool({.argv = std::move(argv), .env = {"MDADM_NO_UDEV=1"}}, {0, 1, 2});
    ::unlink("/dev/.slipway-mdadm.conf");
    if (!done && done.error().code == Code::Cancelled)
        return fail(std::move(done).error());
    return make_array_nodes();
}

bool stop_array(const Device& array) {
    auto fd = sys::open_file(array.name, O_RDONLY);
    if (!fd || ::ioctl(fd->raw(), STOP_ARRAY, nullptr) != 0)
        return false;
    ::unlink(array.name.c_str());
    return true;
}

bool remove_ours(Machine& machine, const storage::MapperDevice& device) {
    if (!storage::remove_mapping(device.name))
        return false;
    ::unlink(fmt::format("/dev/mapper/{}", device.name).c_str());
    if (device.uuid.starts_with(lvm_mark))
        ::unlink(name_of_mapping(device.name).c_str());
    machine.containers.mappings.erase(device.name);
    return true;
}

} // namespace

std::vector<LogicalVolumeNode> logical_volumes(const Machine& machine) {
    std::vector<LogicalVolumeNode> found;
    for (const auto& each : our_mappings(machine)) {
        auto name = name_of_mapping(each.name);
        // lvm makes no name for the parts of a mirror or a pool.
        if (each.uuid.starts_with(lvm_mark) && is_node(name))
            found.push_back({{name}, each.name});
    }
    return found;
}

std::vector<Device> mapped_devices(const Machine& machine) {
    std::vector<Device> found;
    for (const auto& each : our_mappings(machine))
        if (auto name = "/dev/mapper/" + each.name;
            !each.uuid.starts_with(lvm_mark) && is_node(name))
            found.push_back({name});
    return found;
}

std::vector<Device> arrays(const Machine& machine, bool with_partitions) {
    std::vector<Device> found;
    if (!machine.own_kernel)
        return found;
    std::error_code ignored;
    Strings names;
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored))
        if (auto name = entry.path().filename().string();
            name.starts_with("md") && parse_number(name.substr(2)) &&
            fs::exists(entry.path() / "md") && is_node("/dev/" + name))
            names.push_back(name);
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
        found.push_back({"/dev/" + name});
        for (unsigned number = 1; with_partitions && number < 128; ++number)
            if (auto node = fmt::format("/dev/{}p{}", name, number); is_node(node))
                found.push_back({node});
    }
    return found;
}

Status make_array_nodes() {
    std::error_code ignored;
    auto make = [](const std::string& name, const std::string& in_sysfs) -> Status {
        auto number = storage::block_device_number(in_sysfs);
        auto node = number ? work::make_disk_node(name, *number) : Result<std::string>("");
        return node ? Status{} : fail(std::move(node).error());
    };
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored)) {
        auto name = entry.path().filename().string();
        if (!name.starts_with("md") || !fs::exists(entry.path() / "md"))
            continue;
        SLIPWAY_CHECK(make(name, name));
        for (const auto& below : fs::directory_iterator(entry.path(), ignored))
            if (auto part = below.path().filename().string(); part.starts_with(name + "p"))
                SLIPWAY_CHECK(make(part, name + "/" + part));
    }
    return {};
}

storage::LvmScope lvm_scope(const Machine& machine) {
    storage::LvmScope scope{.lock_dir = machine.workspace + "/scratch",
                            .system_ids = machine.containers.system_ids};
    if (machine.containers.lvm_filter) {
        scope.nodes = *machine.containers.lvm_filter;
        return scope;
    }
    auto add = [&scope](const std::vector<Device>& devices) {
        for (const auto& device : devices)
            scope.nodes.push_back(device.name);
    };
    add(whole_disks(machine));
    for (const auto& disk : machine.disks)
        add(partitions_of(disk));
    add(arrays(machine, true));
    add(mapped_devices(machine));
    return scope;
}

Status refuse_foreign_groups(Machine& machine) {
    if (machine.own_kernel)
        return {};
    auto spec = storage::lvm_spec(lvm_scope(machine), "lvs",
                                  {"--noheadings", "-o", "vg_name,lv_name,vg_uuid"});
    SLIPWAY_TRY(auto listed, machine.run_tool(spec));
    auto known = storage::mapped_devices();
    for (auto line : split_lines(listed.out)) {
        auto words = split_words(line);
        if (words.size() != 3)
            continue;
        auto mapping = storage::mapper_name(words[0], words[1]);
        auto uuid = storage::mapper_uuid(words[2], "");
        for (const auto& each : known)
            if ((each.name == mapping || each.uuid.starts_with(uuid)) &&
                !machine.containers.mappings.contains(each.name))
                return fail(Code::Busy,
                            fmt::format("this host has a device {} of its own, so the LVM group {} "
                                        "cannot be used here",
                                        each.name, words[0]),
                            "--engine sandbox");
    }
    return {};
}

Result<Strings> lvm_volumes(Machine& machine) {
    SLIPWAY_TRY(auto text,
                run_lvm(machine, "lvs",
                        {"--unbuffered", "--noheadings", "-o", "vg_name,lv_name", "--separator",
                         "/", "-S", "lv_role=public && lv_skip_activation!=yes"}));
    Strings names;
    for (auto line : split_lines(text))
        if (auto name = trim(line); !name.empty())
            names.push_back(fmt::format("/dev/{}", name));
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::string> run_lvm(Machine& machine, const std::string& command, Strings arguments) {
    if (auto ready = storage::need_device_mapper("LVM"); !ready) {
        bool report = command == "pvs" || command == "vgs" || command == "lvs";
        return report && members_of_type(machine, lvm_member).empty()
                   ? Result<std::string>(std::string{})
                   : fail(std::move(ready).error());
    }
    SLIPWAY_CHECK(refuse_foreign_groups(machine));
    std::set<std::string> before;
    for (const auto& each : storage::mapped_devices())
        before.insert(each.name);
    auto done =
        machine.run_tool(storage::lvm_spec(lvm_scope(machine), command, std::move(arguments)));
    for (const auto& each : storage::mapped_devices())
        if (!before.contains(each.name) && each.uuid.starts_with(lvm_mark))
            machine.containers.mappings.insert(each.name);
    if (!done && done.error().code == Code::NotFound)
        return fail(Code::Unsupported, "no LVM here: lvm is missing", "apt install lvm2");
    if (!done)
        return fail(std::move(done).error());
    return std::move(done->out);
}

Strings missing_in_kernel(const Machine& machine, bool make_new) {
    std::set<std::string> missing;
    bool wants_mapper = make_new, wants_arrays = make_new && !storage::need_md("MD");
    for (const auto& device : all_devices(machine)) {
        auto probed = probe(device);
        if (!probed)
            continue;
        const auto& type = probed->volume.type;
        auto container = mount::container_of_type(type);
        wants_arrays |= container == "MD";
        wants_mapper |= !container.empty() && container != "MD" && container != "ZFS";
        if (mount::is_mountable_type(type) && !mount::kernel_mounts(type))
            missing.insert(type);
    }
    if (wants_mapper && !storage::need_device_mapper("LVM"))
        missing.insert("device-mapper");
    if (wants_arrays && !machine.own_kernel) // they have no namespace: a host's udev may take them
        missing.insert("MD arrays of our own");
    return {missing.begin(), missing.end()};
}

Status open_containers(Machine& machine) {
    SLIPWAY_CHECK(assemble_arrays(machine));
    return activate_groups(machine);
}

Status close_containers(Machine& machine) {
    for (bool removed = true; removed;) {
        removed = false;
        for (const auto& each : our_mappings(machine))
            removed = remove_ours(machine, each) || removed;
        for (const auto& each : arrays(machine))
            removed = stop_array(each) || removed;
    }
    auto left = our_mappings(machine);
    if (!left.empty())
        return fail(Code::Busy, fmt::format("the device {} is still in use", left.front().name));
    if (auto running = arrays(machine); !running.empty())
        return fail(Code::Busy, fmt::format("the array {} is still in use", running.front().name));
    return {};
}

Status close_swaps(Machine& machine) {
    Status first;
    for (const auto& each : machine.swaps) {
        auto path = each.node.empty() ? sys::proc_path(each.file.raw()) : each.node;
        if (::swapoff(path.c_str()) != 0 && first)
            first = fail_errno(fmt::format("ending the use of {}", path));
    }
    machine.swaps.clear();
    return first;
}

} // namespace slipway::calls
