// SPDX-License-Identifier: Apache-2.0
// cleanup: finds what a run that was killed may have left where the filesystem or kernel gave no
// better way (named temporaries on filesystems without O_TMPFILE, empty control groups), and
// finishes interrupted repairs.
#pragma once

#include <string>
#include <vector>

#include "ops/open_image.hpp"

namespace slipway::ops {

struct Leftover {
    std::string what; ///< path
    std::string why;
    bool removed = false;
};
struct CleanupRequest {
    std::vector<std::string> directories{}; ///< of images and outputs
    bool dry_run = false;
};
/// Never touches what a living process of ours uses.
[[nodiscard]] Result<std::vector<Leftover>> cleanup(const Context& context,
                                                    const CleanupRequest& request);
[[nodiscard]] Json to_json(const std::vector<Leftover>& found);

} // namespace slipway::ops
