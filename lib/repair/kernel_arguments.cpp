// SPDX-License-Identifier: Apache-2.0
// root= and resume= as kernel arguments, wherever a guest keeps them; nothing else of the command
// line, and nothing outside of command lines.
#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_arguments.hpp"
#include "guest/boot_files.hpp"
#include "guest/command_line.hpp"
#include "guest/grub_env.hpp"
#include "guest/shell_config.hpp"
#include "mount/fstab.hpp"
#include "mount/ladder.hpp"
#include "repair/device_names.hpp"
#include "repair/kernel_arguments.hpp"
#include "repair/repairs.hpp"
#include "repair/verify_boot.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;
using report::Severity;

bool is_unstable(std::string_view device) {
    return mount::is_bus_dependent(device) || is_host_device(device) || is_device_number(device);
}

// A kernel on its own knows partitions only; one with an initramfs finds filesystems.
bool has_initramfs(const Inventory& inventory, const guest::ArgumentSite& site) {
    if (site.initramfs != guest::InitramfsUse::Unknown)
        return site.initramfs == guest::InitramfsUse::With;
    for (const auto& kernel : inventory.kernels)
        if (!kernel.initramfs.empty())
            return true;
    return inventory.kernels.empty();
}

// Whether some argument names the root that was found. A hostile guest has many arguments, so this
// is found out once.
class RootNames {
public:
    explicit RootNames(const Inventory& inventory) : inventory_(inventory) {}
    [[nodiscard]] bool any() {
        if (!any_)
            any_ = search();
        return *any_;
    }

private:
    [[nodiscard]] bool search() const {
        const auto* root = inventory_.find_volume(inventory_.root);
        std::set<std::string> seen;
        for (const auto& [path, text] : inventory_.files)
            for (const auto& argument :
                 guest::find_boot_arguments(guest::kind_of_boot_file(path), text))
                if (argument.name == "root" && seen.insert(argument.value).second)
                    if (auto found = find_device(inventory_, argument.value, "");
                        found && *found == root)
                        return true;
        return false;
    }

    const Inventory& inventory_;
    std::optional<bool> any_;
};

// A root= that names no volume here, yet the partition number of the root that was found: the disk
// was another one in the old machine, or a host left its own name for it. Beside a right one it is
// more likely another system's.
Result<const report::Volume*> find_root(const Inventory& inventory, RootNames& names,
                                        std::string_view device) {
    auto found = find_device(inventory, device, "");
    const auto* root = inventory.find_volume(inventory.root);
    if (found || root == nullptr)
        return found;
    auto place = mount::parse_device_name(device);
    if (is_host_device(device) || (place && place->partition == root->partition && !names.any()))
        return root;
    return found;
}

Result<std::string> name_for(const Inventory& inventory, RootNames& names, std::string_view key,
                             std::string_view device, const guest::ArgumentSite& site) {
    SLIPWAY_TRY(const auto* volume, key == "root" ? find_root(inventory, names, device)
                                                  : find_device(inventory, device, "swap"));
    if (!mount::container_of_type(volume->type).empty())
        return fail(Code::Unsupported,
                    fmt::format("{} is part of something larger ({})", volume->name, volume->type));
    if (key == "root" && volume->type == "swap")
        return fail(Code::Unsupported, fmt::format("{} is a swap area", volume->name),
                    "give all disks of the guest in the order in which it saw them");
    return has_initramfs(inventory, site) ? stable_name(inventory, *volume)
                                          : partition_name(inventory, *volume);
}

bool has_kernel_without_initramfs(const Inventory& inventory) {
    for (const auto& kernel : inventory.kernels)
        if (kernel.initramfs.empty() && !kernel.rescue)
            return true;
    return false;
}

/// Collects the edits of one file.
class FileEditor {
public:
    /// `path` is how messages name the file.
    FileEditor(const Inventory& inventory, RootNames& names, const std::string& path,
               const std::string& text, guest::BootFileKind kind)
        : inventory_(inventory), names_(names), path_(path), text_(text), kind_(kind) {}

    void edit_arguments() {
        for (const auto& site : guest::argument_sites(kind_, text_)) {
            auto inside = std::string_view(text_).substr(site.begin, site.end - site.begin);
            if (!site.bare_key.empty())
                edit_value(site, site.bare_key, inside, site.begin, site.end);
            else
                for (const auto& argument : guest::parse_command_line(inside))
                    edit_argument(site, argument);
        }
    }

    // With these set, the guest's next update-grub would bring the device names back.
    void allow_uuids_in_grub() {
        const auto* root = inventory_.find_volume(inventory_.root);
        if (kind_ != guest::BootFileKind::GrubDefaults || root == nullptr || root->disk.empty())
            return;
        auto assignments = guest::parse_shell_assignments(text_);
        for (std::string_view name : {"GRUB_DISABLE_LINUX_UUID", "GRUB_DISABLE_UUID"})
            if (const auto* assignment = guest::last_assignment(assignments, name);
                assignment != nullptr && assignment->value == "true")
                allow(assignment->name, assignment->begin, assignment->end, "false");
        // Off by default, and the only stable name for a kernel without an initramfs.
        constexpr const char* by_partition = "GRUB_DISABLE_LINUX_PARTUUID";
        if (!has_kernel_without_initramfs(inventory_) || path_ != "/etc/default/grub")
            return;
        if (const auto* assignment = guest::last_assignment(assignments, by_partition);
            assignment == nullptr)
            allow(by_partition, text_.size(), text_.size(),
                  fmt::format("{}{}=false\n", text_.empty() || text_.ends_with('\n') ? "" : "\n",
                              by_partition));
        else if (assignment->value == "true")
            allow(by_partition, assignment->begin, assignment->end, "false");
    }

