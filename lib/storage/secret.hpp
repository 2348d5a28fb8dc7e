// SPDX-License-Identifier: Apache-2.0
// Bytes of a key. They are overwritten when their owner goes, and never shown.
#pragma once

#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::storage {

/// Cannot be copied by accident, rendered or compared. The bytes may be of any value.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string_view bytes) : bytes_(bytes) {}
    /// Takes the bytes over and wipes the source.
    static Secret take(std::string&& bytes);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { wipe(); }

    /// Valid as long as this object; whoever copies it wipes the copy.
    [[nodiscard]] std::string_view expose() const { return bytes_; }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }

private:
    void wipe();
    std::string bytes_;
};

/// Largest key file that cryptsetup(8) reads by default.
inline constexpr std::size_t max_secret_size = 8 << 20;

/// Reads a key to the end of the file. One newline at the end is taken off, as the virt tools do:
/// `echo passphrase > file` is a key file then. A key of random bytes that ends in 0x0a needs a
/// second one behind it. An empty key is InvalidArgument. `what` names the source in errors.
[[nodiscard]] Result<Secret> read_secret(sys::BorrowedFd fd, std::string_view what,
                                         const Cancel& cancel = {});

} // namespace slipway::storage
