// SPDX-License-Identifier: Apache-2.0
// Calls on LVM.
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

Result<Strings> lvs(Machine& machine) {
    return lvm_volumes(machine);
}

struct Field {
    const char* name;
    enum Kind { Text, Number, Percent, Uuid } kind;
};
constexpr Field pv_fields[] = {
    {"pv_name", Field::Text},        {"pv_uuid", Field::Uuid},
    {"pv_fmt", Field::Text},         {"pv_size", Field::Number},
    {"dev_size", Field::Number},     {"pv_free", Field::Number},
    {"pv_used", Field::Number},      {"pv_attr", Field::Text},
    {"pv_pe_count", Field::Number},  {"pv_pe_alloc_count", Field::Number},
    {"pv_tags", Field::Text},        {"pe_start", Field::Number},
    {"pv_mda_count", Field::Number}, {"pv_mda_free", Field::Number}};
constexpr Field vg_fields[] = {{"vg_name", Field::Text},
                               {"vg_uuid", Field::Uuid},
                               {"vg_fmt", Field::Text},
                               {"vg_attr", Field::Text},
                               {"vg_size", Field::Number},
                               {"vg_free", Field::Number},
                               {"vg_sysid", Field::Text},
                               {"vg_extent_size", Field::Number},
                               {"vg_extent_count", Field::Number},
                               {"vg_free_count", Field::Number},
                               {"max_lv", Field::Number},
                               {"max_pv", Field::Number},
                               {"pv_count", Field::Number},
                               {"lv_count", Field::Number},
                               {"snap_count", Field::Number},
                               {"vg_seqno", Field::Number},
                               {"vg_tags", Field::Text},
                               {"vg_mda_count", Field::Number},
                               {"vg_mda_free", Field::Number}};
constexpr Field lv_fields[] = {
    {"lv_name", Field::Text},           {"lv_uuid", Field::Uuid},
    {"lv_attr", Field::Text},           {"lv_major", Field::Number},
    {"lv_minor", Field::Number},        {"lv_kernel_major", Field::Number},
    {"lv_kernel_minor", Field::Number}, {"lv_size", Field::Number},
    {"seg_count", Field::Number},       {"origin", Field::Text},
    {"snap_percent", Field::Percent},   {"copy_percent", Field::Percent},
    {"move_pv", Field::Text},           {"lv_tags", Field::Text},
    {"mirror_log", Field::Text},        {"modules", Field::Text}};

Json value_of(const Field& field, const std::string& text) {
    switch (field.kind) {
    case Field::Text:
        return text;
    case Field::Uuid: // without its hyphens
        return replace_all(text, "-", "");
    case Field::Number:
        return text.empty() ? Json(-1) : Json(static_cast<std::int64_t>(std::stoll(text)));
    case Field::Percent:
        return text.empty() ? Json() : Json(std::stod(text));
    }
    return {};
}

Result<Json> records(Machine& machine, const std::string& command, std::string_view row_name,
                     std::span<const Field> fields) {
    Strings names;
    for (const auto& field : fields)
        names.emplace_back(field.name);
    SLIPWAY_TRY(auto text, run_lvm(machine, command,
                                   {"--unbuffered", "--nosuffix", "--units", "b", "--reportformat",
                                    "json", "-o", join(names, ",")}));
    auto all = Json::array();
    if (text.empty())
        return all;
    SLIPWAY_TRY(auto json, parse_json(text, "lvm's report"));
    for (const auto& report : json_at(json, "report"))
        for (const auto& row : json_at(report, row_name)) {
            auto record = Json::object();
            for (const auto& field : fields)
                record[field.name] = value_of(field, json_get<std::string>(row, field.name));
            all.push_back(std::move(record));
        }
    return all;
}
Result<Json> pvs_full(Machine& machine) {
    return records(machine, "pvs", "pv", pv_fields);
}
Result<Json> vgs_full(Machine& machine) {
    return records(machine, "vgs", "vg", vg_fields);
}
Result<Json> lvs_full(Machine& machine) {
    return records(machine, "lvs", "lv", lv_fields);
}

