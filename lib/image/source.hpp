// SPDX-License-Identifier: Apache-2.0
// An opened image: its files as descriptors, its lock, and its place in a QEMU block graph. QEMU's
// tools never open a path that an image names: they get our descriptors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "base/json.hpp"
#include "image/format.hpp"
#include "image/kind.hpp"
#include "image/lock.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::image {

/// A tree of QEMU block nodes over descriptors that a child process inherits. Node JSON is in the
/// form of QEMU's blockdev-add, children inline, files as /proc/self/fd/N, formats forced.
// NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
struct BlockGraph {
    Json node;
    std::vector<sys::FdMapping> fds{}; ///< borrowed from Source and Overlay
    std::vector<int> read_fds{};       ///< numbers in the child, for confinement
    std::vector<int> write_fds{};

    [[nodiscard]] Json to_json() const; ///< without the descriptors
    /// "json:{…}", what qemu-img takes as a file name.
    [[nodiscard]] std::string filename() const;
};

struct OpenOptions {
    Access access = Access::Read;   ///< what is locked; the file itself is always opened read-only
                                    ///< unless `in_place`
    bool in_place = false;          ///< open for writing too: fix's commit
    std::optional<Format> format{}; ///< instead of probing
    bool allow_backing = false;     ///< follow backing and data files named in the image
    int first_fd = 20;              ///< numbers in children from here on
    bool any_kind = false; ///< an archive or a directory will do; then no disk image is made of it
};

/// An image with every file that belongs to it, open and locked.
class Source {
public:
    /// NotFound, Permission, Busy (in use), Corrupt, Unsupported (backing file and no
    /// allow_backing, formats of differencing disks; a directory or archive without any_kind),
    /// InvalidArgument (an empty file, a FIFO).
    [[nodiscard]] static Result<Source> open(const std::string& path, const OpenOptions& options);
    Source(Source&&) = default;
    Source& operator=(Source&&) = default;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] Kind kind() const { return kind_; }
    [[nodiscard]] const Probe& probe() const { return probe_; }
    [[nodiscard]] Format format() const { return probe_.format; }
    /// More than one file holds the disk's data: extents, or an external data file.
    [[nodiscard]] bool is_split() const {
        return !probe_.extents.empty() || data_file_.has_value();
    }
    [[nodiscard]] const Source* backing() const { return backing_.get(); } ///< null: none
    [[nodiscard]] bool is_block_device() const { return block_device_; }
    /// A block device that this machine has mounted, or made part of LVM, MD, …
    [[nodiscard]] bool is_held() const { return held_; }
    [[nodiscard]] sys::BorrowedFd fd() const { return files_.front().fd; }
    /// Bytes that the image's own files occupy on disk, for progress and space checks.
    [[nodiscard]] std::uint64_t allocated() const;
    /// fsync(2) of every file that was opened for writing.
    [[nodiscard]] Status sync() const;
    /// Busy where one of its files has another size or time of change than when it was opened:
    /// something writes to it, other than we do. Block devices cannot tell.
    [[nodiscard]] Status check_unchanged() const;
    /// The number after the last one that the graph uses in children.
    [[nodiscard]] int next_fd() const { return next_fd_; }
    /// Read-only unless opened in_place and `writable`; those are for qemu-img, not for QMP.
    [[nodiscard]] BlockGraph graph(bool writable = false) const;
    /// Size of the virtual disk in bytes, as QEMU says; of an archive that of the file, of a
    /// directory 0. Corrupt, ToolFailed.
    [[nodiscard]] Result<std::uint64_t> virtual_size(const sys::Host& host) const;

private:
    struct File {
        sys::OwnedFd fd;
        int number; ///< in children
        bool writable;
        struct stat seen; ///< when it was opened
    };
    Source() = default;
    [[nodiscard]] Status open_main(const OpenOptions& options);
    [[nodiscard]] Status open_extents(const OpenOptions& options);
    [[nodiscard]] Status open_references(const OpenOptions& options, int depth);
    [[nodiscard]] Result<int> add_file(sys::OwnedFd fd, bool writable);
    [[nodiscard]] Json file_node(const File& file, bool writable) const;

    std::string path_;
    Kind kind_ = Kind::Disk;
    Probe probe_;
    bool block_device_ = false;
    bool held_ = false;
    std::vector<File> files_; ///< [0] is the image, or the sanitised descriptor of a VMDK with
                              ///< extents (see open_extents)
    std::unique_ptr<Source> backing_;      ///< with allow_backing
    std::optional<std::size_t> data_file_; ///< index in files_
    int next_fd_ = 0;
};

} // namespace slipway::image