    EditedText finish() && {
        return {.content = guest::apply_edits(text_, std::move(edits_)),
                .changes = std::move(changes_),
                .findings = std::move(findings_)};
    }

    void add_to(report::Plan& plan) && {
        auto edited = std::move(*this).finish();
        std::move(edited.findings.begin(), edited.findings.end(),
                  std::back_inserter(plan.findings));
        if (edited.changes.empty())
            return;
        report::Action action{.repair = "kernel-arguments",
                              .path = path_,
                              .reason = "root= and resume= by names that survive the move",
                              .content = std::move(edited.content),
                              // All in conf.d is sourced and all in grub.d run, copies too.
                              .keep_backup = kind_ != guest::BootFileKind::InitramfsTools &&
                                             kind_ != guest::BootFileKind::GrubSnippet,
                              .changes = std::move(edited.changes)};
        if (kind_ == guest::BootFileKind::GrubEnvironment) {
            auto padded = guest::pad_grub_env(action.content, text_.size());
            if (!padded) {
                plan.findings.push_back({"grubenv-full", Severity::Error, path_,
                                         render_line(padded.error()), padded.error().hint});
                return;
            }
            action.content = std::move(*padded);
        }
        plan.actions.push_back(std::move(action));
    }

private:
    [[nodiscard]] std::string where(std::size_t offset) const {
        return fmt::format("{} line {}", path_, guest::line_of(text_, offset));
    }

    void allow(std::string_view name, std::size_t begin, std::size_t end, std::string text) {
        edits_.push_back({begin, end, std::move(text)});
        changes_.push_back({guest::line_of(text_, begin), std::string(name),
                            text_.substr(begin, end - begin), "false",
                            "else the next update of the GRUB configuration names devices again"});
    }

    void edit_argument(const guest::ArgumentSite& site, const guest::Argument& argument) {
        if (!argument.has_value)
            return;
        auto begin = site.begin + argument.value_begin, end = site.begin + argument.value_end;
        if (argument.key == "root" || argument.key == "resume")
            edit_value(site, argument.key, argument.value, begin, end);
        else if (auto device = argument.value.substr(0, argument.value.find(':'));
                 mount::is_bus_dependent(device))
            findings_.push_back(
                {"kernel-argument-names-device", Severity::Warning, where(begin),
                 fmt::format("the kernel argument {} names {}, which may not exist after the move",
                             argument.key, device),
                 "name the device by its UUID"});
    }

    void edit_value(const guest::ArgumentSite& site, const std::string& key,
                    std::string_view device, std::size_t begin, std::size_t end) {
        if (key == "root")
            first_root_ = std::min(first_root_, site.begin);
        if (!is_unstable(device))
            return;
        auto name = name_for(inventory_, names_, key, device, site);
        if (!name) {
            findings_.push_back(
                {name.error().code == Code::Corrupt ? "duplicate-uuid" : "kernel-argument-unsure",
                 severity_of(key, site), where(begin),
                 fmt::format("{}={} is kept as it is: {}", key, device, render_line(name.error())),
                 name.error().hint});
            return;
        }
        edits_.push_back({begin, end, *name});
        changes_.push_back({guest::line_of(text_, begin), key + "=", std::string(device), *name,
                            reason_for(*name)});
    }

    // The first entry of a menu is the one that boots; the others may be other systems.
    [[nodiscard]] Severity severity_of(const std::string& key,
                                       const guest::ArgumentSite& site) const {
        if (key != "root" || !site.read_at_boot)
            return Severity::Warning;
        bool is_later = kind_ == guest::BootFileKind::GrubConfig && site.begin > first_root_;
        return is_later ? Severity::Error : Severity::Blocker;
    }

    static std::string reason_for(std::string_view name) {
        return name.starts_with("UUID=")
                   ? "the name depends on the bus; the initramfs finds the UUID"
                   : "the name depends on the bus; the kernel finds a partition without an "
                     "initramfs";
    }

    const Inventory& inventory_;
    RootNames& names_;
    const std::string& path_;
    const std::string& text_;
    guest::BootFileKind kind_;
    std::size_t first_root_ = std::string::npos; ///< site of the first root=
    std::vector<guest::Edit> edits_;
    std::vector<report::Change> changes_;
    report::Findings findings_;
};

report::Plan plan(const Inventory& inventory, const report::Policy& /*policy*/) {
    report::Plan result;
    RootNames names(inventory);
    for (const auto& [path, text] : inventory.files) {
        FileEditor editor(inventory, names, path, text, guest::kind_of_boot_file(path));
        editor.edit_arguments();
        editor.allow_uuids_in_grub();
        std::move(editor).add_to(result);
    }
    return result;
}

Detection detect(const Inventory& inventory) {
    return detection_of(plan(inventory, {}));
}

} // namespace

EditedText stabilize_arguments(const Inventory& inventory, guest::BootFileKind kind,
                               const std::string& name, const std::string& text) {
    RootNames names(inventory);
    FileEditor editor(inventory, names, name, text, kind);
    editor.edit_arguments();
    return std::move(editor).finish();
}

Repair kernel_arguments_repair() {
    return {"kernel-arguments", detect, plan, verify_boot_files};
}

} // namespace slipway::repair
