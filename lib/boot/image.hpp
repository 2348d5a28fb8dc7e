// SPDX-License-Identifier: Apache-2.0
// What was fetched, as a root to be entered.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "boot/image_format.hpp"
#include "boot/options.hpp"
#include "sys/fd.hpp"
#include "sys/loop_device.hpp"

namespace slipway::boot {

/// A root below `directory`, which must be empty: the image itself is never written.
class ImageRoot {
public:
    /// Mounts or unpacks it; what is written goes to memory. `program` is this one, started again
    /// to unpack, see main(). NoSpace, Corrupt, Unsupported: the kernel lacks the filesystem.
    /// CAP_SYS_ADMIN.
    [[nodiscard]] static Result<ImageRoot> open(sys::BorrowedFd file, ImageFormat format,
                                                const std::string& directory,
                                                const std::string& program = "/proc/self/exe");
    ImageRoot(ImageRoot&&) noexcept = default;
    ImageRoot& operator=(ImageRoot&&) noexcept = default;
    ~ImageRoot();

    [[nodiscard]] const std::string& path() const { return root_; }
    /// Unmounts all. Busy: who uses it.
    [[nodiscard]] Status close();

private:
    ImageRoot() = default;
    Status mount_file(sys::BorrowedFd file, ImageFormat format, const std::string& directory);
    Status unpack(sys::BorrowedFd file, const std::string& directory, const std::string& program);
    std::string root_;
    std::vector<std::string> mounts_; ///< innermost last
    std::unique_ptr<sys::LoopDevice> loop_;
};

/// Unsupported where programs of that machine, as `uname -m` names it, do not run here.
[[nodiscard]] Status check_machine(std::string_view machine);
/// What will be PID 1: the path in the root. NotFound: there is none; Unsupported: it is of another
/// architecture.
[[nodiscard]] Result<std::string> find_init(const std::string& root);
/// Of the systemd in it, by the name of its library; 0: none.
[[nodiscard]] std::uint64_t systemd_version(const std::string& root);

/// What is to be entered.
struct Entrance {
    ImageRoot root;
    std::string init;
    Entry entry = Entry::Contained;
    std::uint64_t systemd = 0; ///< its version; 0: another init
    std::string digest;        ///< SHA-256 of the image
    std::string url;
    std::optional<std::chrono::seconds> return_after{};
    std::chrono::seconds deadline{20}; ///< for an orderly end, then it is killed
};

/// Unpacks the archive on descriptor 0 into the working directory, which is the root: what
/// ImageRoot starts this program again for, see main().
[[nodiscard]] Status unpack_standard_input();

} // namespace slipway::boot
