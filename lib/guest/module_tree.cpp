// SPDX-License-Identifier: Apache-2.0
#include "guest/module_tree.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace slipway::guest {
namespace {

constexpr std::size_t max_index = 32 << 20; // bytes; Debian's modules.dep has 0.7 MB

// Old depmods wrote absolute paths: /lib/modules/VERSION/kernel/….
std::string_view below_version(std::string_view path) {
    constexpr std::string_view prefix = "/lib/modules/";
    if (path.substr(0, prefix.size()) != prefix)
        return path;
    auto slash = path.find('/', prefix.size());
    return slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
}

} // namespace

std::string module_name_of(std::string_view path) {
    auto file = basename_of(path);
    auto suffix = file.find(".ko");
    if (suffix == std::string_view::npos || suffix == 0)
        return {};
    auto after = file.substr(suffix + 3);
    if (!after.empty() && after != ".gz" && after != ".xz" && after != ".zst")
        return {};
    std::string name(file.substr(0, suffix));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

const std::vector<std::string>& virtio_disk_modules() {
    // sd_mod: a disk on virtio-scsi is a SCSI disk.
    static const std::vector<std::string> modules{"virtio_pci", "virtio_blk", "virtio_scsi",
                                                  "sd_mod"};
    return modules;
}

bool is_indispensable(std::string_view module) {
    return module == "virtio_pci" || module == "virtio_blk";
}

ModuleTree ModuleTree::parse(std::string_view modules_dep, std::string_view modules_builtin) {
    ModuleTree tree;
    for (auto line : split_lines(modules_dep)) {
        auto colon = line.find(':');
        if (colon == std::string_view::npos)
            continue;
        auto path = below_version(line.substr(0, colon));
        auto name = module_name_of(path);
        if (name.empty())
            continue;
        Module module{.path = std::string(path), .needs = {}};
        for (auto need : split_words(line.substr(colon + 1)))
            if (auto needed = module_name_of(need); !needed.empty())
                module.needs.push_back(std::move(needed));
        tree.modules_.insert_or_assign(std::move(name), std::move(module));
    }
    for (auto line : split_lines(modules_builtin))
        if (auto name = module_name_of(trim(line)); !name.empty())
            tree.builtin_.insert(std::move(name));
    return tree;
}

Result<ModuleTree> ModuleTree::read(const sys::RootDir& root, const sys::GuestPath& directory) {
    SLIPWAY_TRY(auto dep, root.read(directory / "modules.dep", max_index));
    auto builtin = root.read(directory / "modules.builtin", max_index);
    if (!builtin && builtin.error().code != Code::NotFound)
        return fail(std::move(builtin).error());
    return parse(dep, builtin ? *builtin : "");
}

const std::string* ModuleTree::path_of(const std::string& name) const {
    auto found = modules_.find(name);
    return found == modules_.end() ? nullptr : &found->second.path;
}

std::vector<std::string> ModuleTree::closure(const std::vector<std::string>& names) const {
    std::set<std::string> found;
    auto waiting = names;
    while (!waiting.empty()) {
        auto name = std::move(waiting.back());
        waiting.pop_back();
        auto module = modules_.find(name);
        if (module == modules_.end() || !found.insert(name).second)
            continue;
        waiting.insert(waiting.end(), module->second.needs.begin(), module->second.needs.end());
    }
    return {found.begin(), found.end()};
}

std::map<std::string, std::string> ModuleTree::paths() const {
    std::map<std::string, std::string> paths;
    for (const auto& [name, module] : modules_)
        paths.emplace(name, module.path);
    return paths;
}

} // namespace slipway::guest
