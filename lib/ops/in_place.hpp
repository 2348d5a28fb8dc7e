// SPDX-License-Identifier: Apache-2.0
// Changing an image in place, crash-safe: fix, put and run --write. After a crash at any moment the
// image is as before or as after.
#pragma once

#include "ops/open_image.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {

/// How the changes get into the image; stands in the report.
enum class InPlaceWay {
    Clone,   ///< a reflink clone is changed and takes the image's name
    Journal, ///< the overlay is a journal beside the image while it is copied in
    Rewrite, ///< a new file of the format takes the image's name
};
[[nodiscard]] std::string_view name_of(InPlaceWay way);

class InPlace {
public:
    /// Opens the image for writing with an overlay that lies beside it and may become its journal.
    /// Unsupported, before any work, for formats that cannot be rewritten.
    [[nodiscard]] static Result<InPlace> open(const Context& context, const ImageOptions& options);
    [[nodiscard]] OpenImage& opened() { return opened_; }
    /// Brings the overlay's content into the image. The session must be closed. Cancelled only
    /// before it has begun.
    [[nodiscard]] Result<InPlaceWay> commit(const Context& context);

private:
    InPlace(sys::OutputFile journal, OpenImage opened)
        : journal_(std::move(journal)), opened_(std::move(opened)) {}
    sys::OutputFile journal_;
    OpenImage opened_;
};

} // namespace slipway::ops