Status pvcreate(Machine& machine, const Device& device) {
    return lvm_step(machine, "pvcreate", {"--yes", "--force", device.name});
}
Status pvremove(Machine& machine, const Device& device) {
    return lvm_step(machine, "pvremove", {"--force", device.name});
}
Status pvresize(Machine& machine, const Device& device) {
    return lvm_step(machine, "pvresize", {device.name});
}
Status pvresize_size(Machine& machine, const Device& device, std::int64_t size) {
    if (size <= 0)
        return fail(Code::InvalidArgument, "a size is zero or negative");
    return lvm_step(machine, "pvresize",
                    {"--yes", "--setphysicalvolumesize", fmt::format("{}b", size), device.name});
}
Result<std::string> pvuuid(Machine& machine, const Device& device) {
    return lvm_value(machine, "pvs", {"-o", "pv_uuid", device.name});
}
Status pvchange_uuid(Machine& machine, const Device& device) {
    return lvm_step(machine, "pvchange", {"-u", device.name});
}
Status pvchange_uuid_all(Machine& machine) {
    return lvm_step(machine, "pvchange", {"-u", "-a"});
}

Status vgcreate(Machine& machine, const std::string& group, const std::vector<Device>& devices) {
    SLIPWAY_CHECK(check_group_name(group));
    if (!machine.own_kernel && ::access(("/dev/" + group).c_str(), F_OK) == 0)
        return fail(Code::Exists, fmt::format("there is something named {} already", group));
    Strings words{group};
    for (const auto& device : devices)
        words.push_back(device.name);
    return lvm_step(machine, "vgcreate", std::move(words));
}
Status vgremove(Machine& machine, const std::string& group) {
    SLIPWAY_CHECK(check_group_name(group));
    SLIPWAY_CHECK(lvm_step(machine, "vgremove", {"--force", group}));
    ::rmdir(("/dev/" + group).c_str());
    return {};
}
Status vgrename(Machine& machine, const std::string& group, const std::string& name) {
    SLIPWAY_CHECK(check_group_name(group));
    SLIPWAY_CHECK(check_group_name(name));
    SLIPWAY_CHECK(lvm_step(machine, "vgrename", {group, name}));
    ::rmdir(("/dev/" + group).c_str());
    return {};
}
Result<std::string> vguuid(Machine& machine, const std::string& group) {
    SLIPWAY_CHECK(check_group_name(group));
    return lvm_value(machine, "vgs", {"-o", "vg_uuid", group});
}
Result<Strings> vgpvuuids(Machine& machine, const std::string& group) {
    SLIPWAY_CHECK(check_group_name(group));
    return lvm_column(machine, "vgs", {"-o", "pv_uuid", group});
}
Result<Strings> vglvuuids(Machine& machine, const std::string& group) {
    SLIPWAY_CHECK(check_group_name(group));
    return lvm_column(machine, "vgs", {"-o", "lv_uuid", group});
}
Status vgchange_uuid(Machine& machine, const std::string& group) {
    SLIPWAY_CHECK(check_group_name(group));
    return lvm_step(machine, "vgchange", {"-u", group});
}
Status vgchange_uuid_all(Machine& machine) {
    return lvm_step(machine, "vgchange", {"-u"});
}

Status vgmeta(Machine& machine, const std::string& group, const Output& output) {
    SLIPWAY_CHECK(check_group_name(group));
    auto path = machine.workspace + "/scratch/vgmeta";
    auto done = lvm_step(machine, "vgcfgbackup", {"-f", path, group});
    auto text = sys::read_file(path, 64 << 20);
    ::unlink(path.c_str());
    SLIPWAY_CHECK(std::move(done));
    if (!text)
        return fail(std::move(text).error());
    return output.send(*text);
}

Status vg_activate(Machine& machine, bool activate, const Strings& groups) {
    Strings words{"-a", activate ? "y" : "n"};
    for (const auto& group : groups) {
        SLIPWAY_CHECK(check_group_name(group));
        words.push_back(group);
    }
    return lvm_step(machine, "vgchange", std::move(words));
}
Status vg_activate_all(Machine& machine, bool activate) {
    return vg_activate(machine, activate, {});
}

Status vgscan(Machine& machine) {
    return lvm_step(machine, "vgscan", {});
}
Status lvm_scan(Machine& machine, bool activate) {
    SLIPWAY_CHECK(lvm_step(machine, "pvscan", {}));
    return activate ? vg_activate_all(machine, true) : Status{};
}

// What is active is left by a filter that hides it: so nothing is.
Status change_filter(Machine& machine, std::optional<Strings> filter) {
    SLIPWAY_CHECK(vg_activate_all(machine, false));
    machine.containers.lvm_filter = std::move(filter);
    return vg_activate_all(machine, true);
}
Status lvm_set_filter(Machine& machine, const std::vector<Device>& devices) {
    Strings nodes;
    for (const auto& device : devices) {
        nodes.push_back(device.name);
        if (auto* disk = machine.disk_of(device);
            disk != nullptr && device.name == "/dev/" + disk->disk().name)
            for (auto& partition : partitions_of(*disk))
                nodes.push_back(std::move(partition.name));
    }
    return change_filter(machine, std::move(nodes));
}
Status lvm_clear_filter(Machine& machine) {
    return change_filter(machine, std::nullopt);
}

} // namespace

