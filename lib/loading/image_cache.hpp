// SPDX-License-Identifier: Apache-2.0
// Images that stay on a disk from one start of the machine to the next.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "loading/labelled_disk.hpp"
#include "loading/store.hpp"

namespace slipway::loading {

class ImageCache {
public:
    /// In a directory of that disk, which is mounted until its end. `limit`: bytes of all images;
    /// without it a tenth of the disk stays free. Errors: those of LabelledDisk::open.
    [[nodiscard]] static Result<ImageCache>
    open(const DiskWish& wish, std::optional<std::uint64_t> limit, const Cancel& cancel);

    [[nodiscard]] const ImageStore& store() const { return store_; }
    [[nodiscard]] const std::string& label() const { return disk_.label(); }
    /// Bytes for one image more, if all others give way.
    [[nodiscard]] std::uint64_t most() const;
    /// The oldest images give way, and are told. NoSpace: that would not do, and none does.
    [[nodiscard]] Status make_room(std::uint64_t bytes,
                                   const std::function<void(const std::string&)>& say) const;

private:
    ImageCache(LabelledDisk disk, ImageStore store, std::optional<std::uint64_t> limit)
        : disk_(std::move(disk)), store_(std::move(store)), limit_(limit) {}
    [[nodiscard]] std::uint64_t room() const;
    LabelledDisk disk_;
    ImageStore store_;
    std::optional<std::uint64_t> limit_;
};

} // namespace slipway::loading
