// SPDX-License-Identifier: Apache-2.0
// qemu-img under our rules: explicit graphs, inherited descriptors, confined, with progress.
#pragma once

#include <cstdint>
#include <string>

#include "image/source.hpp"

namespace slipway::image {

/// What an overlay's header says about the image below it. Never opened by that name.
struct OverlayMark {
    std::string name;            ///< at most 1000 bytes
    Format format = Format::Raw; ///< of the image below
};
[[nodiscard]] Result<OverlayMark> read_overlay_mark(const sys::Host& host, sys::BorrowedFd overlay);

/// A qcow2 overlay over a source, nameless, gone with its descriptor.
class Overlay {
public:
    /// `size` is that of the overlay's disk in bytes, at least the source's. NoSpace.
    [[nodiscard]] static Result<Overlay> create(const sys::Host& host, sys::OwnedFd file,
                                                std::uint64_t size, int fd_number,
                                                const OverlayMark& mark);
    /// An overlay that exists already, as `create` made it.
    [[nodiscard]] static Overlay adopt(sys::OwnedFd file, int fd_number) {
        return {std::move(file), fd_number};
    }
    /// Writable graph over the source's read-only one.
    [[nodiscard]] BlockGraph graph_over(const BlockGraph& source, bool writable = true) const;
    [[nodiscard]] sys::BorrowedFd fd() const { return fd_; }

private:
    Overlay(sys::OwnedFd fd, int number) : fd_(std::move(fd)), number_(number) {}
    sys::OwnedFd fd_;
    int number_;
};

struct ConvertOptions {
    Format format = Format::Qcow2;
    bool compress = false; ///< qcow2 and streamOptimized vmdk only
    std::string create{};  ///< qemu-img's -o: "subformat=fixed"; "" for its defaults
    std::string name{};    ///< of the file, for formats that hold it
};

/// Writes the whole disk into an open file. Progress is reported in per mille under the step name
/// "convert". NoSpace when the file's filesystem is full, ToolFailed, Cancelled.
[[nodiscard]] Status convert(const sys::Host& host, const BlockGraph& from, sys::BorrowedFd to,
                             const ConvertOptions& options);
/// Copies what the top node of `graph` holds into the node below it (qemu-img commit). Running it
/// again after an interruption does the same once more. The overlay is left as it is.
[[nodiscard]] Status commit(const sys::Host& host, const BlockGraph& graph);
/// Size of the virtual disk in bytes.
[[nodiscard]] Result<std::uint64_t> measure_size(const sys::Host& host, const BlockGraph& graph);
/// `qemu-img check` of the top image alone: Corrupt where its tables contradict each other or point
/// behind the end of its file. Formats without a check pass.
[[nodiscard]] Status check_tables(const sys::Host& host, const BlockGraph& graph);

} // namespace slipway::image
