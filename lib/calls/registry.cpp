// SPDX-License-Identifier: Apache-2.0
#include "calls/registry.hpp"

#include <array>

namespace slipway::calls {
namespace {

constexpr std::array families{mount_calls,
                              device_calls,
                              stat_calls,
                              content_calls,
                              archives_calls,
                              attributes_calls,
                              augeas_calls,
                              btrfs_calls,
                              commands_calls,
                              features_calls,
                              filesystems_calls,
                              hivex_calls,
                              inspection_calls,
                              luks_calls,
                              lvm_calls,
                              md_calls,
                              partitions_calls,
                              search_calls,
                              copying_calls,
                              digest_calls,
                              grep_calls,
                              lines_calls,
                              listing_calls,
                              making_calls,
                              permission_calls,
                              block_calls,
                              ext_calls,
                              label_calls,
                              mkfs_calls,
                              ntfs_calls,
                              swap_calls,
                              xfs_calls,
                              btrfs_upkeep_calls,
                              logical_volume_calls,
                              partition_attribute_calls};

} // namespace

const Call* find_call(std::string_view name) {
    for (auto family : families)
        for (const auto& call : family())
            if (call.name == name)
                return &call;
    return nullptr;
}

std::vector<std::string_view> call_names() {
    std::vector<std::string_view> names;
    for (auto family : families)
        for (const auto& call : family())
            names.push_back(call.name);
    return names;
}

} // namespace slipway::calls