Result<std::vector<std::string>> pvs(Machine& machine) {
    SLIPWAY_TRY(auto found, lvm_sorted_column(machine, "pvs", {"-o", "pv_name"}));
    std::erase_if(found,
                  [](const auto& name) { return !name.starts_with("/dev/"); }); // missing ones
    return found;
}
Result<std::vector<std::string>> vgs(Machine& machine) {
    return lvm_sorted_column(machine, "vgs", {"-o", "vg_name"});
}

// Names are arguments of lvm: none may be taken for an option, or for several.
Status check_lvm_name(const std::string& name, std::string_view what) {
    bool good = !name.empty() && name.front() != '-' && name.size() < 128 &&
                std::all_of(name.begin(), name.end(), [](unsigned char c) {
                    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '+';
                });
    return good ? Status{}
                : fail(Code::InvalidArgument,
                       fmt::format("'{}' is no name of a {}", printable(name), what));
}
Status check_group_name(const std::string& name) {
    return check_lvm_name(name, "volume group");
}

// A name, "group/volume" or "/dev/group/volume".
Result<std::string> volume_name(const std::string& text) {
    auto name = text.starts_with("/dev/") ? text.substr(5) : text;
    auto slash = name.find('/');
    SLIPWAY_CHECK(check_lvm_name(name.substr(0, slash), "volume"));
    if (slash != std::string::npos)
        SLIPWAY_CHECK(check_lvm_name(name.substr(slash + 1), "volume"));
    return name;
}

Status lvm_step(Machine& machine, const std::string& command, Strings arguments) {
    SLIPWAY_TRY([[maybe_unused]] auto done, run_lvm(machine, command, std::move(arguments)));
    return {};
}

// The values of one column.
Result<Strings> lvm_column(Machine& machine, const std::string& command, Strings arguments) {
    arguments.insert(arguments.begin(), {"--unbuffered", "--noheadings"});
    SLIPWAY_TRY(auto text, run_lvm(machine, command, std::move(arguments)));
    Strings values;
    for (auto line : split_lines(text))
        if (auto value = trim(line); !value.empty())
            values.emplace_back(value);
    return values;
}

Result<Strings> lvm_sorted_column(Machine& machine, const std::string& command, Strings arguments) {
    SLIPWAY_TRY(auto values, lvm_column(machine, command, std::move(arguments)));
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

Result<std::string> lvm_value(Machine& machine, const std::string& command, Strings arguments) {
    SLIPWAY_TRY(auto values, lvm_column(machine, command, std::move(arguments)));
    if (values.size() != 1)
        return fail(Code::ToolFailed, fmt::format("lvm {} did not answer with one value", command));
    return values.front();
}

Calls lvm_calls() {
    static constexpr Call calls[] = {
        {"lvm_clear_filter", bind<lvm_clear_filter>},
        {"lvm_scan", bind<lvm_scan>},
        {"lvm_set_filter", bind<lvm_set_filter>},
        {"lvs", bind<lvs>},
        {"lvs_full", bind<lvs_full>},
        {"pvchange_uuid", bind<pvchange_uuid>},
        {"pvchange_uuid_all", bind<pvchange_uuid_all>},
        {"pvcreate", bind<pvcreate>},
        {"pvremove", bind<pvremove>},
        {"pvresize", bind<pvresize>},
        {"pvresize_size", bind<pvresize_size>},
        {"pvs", bind<pvs>},
        {"pvs_full", bind<pvs_full>},
        {"pvuuid", bind<pvuuid>},
        {"vg_activate", bind<vg_activate>},
        {"vg_activate_all", bind<vg_activate_all>},
        {"vgchange_activate_all", bind<vg_activate_all>},
        {"vgchange_uuid", bind<vgchange_uuid>},
        {"vgchange_uuid_all", bind<vgchange_uuid_all>},
        {"vgcreate", bind<vgcreate>},
        {"vglvuuids", bind<vglvuuids>},
        {"vgmeta", bind<vgmeta>},
        {"vgpvuuids", bind<vgpvuuids>},
        {"vgremove", bind<vgremove>},
        {"vgrename", bind<vgrename>},
        {"vgs", bind<vgs>},
        {"vgs_full", bind<vgs_full>},
        {"vgscan", bind<vgscan>},
        {"vguuid", bind<vguuid>},
    };
    return calls;
}

} // namespace slipway::calls
