// SPDX-License-Identifier: Apache-2.0
#include "storage/names.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::storage {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == '+';
}

} // namespace

std::string partition_base(const std::string& container) {
    return !container.empty() && is_digit(container.back()) ? container + "p" : container;
}

std::string group_label(const GroupName& group) {
    return group.twin ? fmt::format("{}@{}", group.name, group.uuid.substr(0, 6)) : group.name;
}

std::string mapper_name(std::string_view group, std::string_view volume) {
    return fmt::format("{}-{}", replace_all(std::string(group), "-", "--"),
                       replace_all(std::string(volume), "-", "--"));
}

std::string mapper_uuid(std::string_view group_uuid, std::string_view volume_uuid) {
    return fmt::format("LVM-{}{}", replace_all(std::string(group_uuid), "-", ""),
                       replace_all(std::string(volume_uuid), "-", ""));
}

std::string array_name(std::string_view stored) {
    auto colon = stored.find(':');
    std::string name(colon == std::string_view::npos ? stored : stored.substr(colon + 1));
    // 32 bytes of the guest's choice become a part of names that people type.
    for (auto& c : name)
        if (!is_word(c))
            c = '_';
    return name;
}

std::string array_uuid(std::string_view mdadm_form) {
    auto digits = to_lower(replace_all(std::string(mdadm_form), ":", ""));
    if (digits.size() != 32)
        return std::string(mdadm_form);
    for (auto at : {20U, 16U, 12U, 8U})
        digits.insert(at, "-");
    return digits;
}

bool selects(std::string_view selector, std::string_view volume, std::string_view uuid) {
    constexpr std::string_view dev = "/dev/", mapper = "/dev/mapper/";
    if (selector == "all" || selector == volume)
        return true;
    if (!uuid.empty() && to_lower(selector) == to_lower(uuid))
        return true;
    auto slash = volume.find('/');
    if (selector.starts_with(mapper) && slash != std::string_view::npos)
        return selector.substr(mapper.size()) ==
               mapper_name(volume.substr(0, slash), volume.substr(slash + 1));
    return selector.starts_with(dev) && selector.substr(dev.size()) == volume;
}

} // namespace slipway::storage
