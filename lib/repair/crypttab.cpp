// SPDX-License-Identifier: Apache-2.0
// /etc/crypttab: devices by the UUID of their LUKS header. Format: crypttab(5), of systemd and of
// Debian's cryptsetup.
#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/command_line.hpp"
#include "guest/fstab.hpp"
#include "mount/fstab.hpp"
#include "repair/device_names.hpp"
#include "repair/initramfs_files.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;
using report::Severity;

constexpr const char* path = "/etc/crypttab";

/// One mapping; the fields are pieces of the file's text.
struct Mapping {
    int line_no = 0;
    std::size_t end = 0; ///< of the last field
    std::string_view name;
    std::string_view device;
    std::string_view key;
    std::string_view options;
};

std::vector<Mapping> parse_crypttab(std::string_view text) {
    std::vector<Mapping> mappings;
    int line_no = 0;
    for (auto line : split_lines(text)) {
        ++line_no;
        auto fields = split_words(line);
        if (fields.size() < 2 || fields[0].front() == '#')
            continue;
        fields.resize(std::min<std::size_t>(fields.size(), 4));
        auto end =
            static_cast<std::size_t>(fields.back().data() + fields.back().size() - text.data());
        fields.resize(4);
        mappings.push_back({line_no, end, fields[0], fields[1], fields[2], fields[3]});
    }
    return mappings;
}

// A LUKS header has a UUID; a plain mapping, such as swap with a random key, writes over any.
Result<std::string> name_for(const Inventory& inventory, const Mapping& mapping) {
    SLIPWAY_TRY(const auto* volume, find_device(inventory, mapping.device, ""));
    if (volume->type == "crypto_LUKS")
        return stable_name(inventory, *volume);
    return partition_name(inventory, *volume);
}

bool has_option(const Mapping& mapping, std::string_view option) {
    auto options = split(mapping.options, ',');
    return std::find(options.begin(), options.end(), option) != options.end();
}

bool has_random_key(const Mapping& mapping) {
    return mapping.key == "/dev/urandom" || mapping.key == "/dev/random";
}

// Root may lie on the mapping itself or, through LVM, on any of them.
bool may_carry_root(const Inventory& inventory, const std::vector<Mapping>& all,
                    const Mapping& mapping) {
    constexpr std::string_view mapper = "/dev/mapper/";
    auto root = guest::root_spec(inventory);
    if (root == "/dev/mapper/" + std::string(mapping.name))
        return true;
    bool another = std::any_of(all.begin(), all.end(), [&](const Mapping& each) {
        return root == "/dev/mapper/" + std::string(each.name);
    });
    bool on_lvm = root.starts_with(mapper) || inventory.root.find('/') != std::string::npos;
    return !another && on_lvm && !inventory.root.starts_with("btrfs:") &&
           !has_random_key(mapping) && !has_option(mapping, "swap");
}

/// Collects the edits of one file.
struct Editor {
    const Inventory& inventory;
    std::string_view name; ///< of the file, in findings
    const std::string& text;
    std::vector<guest::Edit> edits{};
    std::vector<report::Change> changes{};
    report::Findings findings{};

    [[nodiscard]] std::size_t offset_of(std::string_view field) const {
        return static_cast<std::size_t>(field.data() - text.data());
    }

    void stabilise(const Mapping& mapping) {
        auto stable = name_for(inventory, mapping);
        if (!stable) {
            auto severity = has_option(mapping, "noauto") || has_option(mapping, "nofail")
                                ? Severity::Warning
                                : Severity::Error;
            findings.push_back(
                {stable.error().code == Code::Corrupt ? "duplicate-uuid" : "crypttab-volume-unsure",
                 severity, fmt::format("{} line {}", name, mapping.line_no),
                 fmt::format("{} for {} is kept as it is: {}", mapping.device, mapping.name,
                             render_line(stable.error())),
                 stable.error().hint});
            return;
        }
        auto begin = offset_of(mapping.device);
        edits.push_back({begin, begin + mapping.device.size(), *stable});
        changes.push_back({mapping.line_no, std::string(mapping.name), std::string(mapping.device),
                           *stable, "the name depends on the bus, which changes with the move"});
    }

    // Without the option initramfs-tools leaves out the key setup when it cannot see that root is
    // on the mapping, as when it runs away from the running guest (crypttab(5) of Debian).
    void add_initramfs_option(const Mapping& mapping) {
        std::string added = mapping.key.empty()       ? " none luks,initramfs"
                            : mapping.options.empty() ? " luks,initramfs"
                                                      : ",initramfs";
        edits.push_back({mapping.end, mapping.end, added});
        changes.push_back({mapping.line_no, std::string(mapping.name), std::string(mapping.options),
                           std::string(trim(std::string(mapping.options) + added)),
                           "the initramfs must unlock the root volume"});
    }
};

report::Plan plan(const Inventory& inventory, const report::Policy& /*policy*/) {
    report::Plan result;
    const auto* text = inventory.file(path);
    if (text == nullptr)
        return result;
    Editor editor{.inventory = inventory, .name = path, .text = *text};
    auto mappings = parse_crypttab(*text);
    for (const auto& mapping : mappings) {
        if (mount::is_bus_dependent(mapping.device))
            editor.stabilise(mapping);
        if (inventory.initramfs_generator == "initramfs-tools" &&
            !has_option(mapping, "initramfs") && may_carry_root(inventory, mappings, mapping))
            editor.add_initramfs_option(mapping);
    }
    result.findings = std::move(editor.findings);
    if (!editor.edits.empty())
        result.actions.push_back({.repair = "crypttab",
                                  .path = path,
                                  .reason = "encrypted volumes by names that survive the move",
                                  .content = guest::apply_edits(*text, std::move(editor.edits)),
                                  .keep_backup = true,
                                  .changes = std::move(editor.changes)});
    return result;
}

Detection detect(const Inventory& inventory) {
    return detection_of(plan(inventory, {}));
}

report::Findings verify(const sys::RootDir& root, const Inventory& /*before*/) {
    auto text = root.read(sys::GuestPath(path));
    return text ? check_crypttab(path, *text) : report::Findings{};
}

} // namespace

EditedText stabilize_crypttab(const Inventory& inventory, const std::string& name,
                              const std::string& text) {
    Editor editor{.inventory = inventory, .name = name, .text = text};
    for (const auto& mapping : parse_crypttab(text))
        if (mount::is_bus_dependent(mapping.device))
            editor.stabilise(mapping);
    return {guest::apply_edits(text, std::move(editor.edits)), std::move(editor.changes),
            std::move(editor.findings)};
}

report::Findings check_crypttab(std::string_view name, std::string_view text) {
    report::Findings findings;
    for (const auto& mapping : parse_crypttab(text)) {
        auto where = fmt::format("{} line {}", name, mapping.line_no);
        if (is_host_device(mapping.device))
            findings.push_back({"host-device-in-boot-file", Severity::Blocker, where,
                                fmt::format("names {}, a device of a host", mapping.device),
                                "name the LUKS volume by its UUID"});
        else if (mount::is_bus_dependent(mapping.device))
            findings.push_back(
                {"crypttab-unstable-name", Severity::Error, where,
                 fmt::format("names {}, which may not exist after the move", mapping.device),
                 "name the LUKS volume by its UUID"});
    }
    return findings;
}

Repair crypttab_repair() {
    return {"crypttab", detect, plan, verify};
}

} // namespace slipway::repair
