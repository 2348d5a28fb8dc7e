// SPDX-License-Identifier: Apache-2.0
#include "mount/fstab_options.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "mount/volumes.hpp"

namespace slipway::mount {
namespace {

struct Allowed {
    std::string_view type;
    std::string_view option;
};
constexpr std::array allowed{
    Allowed{"btrfs", "compress"}, Allowed{"btrfs", "compress-force"}, Allowed{"btrfs", "nodatacow"},
    Allowed{"vfat", "utf8"},      Allowed{"vfat", "shortname"},       Allowed{"vfat", "umask"},
};

bool is_plain_value(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '-';
    });
}

bool is_allowed(std::string_view type, std::string_view name, std::string_view value) {
    return is_plain_value(value) &&
           std::any_of(allowed.begin(), allowed.end(),
                       [&](const auto& each) { return each.type == type && each.option == name; });
}

std::string_view without_leading_slashes(std::string_view path) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    return path;
}

} // namespace

FstabOptions parse_fstab_options(std::string_view options, std::string_view type) {
    FstabOptions result;
    for (auto option : split(options, ',')) {
        auto equals = option.find('=');
        auto name = option.substr(0, equals);
        auto value =
            equals == std::string_view::npos ? std::string_view{} : option.substr(equals + 1);
        if (name == "noauto")
            result.automatic = false;
        else if (name == "nofail")
            result.optional = true;
        else if (name == "bind" || name == "rbind")
            result.bind = true;
        else if (type == "btrfs" && name == "subvol" &&
                 is_safe_subvolume(without_leading_slashes(value)))
            result.subvolume = without_leading_slashes(value);
        else if (type == "btrfs" && name == "subvolid" && parse_number(value))
            result.subvolume_id = value;
        else if (is_allowed(type, name, value))
            result.extra.emplace_back(option);
    }
    return result;
}

} // namespace slipway::mount
