// SPDX-License-Identifier: Apache-2.0
// What of the options of a guest's fstab line we follow.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway::mount {

/// The options that choose what is seen, and those that say how data are stored. All others are
/// the running guest's affair ("ro", "noatime", quotas), or could hurt the host ("device=",
/// "errors=panic", "loop").
struct FstabOptions {
    std::string subvolume{};    ///< of btrfs, without a leading slash
    std::string subvolume_id{}; ///< of btrfs, digits
    std::vector<std::string> extra{};
    bool automatic = true; ///< no "noauto"
    bool optional = false; ///< "nofail": the guest boots without it
    bool bind = false;
};
/// `type` as libblkid names the filesystem that is there. Values that could be taken for further
/// options are dropped. Pure.
[[nodiscard]] FstabOptions parse_fstab_options(std::string_view options, std::string_view type);

} // namespace slipway::mount
