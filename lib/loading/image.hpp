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
#include "loading/image_format.hpp"
#include "loading/labelled_disk.hpp"
#include "loading/lazy_image.hpp"
#include "loading/load_request.hpp"
#include "loading/partitions.hpp"
#include "sys/fd.hpp"
#include "sys/loop_device.hpp"
#include "sys/mount.hpp"

namespace slipway::loading {

/// Where what is written to an image stays.
struct WrittenPlace {
    LabelledDisk disk;
    std::string directory; ///< on it
};
/// The directory of one image, by its digest; made where it is not there. `url`: noted in it, for
/// whoever looks. Errors: those of LabelledDisk::open, NoSpace.
[[nodiscard]] Result<WrittenPlace>
open_written_place(const DiskWish& wish, const std::string& digest, const std::string& url);

struct RootPlaces {
    std::string directory;                  ///< an empty one, for the root and what it is made of
    std::string program = "/proc/self/exe"; ///< this one, started again to unpack, see main()
    std::optional<WrittenPlace> written{};  ///< none: in memory
    std::shared_ptr<LazyImage> lazy{};      ///< whose file it is; none: all of it is there
};

/// A root of an image, which itself is never written.
class ImageRoot {
public:
    /// Mounts or unpacks it. NoSpace, Corrupt, Unsupported: the kernel lacks the filesystem.
    /// Of a disk the first partition is taken that has an init. CAP_SYS_ADMIN.
    [[nodiscard]] static Result<ImageRoot> open(sys::BorrowedFd file, ImageFormat format,
                                                RootPlaces places);
    ImageRoot(ImageRoot&&) noexcept = default;
    ImageRoot& operator=(ImageRoot&&) noexcept = default;
    ~ImageRoot();

    [[nodiscard]] const std::string& path() const { return root_; }
    /// Of an image that is not all there; see LazyImage. None: of others.
    [[nodiscard]] LazyImage* lazy() const { return lazy_.get(); }
    /// Unmounts all; what was written to a disk is there. Busy: who uses it.
    [[nodiscard]] Status close();

private:
    ImageRoot() = default;
    Status mount(const sys::MountSpec& spec);
    Status mount_file(sys::BorrowedFd file, ImageFormat format, const std::string& place,
                      Partition part = {});
    Status mount_disk(sys::BorrowedFd file, const std::string& place);
    Status close_file();
    Status unpack(sys::BorrowedFd file, const std::string& place, const std::string& program);
    Status add_overlay(const std::string& directory, const std::string& lower);
    std::string root_;
    std::vector<std::string> mounts_; ///< innermost last
    std::unique_ptr<sys::LoopDevice> loop_;
    std::optional<WrittenPlace> written_;
    std::shared_ptr<LazyImage> lazy_;
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

} // namespace slipway::loading
