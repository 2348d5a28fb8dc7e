// SPDX-License-Identifier: Apache-2.0
#include "guest/initramfs_contents.hpp"

#include <algorithm>
#include <array>

#include <sys/stat.h>

#include "base/strings.hpp"
#include "guest/boot_files.hpp"
#include "guest/module_tree.hpp"

namespace slipway::guest {
namespace {

constexpr std::size_t max_small_file = 8 << 20;
constexpr std::size_t max_boot_file = 64 << 10;
constexpr std::size_t max_boot_files = 64;
constexpr std::size_t max_path = 1024; // of a module; longer names are nobody's modules
constexpr std::array<std::string_view, 2> roots{"usr/lib/modules", "lib/modules"};
constexpr std::array<std::string_view, 4> index_files{"modules.dep", "modules.builtin",
                                                      "modules.builtin.modinfo", "modules.order"};
constexpr std::array<std::string_view, 2> config_files{"conf/modules", "config"};

template <class List> bool contains(const List& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

std::set<std::string> strings_of(const Json& json) {
    std::set<std::string> strings;
    for (const auto& item : json)
        if (item.is_string())
            strings.insert(item.get<std::string>());
    return strings;
}

} // namespace

Json to_json(const InitramfsContents& contents) {
    return {{"modules_root", contents.modules_root},
            {"modules", contents.modules},
            {"builtin", contents.builtin},
            {"has_index", contents.has_index},
            {"boot_files", contents.boot_files}};
}

InitramfsContents contents_from_json(const Json& json) {
    return {.modules_root = json_get<std::string>(json, "modules_root"),
            .modules = strings_of(json_at(json, "modules")),
            .builtin = strings_of(json_at(json, "builtin")),
            .has_index = json_get<bool>(json, "has_index"),
            .boot_files = json_get<std::map<std::string, std::string>>(json, "boot_files")};
}

std::string_view ContentsCollector::path_below_version(std::string_view path) const {
    return place_of(path).below;
}

ContentsCollector::Place ContentsCollector::place_of(std::string_view path) const {
    for (auto root : roots) {
        if (path.size() > max_path || !path.starts_with(root) ||
            path.substr(root.size()).substr(0, 1) != "/")
            continue;
        auto rest = path.substr(root.size() + 1);
        auto slash = rest.find('/');
        if (slash == std::string_view::npos || slash == 0 ||
            (!kernel_.empty() && rest.substr(0, slash) != kernel_))
            return {};
        return {.root = root, .version = rest.substr(0, slash), .below = rest.substr(slash + 1)};
    }
    return {};
}

void ContentsCollector::note_style(std::string_view path) {
    if (path == "conf/initramfs.conf")
        style_ = InitramfsStyle::InitramfsTools;
    else if (path == "buildconfig")
        style_ = InitramfsStyle::Mkinitcpio;
    else if (path.starts_with("usr/lib/dracut/") || path.starts_with("lib/dracut/"))
        style_ = InitramfsStyle::Dracut;
}

Status ContentsCollector::visit(const archive::InitramfsEntry& entry,
                                archive::EntryContent& content) {
    note_style(entry.path);
    if (!S_ISREG(entry.mode) && !S_ISLNK(entry.mode))
        return {};
    auto [root, version, below] = place_of(entry.path);
    if (!below.empty()) {
        modules_root_ = root;
        kernel_ = version; // where any was welcome, it is the first one
    }
    if (!module_name_of(below).empty()) {
        module_paths_.emplace(below);
        return {};
    }
    bool is_elsewhere =
        entry.size == 0 && entry.links > 1; // content stands at another of its names
    if (S_ISREG(entry.mode) && !is_elsewhere && entry.size <= max_boot_file &&
        (kind_of_initramfs_file(entry.path) != BootFileKind::None ||
         device_table_at(entry.path) != DeviceTable::None)) {
        boot_files_.erase(entry.path); // of an archive before this one
        SLIPWAY_TRY(auto text, content.read(max_boot_file));
        if (text.find("/dev/") != std::string::npos && boot_files_.size() < max_boot_files)
            boot_files_.emplace(entry.path, std::move(text));
        return {};
    }
    std::string wanted;
    if (contains(index_files, below))
        wanted = below;
    else if (contains(config_files, entry.path))
        wanted = entry.path;
    if (wanted.empty() || is_elsewhere || !S_ISREG(entry.mode))
        return {};
    SLIPWAY_TRY(auto text, content.read(max_small_file));
    files_.insert_or_assign(std::move(wanted), std::move(text));
    return {};
}

InitramfsContents ContentsCollector::finish() const {
    auto text_of = [&](const char* name) {
        auto found = files_.find(name);
        return found == files_.end() ? std::string_view{} : std::string_view(found->second);
    };
    auto index = ModuleTree::parse(text_of("modules.dep"), text_of("modules.builtin"));
    InitramfsContents contents{
        .modules_root = modules_root_, .modules = {}, .builtin = index.builtin()};
    contents.has_index = files_.contains("modules.dep");
    contents.boot_files = boot_files_;
    for (const auto& [name, path] : index.paths())
        if (module_paths_.contains(path))
            contents.modules.insert(name);
    return contents;
}

Result<InitramfsContents> read_initramfs_contents(sys::BorrowedFd file, const std::string& kernel) {
    ContentsCollector collector(kernel);
    auto visitor = [&](const archive::InitramfsEntry& entry, archive::EntryContent& content) {
        return collector.visit(entry, content);
    };
    SLIPWAY_TRY([[maybe_unused]] auto layout, archive::read_initramfs(file, visitor));
    return collector.finish();
}

} // namespace slipway::guest
