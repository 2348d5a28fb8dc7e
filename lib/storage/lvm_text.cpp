// SPDX-License-Identifier: Apache-2.0
#include "storage/lvm_text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace slipway::storage {
namespace {

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/';
}

// For lvm's regular expressions; our nodes hold no quote or bar.
std::string filter_of(const std::string& node) {
    std::string pattern;
    for (char c : node)
        pattern += is_word_character(c) || c == '-' || c == '_' ? std::string(1, c)
                                                                : fmt::format("[{}]", c);
    return fmt::format("\"a|^{}$|\",", pattern);
}

// A list of strings in lvm.conf(5), "" where it is empty: an empty list means something else there.
std::string list_of(std::string_view key, const std::vector<std::string>& values) {
    std::string items;
    for (const auto& value : values)
        items += fmt::format("{}\"{}\"", items.empty() ? "" : ",",
                             replace_all(replace_all(value, "\\", "\\\\"), "\"", "\\\""));
    return items.empty() ? "" : fmt::format(" {}=[{}]", key, items);
}

Result<Json> rows_of(std::string_view text, std::string_view what) {
    auto parsed = parse_json(text, "lvm's report");
    if (!parsed) // lvm stops in the middle of a line where it cannot go on
        return fail(Code::Corrupt, "lvm cannot read what the group says of itself",
                    "the group's metadata is damaged; vgcfgrestore in the guest, or copy the image "
                    "again");
    const auto& json = *parsed;
    auto all = Json::array();
    for (const auto& report : json_at(json, "report"))
        for (const auto& row : json_at(report, what))
            all.push_back(row);
    return all;
}

bool has_word(std::string_view words, std::string_view word) {
    auto all = split(words, ',');
    return std::find(all.begin(), all.end(), word) != all.end();
}

struct LayoutRow {
    std::string_view word; ///< of lv_layout
    bool writes;
    std::array<std::string_view, 2> targets;
};
constexpr LayoutRow layouts[] = {
    {"thin", true, {"thin-pool", "thin"}},    {"cache", true, {"cache", ""}},
    {"writecache", true, {"writecache", ""}}, {"vdo", true, {"vdo", ""}},
    {"integrity", true, {"integrity", ""}},   {"raid", true, {"raid", ""}},
    {"mirror", true, {"mirror", ""}}};

} // namespace

std::string lvm_config(const LvmScope& scope) {
    std::string filter;
    for (const auto& node : scope.nodes)
        filter += filter_of(node);
    filter += "\"r|.*|\"";
    return fmt::format(
        "devices{{dir=\"/dev\" scan=[\"/dev\"] use_devicesfile=0 hints=\"none\" scan_lvs=1 "
        "filter=[{0}] "
        "global_filter=[{0}] "
        "obtain_device_list_from_udev=0 external_device_info_source=\"none\" "
        "multipath_component_detection=0 md_component_detection=0 fw_raid_component_detection=0}} "
        "activation{{udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 "
        "polling_interval=0 auto_activation_volume_list=[]{1}}} "
        "backup{{backup=0 archive=0}} "
        "global{{locking_dir=\"{2}\" use_lvmpolld=0 use_lvmlockd=0 event_activation=0 "
        "notify_dbus=0 system_id_source=\"none\"{3}}} "
        "local{{{4}}} log{{syslog=0}}",
        filter, list_of("read_only_volume_list", scope.read_only), scope.lock_dir,
        scope.read_only.empty() ? "" : " metadata_read_only=1",
        list_of("extra_system_ids", scope.system_ids));
}

