// SPDX-License-Identifier: Apache-2.0
#include "storage/zfs_text.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::storage {
namespace {

constexpr std::string_view our_prefix = "slipway-";
constexpr std::size_t most_datasets = 1000;
constexpr std::size_t most_named = 8;

// "/ROOT/debian" of "slipway-1f…/ROOT/debian": the guest cannot know our name, so no text of its
// makes a line that looks like one of zfs's.
std::optional<std::string> below_pool(std::string_view name, const PoolImport& pool) {
    if (!name.starts_with(pool.name))
        return std::nullopt;
    name.remove_prefix(pool.name.size());
    if (!name.empty() && !name.starts_with('/'))
        return std::nullopt;
    // zfs(8) allows these; and each part of a hostile image's is no way up.
    constexpr std::string_view usual =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.: /";
    for (auto part : split(name, '/'))
        if (part == "." || part == "..")
            return std::nullopt;
    if (name.find_first_not_of(usual) != std::string_view::npos)
        return std::nullopt;
    return std::string(name);
}

std::string without_altroot(std::string_view mountpoint, std::string_view altroot) {
    if (!mountpoint.starts_with(altroot))
        return std::string(mountpoint);
    mountpoint.remove_prefix(altroot.size());
    return mountpoint.empty() ? "/" : std::string(mountpoint);
}

void add_nodes(sys::ProcessSpec& spec, const std::vector<std::string>& nodes) {
    for (const auto& node : nodes)
        spec.argv.insert(spec.argv.end(), {"-d", node});
}

} // namespace

sys::ProcessSpec import_pool_spec(const PoolImport& pool) {
    // -f: it was last open on another machine. -t: under a name that this kernel has not.
    sys::ProcessSpec spec{
        .argv = {"zpool", "import", "-N", "-f", "-o", "cachefile=none", "-R", pool.altroot}};
    if (!pool.writable)
        spec.argv.insert(spec.argv.end(), {"-o", "readonly=on"});
    add_nodes(spec, pool.nodes);
    spec.argv.insert(spec.argv.end(), {"-t", pool.guid, pool.name});
    return spec;
}

sys::ProcessSpec survey_pools_spec(const std::vector<std::string>& nodes) {
    sys::ProcessSpec spec{.argv = {"zpool", "import"}};
    add_nodes(spec, nodes);
    return spec;
}

sys::ProcessSpec list_nodes_spec(const std::string& name) {
    return {.argv = {"zpool", "list", "-vHP", name}};
}

std::vector<std::string> parse_nodes(std::string_view text) {
    std::vector<std::string> nodes;
    for (auto line : split_lines(text))
        for (auto field : split(line, '\t'))
            if (field.starts_with("/dev/"))
                nodes.emplace_back(field);
    return nodes;
}

sys::ProcessSpec export_pool_spec(const std::string& name) {
    return {.argv = {"zpool", "export", name}};
}

sys::ProcessSpec boot_dataset_spec(const std::string& name) {
    return {.argv = {"zpool", "get", "-Hp", "-o", "value", "bootfs", name}};
}

sys::ProcessSpec list_datasets_spec(const std::string& name) {
    // What may hold anything comes last.
    return {.argv = {"zfs", "list", "-Hp", "-r", "-t", "filesystem", "-o",
                     "name,canmount,keystatus,encryptionroot,referenced,available,mountpoint",
                     name}};
}

sys::ProcessSpec load_key_spec(const std::string& dataset) {
    return {.argv = {"zfs", "load-key", "-L", "prompt", dataset}};
}

sys::ProcessSpec read_label_spec(const std::string& node) {
    return {.argv = {"zdb", "-l", node}};
}

PoolLabel parse_label(std::string_view text) {
    constexpr std::string_view of_pool = "    "; // deeper is the tree
    PoolLabel label;
    unsigned labels = 0;
    std::string guid;
    for (auto line : split_lines(text)) {
        // A device that was written halfway has several, the newest first or not: one is enough.
        if (line.starts_with("LABEL ") && ++labels > 1)
            break;
        auto colon = line.find(": ");
        if (colon == std::string_view::npos)
            continue;
        auto key = trim(line.substr(0, colon)), value = trim(line.substr(colon + 2));
        bool top_level = line.starts_with(of_pool) && line.find_first_not_of(' ') == of_pool.size();
        if (key == "guid" && top_level)
            label.guid = value;
        else if (key == "guid")
            guid = value;
        else if (key == "top_guid" && top_level)
            label.top = value;
        else if (key == "vdev_children" && top_level)
            label.tops = parse_number(value).value_or(0);
        else if (key == "path" && !top_level && value.size() > 2 && !guid.empty())
            label.leaves.push_back(
                {std::exchange(guid, {}), printable(value.substr(1, value.size() - 2))});
    }
    return label;
}

