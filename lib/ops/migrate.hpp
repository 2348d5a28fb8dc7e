// SPDX-License-Identifier: Apache-2.0
// migrate: a disk of another hypervisor goes in, a disk that boots under virtio comes out. The data
// is copied once.
#pragma once

#include <optional>
#include <string>

#include "ops/mend.hpp"

namespace slipway::ops {

struct MigrateRequest {
    ImageOptions image;
    std::string output;
    image::Format format = image::Format::Qcow2;
    bool compress = false;
    std::uint64_t grow_by = 0; ///< bytes
    bool dry_run = false;
    report::Policy policy{};
    std::chrono::milliseconds tool_deadline = default_tool_deadline;
};

/// Fills the report also when it fails. The source is never written; the output is whole or absent.
/// Exists, NoSpace, Permission for the output; the errors of open_image and mend.
[[nodiscard]] Status migrate(const Context& context, const MigrateRequest& request,
                             report::Report& report);

} // namespace slipway::ops
