// SPDX-License-Identifier: Apache-2.0
// Contents of initramfs images by the digest of the whole file, so that an unchanged one is
// unpacked once. The digest is cryptographic: a hostile guest must not be able to make an image
// that passes for another guest's.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "guest/initramfs_contents.hpp"
#include "sys/fd.hpp"

namespace slipway::guest {

class InitramfsCache {
public:
    /// A private directory of ours, made if it is absent; "" turns the cache off.
    explicit InitramfsCache(std::string directory) : directory_(std::move(directory)) {}

    /// Contents from the cache, else from the file, which are then remembered. A cache that cannot
    /// be written is no error. Thread-safe.
    [[nodiscard]] Result<InitramfsContents> contents_of(sys::BorrowedFd file,
                                                        const std::string& kernel) const;

private:
    [[nodiscard]] std::optional<InitramfsContents> find(const std::string& path) const;
    void remember(const std::string& path, const InitramfsContents& contents) const;

    std::string directory_;
};

/// Lower-case hexadecimal SHA-512/256 (FIPS 180-4) of a whole file, of any offset.
[[nodiscard]] Result<std::string> digest_of(sys::BorrowedFd file);

} // namespace slipway::guest
