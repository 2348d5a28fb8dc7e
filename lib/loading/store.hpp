// SPDX-License-Identifier: Apache-2.0
// Images that were fetched, by their digests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::loading {

struct StoredImage {
    std::string digest;          ///< SHA-256
    std::uint64_t size = 0;      ///< bytes
    std::uint64_t unpacked = 0;  ///< bytes that what is in an archive takes, about
    std::string format;          ///< "squashfs"
    std::string url;             ///< that it came from
    std::string trusted_by{};    ///< "the key lab.pem", "image_sha256="; "": nobody vouched for it
    std::int64_t fetched_at = 0; ///< seconds since 1970
    std::string disk{};          ///< the label of the one that it is on; "": in memory
    bool operator==(const StoredImage&) const = default;
};

/// A directory with a file for each, and a record beside it.
class ImageStore {
public:
    /// `disk`: its label, for whoever lists them.
    explicit ImageStore(std::string directory, std::string disk = {})
        : directory_(std::move(directory)), disk_(std::move(disk)) {}

    /// An empty file for what is being fetched; one that was left there is gone.
    [[nodiscard]] Result<sys::OwnedFd> begin() const;
    /// Gives it its name, when all of it is on its disk.
    [[nodiscard]] Status keep(const StoredImage& image) const;
    void give_up() const;

    /// The latest first.
    [[nodiscard]] std::vector<StoredImage> list() const;
    [[nodiscard]] Result<sys::OwnedFd> open(const std::string& digest) const;
    /// Reads it all. Corrupt: it is not what it was.
    [[nodiscard]] Status verify(const StoredImage& image, const Cancel& cancel) const;
    void remove(const std::string& digest) const;

private:
    [[nodiscard]] std::string path_of(std::string_view name) const;
    std::string directory_;
    std::string disk_;
};

/// One image, in lines for people; pure.
[[nodiscard]] std::string render_image(const StoredImage& image);

} // namespace slipway::loading