sys::ProcessSpec lvm_spec(const LvmScope& scope, const std::string& command,
                          std::vector<std::string> arguments) {
    std::vector<std::string> argv{"lvm", command, "--config", lvm_config(scope)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    // libdevmapper then makes nodes and waits for no cookie. The directory has no lvm.conf.
    return {.argv = std::move(argv),
            .env = {"DM_DISABLE_UDEV=1", "LVM_SUPPRESS_FD_WARNINGS=1",
                    fmt::format("LVM_SYSTEM_DIR={}", scope.lock_dir)}};
}

sys::ProcessSpec list_pvs_spec(const LvmScope& scope) {
    return lvm_spec(scope, "pvs",
                    {"--foreign", "--reportformat", "json", "-o",
                     "pv_name,pv_uuid,pv_missing,vg_name,vg_uuid,vg_systemid"});
}

Result<std::vector<PhysicalVolume>> parse_pvs(std::string_view json) {
    SLIPWAY_TRY(auto rows, rows_of(json, "pv"));
    std::vector<PhysicalVolume> all;
    for (const auto& row : rows) {
        bool missing = !json_get<std::string>(row, "pv_missing").empty();
        all.push_back({.node = missing ? "" : json_get<std::string>(row, "pv_name"),
                       .uuid = json_get<std::string>(row, "pv_uuid"),
                       .group = json_get<std::string>(row, "vg_name"),
                       .group_uuid = json_get<std::string>(row, "vg_uuid"),
                       .system_id = json_get<std::string>(row, "vg_systemid")});
    }
    return all;
}

sys::ProcessSpec list_lvs_spec(const LvmScope& scope) {
    return lvm_spec(scope, "lvs",
                    {"--foreign", "--reportformat", "json", "-o",
                     "lv_name,lv_uuid,lv_layout,lv_role,lv_health_status"});
}

Result<std::vector<LogicalVolume>> parse_lvs(std::string_view json) {
    SLIPWAY_TRY(auto rows, rows_of(json, "lv"));
    std::vector<LogicalVolume> all;
    for (const auto& row : rows)
        all.push_back({.name = json_get<std::string>(row, "lv_name"),
                       .uuid = json_get<std::string>(row, "lv_uuid"),
                       .layout = json_get<std::string>(row, "lv_layout"),
                       .role = json_get<std::string>(row, "lv_role"),
                       .health = json_get<std::string>(row, "lv_health_status")});
    return all;
}

sys::ProcessSpec list_segments_spec(const LvmScope& scope) {
    return lvm_spec(scope, "pvs",
                    {"--foreign", "--segments", "--units", "b", "--nosuffix", "--reportformat",
                     "json", "-o",
                     "pv_name,pe_start,vg_extent_size,pvseg_start,pvseg_size,lv_uuid,seg_start"});
}

Result<std::vector<VolumeSegment>> parse_segments(std::string_view json) {
    SLIPWAY_TRY(auto rows, rows_of(json, "pvseg"));
    std::vector<VolumeSegment> all;
    for (const auto& row : rows) {
        auto number = [&row](const char* key) {
            return parse_number(json_get<std::string>(row, key)).value_or(0);
        };
        VolumeSegment segment{.volume_uuid = json_get<std::string>(row, "lv_uuid"),
                              .node = json_get<std::string>(row, "pv_name")};
        if (segment.volume_uuid.empty())
            continue; // free space
        auto extent = number("vg_extent_size");
        segment.start_in_volume = number("seg_start");
        segment.start_on_node = number("pe_start") + number("pvseg_start") * extent;
        segment.size = number("pvseg_size") * extent;
        if (segment.size == 0)
            return fail(Code::Corrupt, "a segment of an LVM volume has no size");
        all.push_back(std::move(segment));
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& one, const auto& other) {
        return one.start_in_volume < other.start_in_volume;
    });
    return all;
}

bool is_plain(const LogicalVolume& volume) {
    return volume.layout == "linear" && volume.role == "public";
}

bool is_snapshot(const LogicalVolume& volume) {
    return has_word(volume.role, "snapshot");
}

sys::ProcessSpec activate_spec(const LvmScope& scope, const std::vector<std::string>& names) {
    // -K: also those marked "skip", as thin snapshots are; -y: a snapshot brings its origin along.
    std::vector<std::string> arguments{"-y", "-ay", "-K", "--activationmode", "degraded"};
    arguments.insert(arguments.end(), names.begin(), names.end());
    return lvm_spec(scope, "lvchange", std::move(arguments));
}

sys::ProcessSpec deactivate_spec(const LvmScope& scope, const std::string& group) {
    return lvm_spec(scope, "vgchange", {"-y", "-an", group});
}

bool is_internal(const LogicalVolume& volume) {
    return has_word(volume.layout, "pool") || has_word(volume.role, "private");
}

std::string_view kind_that_writes(const LogicalVolume& volume) {
    for (const auto& row : layouts)
        if (row.writes && has_word(volume.layout, row.word))
            return row.word;
    return {};
}

std::vector<std::string_view> targets_of(const LogicalVolume& volume) {
    std::vector<std::string_view> targets;
    for (const auto& row : layouts)
        if (has_word(volume.layout, row.word))
            for (auto target : row.targets)
                if (!target.empty())
                    targets.push_back(target);
    if (has_word(volume.role, "thicksnapshot") || has_word(volume.role, "thickorigin"))
        targets.insert(targets.end(), {"snapshot", "snapshot-origin"});
    return targets;
}

} // namespace slipway::storage
