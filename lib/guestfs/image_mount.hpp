// SPDX-License-Identifier: Apache-2.0
// An image's files under a directory of this machine, as `slipway mount` shows them.
#pragma once

#include <functional>
#include <string>

#include "ops/open_image.hpp"

namespace slipway::guestfs {

struct ImageMountRequest {
    std::string directory; ///< empty, and the caller's
    bool write = false;    ///< change the image in place, when the directory is unmounted
    std::string options{}; ///< further mount options of FUSE
    /// Called when the directory shows the files; an error unmounts.
    std::function<Status()> ready{};
};

/// Shows the guest's files, with all that its fstab mounts, until the directory is unmounted or
/// `context` asks to stop: both are a good end, after which changes go into the image. Needs FUSE
/// and fusermount3, no root. Unsupported and Permission name what is missing; InvalidArgument for a
/// directory that is not empty; otherwise the errors of `ops::list`, with `write` of `ops::put`.
/// Protocol where the worker died: the image is as before then.
[[nodiscard]] Status mount_image(const ops::Context& context, const ops::ImageOptions& image,
                                 const ImageMountRequest& request);

} // namespace slipway::guestfs
