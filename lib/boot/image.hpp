// SPDX-License-Identifier: Apache-2.0
// What was fetched, by its content, and as a root to be entered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/loop_device.hpp"

namespace slipway::boot {

enum class ImageFormat { Squashfs, Erofs, Ext4, Xfs, Btrfs, Tar };
[[nodiscard]] std::string_view name_of(ImageFormat format);

/// Bytes that identify_image has to see.
constexpr std::size_t head_size = 66 << 10;
/// By magic numbers; pure. Unsupported: what it is instead, and what to do with it.
[[nodiscard]] Result<ImageFormat> identify_image(std::string_view head);

/// A root below `directory`, which must be empty: the image itself is never written.
class ImageRoot {
public:
    /// Mounts or unpacks it; what is written goes to memory. NoSpace, Corrupt, Unsupported: the
    /// kernel lacks the filesystem. CAP_SYS_ADMIN.
    [[nodiscard]] static Result<ImageRoot> open(sys::BorrowedFd file, ImageFormat format,
                                                const std::string& directory);
    ImageRoot(ImageRoot&&) noexcept = default;
    ImageRoot& operator=(ImageRoot&&) noexcept = default;
    ~ImageRoot();

    [[nodiscard]] const std::string& path() const { return root_; }
    /// Unmounts all. Busy: who uses it.
    [[nodiscard]] Status close();

private:
    ImageRoot() = default;
    Status mount_file(sys::BorrowedFd file, ImageFormat format, const std::string& directory);
    Status unpack(sys::BorrowedFd file, const std::string& directory);
    std::string root_;
    std::vector<std::string> mounts_; ///< innermost last
    std::unique_ptr<sys::LoopDevice> loop_;
};

/// What will be PID 1: the path in the root. NotFound: there is none; Unsupported: it is of another
/// architecture.
[[nodiscard]] Result<std::string> find_init(const std::string& root);

/// Unpacks the archive on descriptor 0 into the working directory, which is the root: what
/// ImageRoot starts this program again for, see main().
[[nodiscard]] Status unpack_standard_input();

} // namespace slipway::boot
