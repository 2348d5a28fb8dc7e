// SPDX-License-Identifier: Apache-2.0
#include "repair/generator.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/command_line.hpp"
#include "guest/shell_config.hpp"

namespace slipway::repair {
namespace {

using report::Action;
using report::ActionKind;
using report::Inventory;
using report::Kernel;

constexpr const char* repair_name = "initramfs";
constexpr const char* most_modules = "/etc/initramfs-tools/conf.d/zz-slipway-modules";

const std::string& text_of(const Inventory& inventory, const std::string& path) {
    static const std::string none;
    const auto* text = inventory.file(path);
    return text == nullptr ? none : *text;
}

Modules without(const Modules& wanted, const std::vector<std::string_view>& present) {
    Modules rest;
    for (const auto& module : wanted)
        if (std::find(present.begin(), present.end(), module) == present.end())
            rest.push_back(module);
    return rest;
}

Action write(std::string path, std::string content, const Modules& modules) {
    return {.repair = repair_name,
            .path = std::move(path),
            .reason = fmt::format("the next initramfs keeps {}", join(modules, ", ")),
            .content = std::move(content)};
}

// One module a line, arguments after it; see initramfs-tools(7).
std::optional<Action> keep_with_initramfs_tools(const Inventory& inventory,
                                                const Modules& modules) {
    constexpr const char* path = "/etc/initramfs-tools/modules";
    const auto& text = text_of(inventory, path);
    std::vector<std::string_view> present;
    for (auto line : split_lines(text))
        if (auto words = split_words(line); !words.empty())
            present.push_back(words[0]);
    auto rest = without(modules, present);
    if (rest.empty())
        return std::nullopt;
    auto content = text;
    if (!content.empty() && !content.ends_with('\n'))
        content += '\n';
    content += "# Disks on virtio (added by slipway)\n" + join(rest, "\n") + "\n";
    auto action = write(path, std::move(content), rest);
    action.keep_backup = !text.empty();
    return action;
}

// Blanks on both sides, as dracut.conf(5) demands.
std::optional<Action> keep_with_dracut(const Inventory& inventory, const Modules& modules) {
    constexpr const char* path = "/etc/dracut.conf.d/50-slipway-virtio.conf";
    auto content = fmt::format("# Disks on virtio (added by slipway)\nadd_drivers+=\" {} \"\n",
                               join(modules, " "));
    if (text_of(inventory, path) == content)
        return std::nullopt;
    return write(path, std::move(content), modules);
}

/// Adds words to the last assignment of a variable in a shell file, or a line that does.
std::string add_words(const std::string& text, const std::string& name, const std::string& words,
                      std::string_view new_line) {
    auto assignments = guest::parse_shell_assignments(text);
    if (const auto* last = guest::last_assignment(assignments, name); last != nullptr) {
        bool bare = !last->array && (last->begin == 0 || text[last->begin - 1] == '=');
        auto added = (last->begin == last->end ? "" : " ") + words;
        if (!bare)
            return guest::apply_edits(text, {{last->end, last->end, added}});
        return guest::apply_edits(
            text, {{last->begin, last->begin, "\""}, {last->end, last->end, added + "\""}});
    }
    return fmt::format("{}{}{}\n", text, text.empty() || text.ends_with('\n') ? "" : "\n",
                       new_line);
}

/// Words of all assignments of a variable.
std::vector<std::string> words_of(const std::string& text, std::string_view name) {
    std::vector<std::string> words;
    for (const auto& assignment : guest::parse_shell_assignments(text))
        if (assignment.name == name)
            for (auto word : split_words(assignment.value))
                words.emplace_back(word);
    return words;
}

std::optional<Action> keep_in_variable(const Inventory& inventory, const std::string& path,
                                       const std::string& name, const Modules& wanted,
                                       std::string_view line_format) {
    const auto* text = inventory.file(path);
    if (text == nullptr)
        return std::nullopt;
    auto present = words_of(*text, name);
    auto rest = without(wanted, {present.begin(), present.end()});
    if (rest.empty())
        return std::nullopt;
    auto words = join(rest, " ");
    auto action = write(
        path, add_words(*text, name, words, fmt::format(fmt::runtime(line_format), words)), rest);
    action.keep_backup = true;
    return action;
}

// MODULES of initramfs.conf, which files of conf.d override in the order of their names.
std::string modules_mode(const Inventory& inventory) {
    std::string mode = "most";
    auto read = [&](const std::string& text) {
        auto assignments = guest::parse_shell_assignments(text);
        if (const auto* last = guest::last_assignment(assignments, "MODULES"); last != nullptr)
            mode = last->value;
    };
    read(text_of(inventory, "/etc/initramfs-tools/initramfs.conf"));
    for (const auto& [path, text] : inventory.files)
        if (path.starts_with("/etc/initramfs-tools/conf.d/"))
            read(text);
    return mode;
}

Action run(const Kernel& kernel, std::string image, std::vector<std::string> argv) {
    return {.repair = repair_name,
            .kind = ActionKind::RunTool,
            .path = std::move(image),
            .reason = fmt::format("an initramfs with virtio for kernel {}", kernel.version),
            .argv = std::move(argv),
            .kernel = kernel.version,
            .estimate = 20};
}

// MODULES=dep looks for the root disk in /sys, which shows another machine here.
std::vector<Action> run_initramfs_tools(const Inventory& inventory,
                                        const std::vector<const Kernel*>& kernels) {
    std::vector<Action> actions;
    bool needs_most = modules_mode(inventory) == "dep";
    if (needs_most)
        actions.push_back(
            {.repair = repair_name,
             .path = most_modules,
             .reason = "for this run only: modules cannot be chosen by the hardware seen here",
             .content = "MODULES=most\n"});
    for (const auto* kernel : kernels) {
        bool exists = !kernel->initramfs.empty();
        actions.push_back(run(*kernel,
                              exists ? kernel->initramfs : "/boot/initrd.img-" + kernel->version,
                              {"update-initramfs", exists ? "-u" : "-c", "-k", kernel->version}));
    }
    if (needs_most)
        actions.push_back({.repair = repair_name,
                           .kind = ActionKind::RemoveFile,
                           .path = most_modules,
                           .reason = "the run is over"});
    return actions;
}

bool is_suse(const report::OperatingSystem& os) {
    auto is = [](const std::string& name) {
        return name.find("suse") != std::string::npos || name.starts_with("sle");
    };
    return is(os.distro) || std::any_of(os.like.begin(), os.like.end(), is);
}

// --no-hostonly: the hardware seen here is not that of the guest. Only modules that this kernel has
// are asked for; see dracut(8).
std::vector<Action> run_dracut(const Inventory& inventory,
                               const std::vector<const Kernel*>& kernels) {
    std::vector<Action> actions;
    for (const auto* kernel : kernels) {
        auto image = kernel->initramfs;
        if (image.empty())
            image = is_suse(inventory.os) ? "/boot/initrd-" + kernel->version
                                          : fmt::format("/boot/initramfs-{}.img", kernel->version);
        std::vector<std::string> argv{"dracut", "--force", "--no-hostonly"};
        if (!kernel->missing_modules.empty()) {
            argv.emplace_back("--add-drivers");
            argv.push_back(join(kernel->missing_modules, " "));
        }
        argv.push_back(image);
        argv.push_back(kernel->version);
        actions.push_back(run(*kernel, image, std::move(argv)));
    }
    return actions;
}

std::vector<Action> run_mkinitfs(const std::vector<const Kernel*>& kernels) {
    std::vector<Action> actions;
    for (const auto* kernel : kernels)
        if (!kernel->initramfs.empty())
            actions.push_back(run(*kernel, kernel->initramfs,
                                  {"mkinitfs", "-o", kernel->initramfs, kernel->version}));
    return actions;
}

} // namespace

std::optional<Action> keep_modules(const Inventory& inventory, const Modules& modules) {
    if (modules.empty())
        return std::nullopt;
    const auto& generator = inventory.initramfs_generator;
    if (generator == "initramfs-tools")
        return keep_with_initramfs_tools(inventory, modules);
    if (generator == "dracut")
        return keep_with_dracut(inventory, modules);
    if (generator == "mkinitcpio")
        return keep_in_variable(inventory, "/etc/mkinitcpio.conf", "MODULES", modules,
                                "MODULES+=({})");
    if (generator == "mkinitfs") // by features, each a list of modules; see mkinitfs(1) of Alpine
        return keep_in_variable(inventory, "/etc/mkinitfs/mkinitfs.conf", "features", {"virtio"},
                                "features=\"{}\"");
    if (generator == "mkinitrd")
        return keep_in_variable(inventory, "/etc/sysconfig/kernel", "INITRD_MODULES", modules,
                                "INITRD_MODULES=\"{}\"");
    return std::nullopt;
}

std::vector<Action> regenerate(const Inventory& inventory,
                               const std::vector<const Kernel*>& kernels) {
    const auto& generator = inventory.initramfs_generator;
    if (kernels.empty())
        return {};
    if (generator == "initramfs-tools")
        return run_initramfs_tools(inventory, kernels);
    if (generator == "dracut")
        return run_dracut(inventory, kernels);
    if (generator == "mkinitcpio") // its presets name kernels and images
        return {run(*kernels.front(), kernels.front()->initramfs, {"mkinitcpio", "-P"})};
    if (generator == "mkinitfs")
        return run_mkinitfs(kernels);
    return {};
}

bool is_plain_version(std::string_view version) {
    if (version.empty() || version.size() > 200 || version.front() == '-' || version.front() == '.')
        return false;
    return std::all_of(version.begin(), version.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._+~-").find(c) != std::string_view::npos;
    });
}

} // namespace slipway::repair
