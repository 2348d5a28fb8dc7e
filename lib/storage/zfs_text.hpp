// SPDX-License-Identifier: Apache-2.0
// Command lines of zpool and zfs, and what they say. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/process.hpp"

namespace slipway::storage {

struct PoolImport {
    std::string guid;
    std::string name;    ///< in this kernel, until it is exported; nothing of it gets on the disks
    std::string altroot; ///< before every mount point, so that no mount of the host's fits
    bool writable = false;
    std::vector<std::string> nodes{};
};
/// Looks at the named devices only, mounts nothing, and leaves no file behind.
[[nodiscard]] sys::ProcessSpec import_pool_spec(const PoolImport& pool);
/// What zpool says of the pools on these devices, without opening them.
[[nodiscard]] sys::ProcessSpec survey_pools_spec(const std::vector<std::string>& nodes);
/// The devices that it stands on.
[[nodiscard]] sys::ProcessSpec list_nodes_spec(const std::string& name);
[[nodiscard]] std::vector<std::string> parse_nodes(std::string_view text);
[[nodiscard]] sys::ProcessSpec export_pool_spec(const std::string& name);
[[nodiscard]] sys::ProcessSpec boot_dataset_spec(const std::string& name);
[[nodiscard]] sys::ProcessSpec list_datasets_spec(const std::string& name);
/// The key is given on stdin.
[[nodiscard]] sys::ProcessSpec load_key_spec(const std::string& dataset);

/// What the label of one device says of its pool: `zdb -l`.
struct PoolLabel {
    struct Leaf {
        std::string guid;
        std::string path; ///< where it was last
    };
    std::string guid;           ///< of the device
    std::string top;            ///< guid of the mirror or the like that it is in, or its own
    std::uint64_t tops = 0;     ///< of the whole pool
    std::vector<Leaf> leaves{}; ///< of this top
};
[[nodiscard]] sys::ProcessSpec read_label_spec(const std::string& node);
[[nodiscard]] PoolLabel parse_label(std::string_view text);
/// What the pool has besides these devices; empty: nothing.
[[nodiscard]] std::vector<std::string> missing_besides(const std::vector<PoolLabel>& labels);

[[nodiscard]] bool names_pool(std::string_view survey, std::string_view guid);
/// Devices that the pool lacks, as it knew them; at most a handful of a hostile one.
[[nodiscard]] std::vector<std::string> parse_missing_devices(std::string_view survey,
                                                             std::string_view guid);

struct Dataset {
    std::string name;          ///< below the pool's name: "/ROOT/debian", or "" for the topmost
    bool mountable = true;     ///< canmount is not off
    bool automatic = false;    ///< canmount=on
    bool locked = false;       ///< its key is not loaded
    std::string key_dataset{}; ///< the one whose key it has, as `name`
    std::uint64_t size = 0;    ///< bytes: what it refers to, and what is free
    std::string mountpoint{};  ///< "/home"; "legacy", "none"
};
/// Lines that are none are left out: text of the guest's may hold newlines.
[[nodiscard]] std::vector<Dataset> parse_datasets(std::string_view text, const PoolImport& pool);
/// Name below the pool's, or nothing: no dataset is to be booted.
[[nodiscard]] std::optional<std::string> parse_boot_dataset(std::string_view text,
                                                            const PoolImport& pool);
/// Whether a root may be looked for there: the dataset to be booted, else those that are mounted at
/// /, else those that an fstab mounts.
[[nodiscard]] std::vector<bool> root_candidates(const std::vector<Dataset>& datasets,
                                                const std::optional<std::string>& boot);

/// "slipway-1f2e3d4c5b6a7988"; whether a pool's name is one of these.
[[nodiscard]] std::string pool_name_here(std::uint64_t number);
[[nodiscard]] bool is_pool_of_ours(std::string_view name);

} // namespace slipway::storage
