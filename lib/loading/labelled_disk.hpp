// SPDX-License-Identifier: Apache-2.0
// A disk of the machine, by the label of its filesystem.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "loading/image_format.hpp"

namespace slipway::loading {

/// Of ext4, xfs and btrfs, by their first head_size bytes; "" for others; pure.
[[nodiscard]] std::string label_of(std::string_view head, ImageFormat format);
/// The filesystem says of itself that it has errors, which only its fsck repairs: ext4; pure.
[[nodiscard]] bool has_errors(std::string_view head, ImageFormat format);

struct DiskWish {
    std::string label;
    std::string place;                     ///< a directory to mount it at; made if it is not there
    std::chrono::milliseconds wait{10000}; ///< for it to appear
    std::function<void()> look_for_devices = [] {}; ///< called while it has not appeared
    bool loops = false;                             ///< loop devices count, too; for tests
};

/// Mounted to be written; a journal is replayed. No link on it is followed, and no device on it
/// can be opened: a system that ran may have written to it.
class LabelledDisk {
public:
    /// Errors: NotFound; Exists: several have that label; Corrupt: it has to be repaired first;
    /// Unsupported: the kernel lacks the filesystem; Cancelled. CAP_SYS_ADMIN.
    [[nodiscard]] static Result<LabelledDisk> open(const DiskWish& wish, const Cancel& cancel);
    LabelledDisk(LabelledDisk&& other) noexcept
        : label_(std::move(other.label_)), place_(std::exchange(other.place_, {})) {}
    LabelledDisk& operator=(LabelledDisk&& other) noexcept;
    LabelledDisk(const LabelledDisk&) = delete;
    LabelledDisk& operator=(const LabelledDisk&) = delete;
    ~LabelledDisk();

    [[nodiscard]] const std::string& label() const { return label_; }
    [[nodiscard]] const std::string& path() const { return place_; }
    /// All is on the disk after it. Errors: what could not be written, Busy.
    [[nodiscard]] Status close();

private:
    LabelledDisk(std::string label, std::string place)
        : label_(std::move(label)), place_(std::move(place)) {}
    std::string label_;
    std::string place_; ///< "": closed
};

} // namespace slipway::loading