std::vector<std::string> missing_besides(const std::vector<PoolLabel>& labels) {
    std::set<std::string> devices, tops, missing;
    std::uint64_t all_tops = 0;
    for (const auto& label : labels) {
        devices.insert(label.guid);
        tops.insert(label.top);
        all_tops = std::max(all_tops, label.tops);
    }
    for (const auto& label : labels)
        for (const auto& leaf : label.leaves)
            if (!devices.contains(leaf.guid))
                missing.insert(leaf.path);
    std::vector<std::string> names(missing.begin(), missing.end());
    names.resize(std::min(names.size(), most_named));
    if (tops.size() < all_tops)
        names.push_back(fmt::format("{} of its {} parts", all_tops - tops.size(), all_tops));
    return names;
}

bool names_pool(std::string_view survey, std::string_view guid) {
    for (auto line : split_lines(survey))
        if (auto words = split_words(line);
            words.size() == 2 && words[0] == "id:" && words[1] == guid)
            return true;
    return false;
}

std::vector<std::string> parse_missing_devices(std::string_view survey, std::string_view guid) {
    std::vector<std::string> missing;
    bool ours = false, in_tree = false;
    for (auto line : split_lines(survey)) {
        auto words = split_words(line);
        if (words.empty())
            continue;
        if (words[0] == "pool:")
            ours = in_tree = false;
        else if (words[0] == "id:")
            ours = words.size() > 1 && words[1] == guid;
        else if (words[0] == "config:")
            in_tree = true;
        else if (ours && in_tree && words.size() > 1 &&
                 (words[1] == "UNAVAIL" || words[1] == "REMOVED" || words[1] == "FAULTED"))
            missing.emplace_back(printable(words[0]));
    }
    // The pool itself and the groups of it that cannot be are named before their devices.
    auto is_group = [first = true](const std::string& name) mutable {
        bool is = first || name.starts_with("mirror-") || name.starts_with("raidz") ||
                  name.starts_with("draid") || name == "logs";
        first = false;
        return is;
    };
    std::erase_if(missing, is_group);
    missing.resize(std::min(missing.size(), most_named));
    return missing;
}

std::vector<Dataset> parse_datasets(std::string_view text, const PoolImport& pool) {
    std::vector<Dataset> datasets;
    for (auto line : split_lines(text)) {
        auto fields = split(line, '\t');
        if (fields.size() != 7 || datasets.size() == most_datasets)
            continue;
        auto name = below_pool(fields[0], pool);
        if (!name)
            continue;
        datasets.push_back(
            {.name = std::move(*name),
             .mountable = fields[1] != "off",
             .automatic = fields[1] == "on",
             .locked = fields[2] == "unavailable",
             .key_dataset = below_pool(fields[3], pool).value_or(""),
             .size = parse_number(fields[4]).value_or(0) + parse_number(fields[5]).value_or(0),
             .mountpoint = without_altroot(fields[6], pool.altroot)});
    }
    return datasets;
}

std::optional<std::string> parse_boot_dataset(std::string_view text, const PoolImport& pool) {
    return below_pool(trim(text), pool);
}

std::vector<bool> root_candidates(const std::vector<Dataset>& datasets,
                                  const std::optional<std::string>& boot) {
    auto mark = [&](auto test) {
        std::vector<bool> marks;
        marks.reserve(datasets.size());
        for (const auto& each : datasets)
            marks.push_back(test(each));
        return marks;
    };
    auto any = [](const std::vector<bool>& marks) {
        return std::find(marks.begin(), marks.end(), true) != marks.end();
    };
    if (boot)
        if (auto marks = mark([&](const auto& each) { return each.name == *boot; }); any(marks))
            return marks;
    if (auto marks = mark([](const auto& each) { return each.mountpoint == "/"; }); any(marks))
        return marks;
    return mark([](const auto& each) { return each.mountpoint == "legacy"; });
}

std::string pool_name_here(std::uint64_t number) {
    return fmt::format("{}{:016x}", our_prefix, number);
}

bool is_pool_of_ours(std::string_view name) {
    if (!name.starts_with(our_prefix))
        return false;
    name.remove_prefix(our_prefix.size());
    return name.size() == 16 &&
           name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

} // namespace slipway::storage
