// SPDX-License-Identifier: Apache-2.0
#include "mount/volumes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::mount {
namespace {

constexpr std::string_view subvolume_prefix = "btrfs:";

std::string names_of(const Volumes& volumes) {
    std::vector<std::string> names;
    for (const auto& each : volumes)
        names.push_back(each.volume.name);
    return names.empty() ? "none" : join(names, ", ");
}

bool is_control(char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

} // namespace

const MountableVolume* find_volume(const Volumes& volumes, std::string_view name) {
    auto found = std::find_if(volumes.begin(), volumes.end(),
                              [&](const auto& each) { return each.volume.name == name; });
    return found == volumes.end() ? nullptr : &*found;
}

std::vector<std::string> sibling_nodes(const MountableVolume& volume, const Volumes& volumes) {
    std::vector<std::string> nodes;
    if (volume.volume.type != "btrfs" || volume.volume.uuid.empty())
        return nodes;
    for (const auto& each : volumes)
        if (each.volume.uuid == volume.volume.uuid && each.volume.name != volume.volume.name &&
            !each.node.empty())
            nodes.push_back(each.node);
    return nodes;
}

bool is_safe_subvolume(std::string_view subvolume) {
    if (subvolume.empty() || subvolume.size() > 4000)
        return false;
    if (subvolume.find(',') != std::string_view::npos ||
        std::any_of(subvolume.begin(), subvolume.end(), is_control))
        return false;
    auto parts = split(subvolume, '/');
    return std::find(parts.begin(), parts.end(), "..") == parts.end();
}

Result<RootName> parse_root_name(std::string_view name, const Volumes& volumes) {
    if (find_volume(volumes, name) != nullptr)
        return RootName{.volume = std::string(name)};
    if (name.starts_with(subvolume_prefix)) {
        auto rest = name.substr(subvolume_prefix.size());
        // "vg/lv" holds a slash itself, so the volumes there are decide where its name ends.
        for (const auto& each : volumes) {
            const auto& volume = each.volume.name;
            if (!rest.starts_with(volume) || rest.size() <= volume.size() + 1 ||
                rest[volume.size()] != '/')
                continue;
            auto subvolume = rest.substr(volume.size() + 1);
            if (!is_safe_subvolume(subvolume))
                return fail(Code::InvalidArgument,
                            fmt::format("'{}' is no name of a subvolume", printable(subvolume)));
            return RootName{.volume = volume, .subvolume = std::string(subvolume)};
        }
    }
    return fail(Code::NotFound, fmt::format("the image has no volume '{}'", printable(name)),
                fmt::format("its volumes are: {}", names_of(volumes)));
}

std::string render_root_name(const RootName& root) {
    if (root.subvolume.empty())
        return root.volume;
    return fmt::format("{}{}/{}", subvolume_prefix, root.volume, root.subvolume);
}

} // namespace slipway::mount
