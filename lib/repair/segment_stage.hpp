// SPDX-License-Identifier: Apache-2.0
// A private directory in which the host's depmod makes a module index for an initramfs.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "sys/host.hpp"
#include "sys/root_dir.hpp"

namespace slipway::repair {

/// lib/modules/VERSION below a directory of its own, removed with this object.
class SegmentStage {
public:
    /// Makes a new directory in `parent`, which is made if absent.
    [[nodiscard]] static Result<SegmentStage> create(const std::string& parent,
                                                     const std::string& kernel);
    SegmentStage(SegmentStage&& other) noexcept;
    SegmentStage& operator=(SegmentStage&&) = delete;
    ~SegmentStage();

    /// Writes a file by its path below VERSION, replacing an earlier one. InvalidArgument for a
    /// path with "..", Unsupported once all files together are over 1 GiB.
    [[nodiscard]] Status add(std::string_view path, std::string_view content);
    [[nodiscard]] Result<std::string> read(std::string_view path) const;
    [[nodiscard]] bool has(std::string_view path) const;
    /// Runs depmod over all modules here, confined to this directory, without capabilities and
    /// network, because their ELF data is a guest's. Returns what it wrote, by file name.
    [[nodiscard]] Result<std::map<std::string, std::string>> make_index(const sys::Host& host);

private:
    SegmentStage(std::string directory, sys::RootDir root, std::string kernel)
        : directory_(std::move(directory)), root_(std::move(root)), kernel_(std::move(kernel)) {}
    [[nodiscard]] Result<sys::GuestPath> place_of(std::string_view path) const;

    std::string directory_; ///< "" when moved from
    sys::RootDir root_;
    std::string kernel_;
    std::uint64_t size_ = 0;
};

} // namespace slipway::repair
