// SPDX-License-Identifier: Apache-2.0
// Changing images in place, crash-safe: fix, put, run --write, and the disks of an API. After a
// crash at any moment all images are as before or all are as after.
#pragma once

#include "ops/open_image.hpp"

namespace slipway::ops {

/// How the changes get into the image; stands in the report.
enum class InPlaceWay {
    Clone,   ///< a reflink clone is changed and takes the image's name
    Journal, ///< the overlay is a journal beside the image while it is copied in
    Rewrite, ///< a new file of the format takes the image's name
    None,    ///< no disk is kept
};
[[nodiscard]] std::string_view name_of(InPlaceWay way);

class InPlace {
public:
    /// Opens an image and its further disks to be changed.
    [[nodiscard]] static Result<InPlace> open(const Context& context, const ImageOptions& options);
    /// Opens disks, each for its own use; what is kept has an overlay beside its image, which may
    /// become its journal. Unsupported, before any work, for block devices, for formats that
    /// cannot be rewritten, and for several disks where one cannot have a journal.
    [[nodiscard]] static Result<InPlace> open(const Context& context, const EngineOptions& options,
                                              const std::vector<DiskOptions>& disks,
                                              session::FirstCall first = {});
    [[nodiscard]] OpenImage& opened() { return opened_; }
    [[nodiscard]] const OpenImage& opened() const { return opened_; }
    /// Brings what is kept into the images, all or none. The session must be closed. Cancelled only
    /// before it has begun. Without it everything is dropped.
    [[nodiscard]] Result<InPlaceWay> commit(const Context& context);

private:
    explicit InPlace(OpenImage opened) : opened_(std::move(opened)) {}
    OpenImage opened_;
};

} // namespace slipway::ops
