// SPDX-License-Identifier: Apache-2.0
// /etc/fstab: names by bus position become UUIDs; shares of the old hypervisor are commented out.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/fstab.hpp"
#include "mount/fstab.hpp"
#include "mount/ladder.hpp"
#include "mount/resolve.hpp"
#include "repair/device_names.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::FstabMode;
using report::Inventory;
using report::Severity;

constexpr const char* path = "/etc/fstab";
constexpr std::string_view moves_reason =
    "the name depends on the bus, which changes with the move";

bool is_hardware_link(std::string_view spec) {
    return spec.starts_with("/dev/disk/by-path/") || spec.starts_with("/dev/disk/by-id/");
}

bool shall_convert(const mount::FstabLine& line, FstabMode mode) {
    if (mode == FstabMode::Noop || !mount::is_bus_dependent(line.spec))
        return false;
    return mode == FstabMode::StabilizeAll || is_hardware_link(line.spec);
}

// One driver, or one tool, serves all of a family.
constexpr std::array<std::array<std::string_view, 4>, 4> families{{
    {"ext2", "ext3", "ext4"},
    {"vfat", "msdos", "fat"},
    {"ntfs", "ntfs3", "ntfs-3g", "fuseblk"},
    {"swap", "swsuspend"},
}};

bool is_one_type(std::string_view fstab_type, std::string_view type) {
    if (fstab_type == type || fstab_type == "auto" || fstab_type == "none")
        return true;
    return std::any_of(families.begin(), families.end(), [&](const auto& family) {
        return std::find(family.begin(), family.end(), fstab_type) != family.end() &&
               std::find(family.begin(), family.end(), type) != family.end();
    });
}

bool type_fits(std::string_view fstab_types, const report::Volume& volume) {
    if (volume.type.empty())
        return true;
    auto types = split(fstab_types, ','); // a list is tried in order; see mount(8)
    return std::any_of(types.begin(), types.end(),
                       [&](auto type) { return is_one_type(type, volume.type); });
}

std::string where_of(const mount::FstabLine& line) {
    return fmt::format("{} line {}", path, line.line_no);
}

report::Finding finding_about(const mount::FstabLine& line, std::string id, Severity severity,
                              const Error& error) {
    return {std::move(id), severity, where_of(line),
            fmt::format("{} for {} is kept as it is: {}", line.spec, line.mountpoint, error.what),
            error.hint.empty() ? fmt::format("name the volume of {} by its UUID", line.mountpoint)
                               : error.hint};
}

// By-path and by-id names carry only a partition number; among several disks the type may decide.
Result<const report::Volume*> find_volume(const Inventory& inventory,
                                          const mount::FstabLine& line) {
    if (const auto* root = inventory.find_volume(inventory.root);
        line.mountpoint == "/" && root != nullptr)
        return root;
    auto found = find_device(inventory, line.spec, "");
    return found || !is_hardware_link(line.spec) ? found
                                                 : find_device(inventory, line.spec, line.type);
}

Result<std::string> name_for(const Inventory& inventory, const mount::FstabLine& line) {
    SLIPWAY_TRY(const auto* volume, find_volume(inventory, line));
    if (!mount::container_of_type(volume->type).empty())
        return fail(Code::Unsupported,
                    fmt::format("{} is part of something larger ({})", volume->name, volume->type));
    if (!type_fits(line.type, *volume))
        return fail(Code::Unsupported,
                    fmt::format("{} holds {}, not {}", volume->name, volume->type, line.type),
                    "give all disks of the guest in the order in which it saw them");
    return stable_name(inventory, *volume);
}

std::string id_of_problem(const Error& error) {
    if (error.code == Code::NotFound)
        return "fstab-volume-missing";
    return error.code == Code::Corrupt ? "duplicate-uuid" : "fstab-volume-unsure";
}

void convert(const Inventory& inventory, const mount::FstabLine& line, mount::Fstab& edited,
             report::Action& action, report::Findings& findings) {
    auto name = name_for(inventory, line);
    if (!name) {
        findings.push_back(finding_about(line, id_of_problem(name.error()),
                                         guest::severity_if_missing(line.type, line.options),
                                         name.error()));
        return;
    }
    edited.set_spec(line.line_no, *name);
    action.changes.push_back(
        {line.line_no, line.mountpoint, line.spec, *name, std::string(moves_reason)});
}

void comment_out(const mount::FstabLine& line, mount::Fstab& edited, report::Action& action) {
    edited.comment_out(line.line_no, "disabled by slipway");
    action.changes.push_back({line.line_no, line.mountpoint, line.spec, "",
                              "a share of the hypervisor that is left behind"});
}

// What is no bus name may still lead nowhere.
void audit(const Inventory& inventory, const mount::FstabLine& line, report::Findings& findings) {
    if (mount::is_bus_dependent(line.spec)) {
        findings.push_back({"fstab-unstable-name",
                            guest::severity_if_missing(line.type, line.options), where_of(line),
                            fmt::format("names {}, which may not exist after the move", line.spec),
                            "name the volume by its UUID (--fstab-mode stabilize-all)"});
        return;
    }
    auto found = mount::resolve_device(line.spec, "", inventory.volumes);
    if (!found.is_device || found.removable || !line.spec.starts_with("UUID="))
        return;
    if (found.ambiguous)
        findings.push_back({"duplicate-uuid", guest::severity_if_missing(line.type, line.options),
                            where_of(line),
                            fmt::format("several volumes of the guest carry {}", line.spec),
                            "give one of them a new UUID, or leave out the copy"});
}

report::Plan plan(const Inventory& inventory, const report::Policy& policy) {
    report::Plan result;
    const auto* text = inventory.file(path);
    if (text == nullptr)
        return result;
    auto edited = mount::Fstab::parse(*text);
    report::Action action{
        .repair = "fstab", .path = path, .reason = std::string(moves_reason), .keep_backup = true};
    // A copy: commenting out takes lines away from `edited`.
    const auto lines = edited.lines();
    for (const auto& line : lines) {
        if (guest::is_hypervisor_share(line.spec, line.type) &&
            policy.fstab_mode != FstabMode::Noop)
            comment_out(line, edited, action);
        else if (shall_convert(line, policy.fstab_mode))
            convert(inventory, line, edited, action, result.findings);
        else
            audit(inventory, line, result.findings);
    }
    if (!action.changes.empty()) {
        action.content = edited.render();
        result.actions.push_back(std::move(action));
    }
    return result;
}

Detection detect(const Inventory& inventory) {
    return detection_of(plan(inventory, {}));
}

report::Findings verify(const sys::RootDir& root, const Inventory& before) {
    auto text = root.read(sys::GuestPath(path));
    if (!text) {
        if (text.error().code == Code::NotFound)
            return {};
        return {{"fstab-unreadable", Severity::Error, path, render_line(text.error()), ""}};
    }
    report::Findings findings;
    const auto* original = before.file(path);
    auto fstab = mount::Fstab::parse(*text);
    for (const auto& line : fstab.lines()) {
        bool own = original != nullptr && original->find(line.spec) != std::string::npos;
        if (is_host_device(line.spec))
            findings.push_back({"host-device-in-boot-file",
                                own ? Severity::Warning : Severity::Blocker, where_of(line),
                                fmt::format("names {}, a device of a host", line.spec),
                                "name the guest's volume by its UUID"});
        else
            audit(before, line, findings);
    }
    return findings;
}

} // namespace

Repair fstab_repair() {
    return {"fstab", detect, plan, verify};
}

} // namespace slipway::repair
