// SPDX-License-Identifier: Apache-2.0
// Generic netlink: one request, one answer (Documentation/userspace-api/netlink/intro.rst).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// Attributes as the kernel wants them, one after the other.
class NetlinkAttributes {
public:
    NetlinkAttributes& add(std::uint16_t type, std::string_view bytes);
    NetlinkAttributes& add_u32(std::uint16_t type, std::uint32_t value);
    NetlinkAttributes& add_u64(std::uint16_t type, std::uint64_t value);
    NetlinkAttributes& add_nested(std::uint16_t type, const NetlinkAttributes& inner);
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

private:
    std::string bytes_;
};

/// The attributes that stand in `text`, by type; what is cut off is left out.
[[nodiscard]] std::map<std::uint16_t, std::string> parse_netlink_attributes(std::string_view text);

/// A family of the kernel's, such as "nbd".
class GenericNetlink {
public:
    /// NotFound where this network namespace shows no such family.
    [[nodiscard]] static Result<GenericNetlink> open(const std::string& family);
    /// The attributes of the answer by type; an errno of the kernel is the error's.
    [[nodiscard]] Result<std::map<std::uint16_t, std::string>>
    call(std::uint8_t command, const NetlinkAttributes& attributes) const;
    /// A message for `send`, by who must not allocate.
    [[nodiscard]] std::string message(std::uint8_t command,
                                      const NetlinkAttributes& attributes) const;
    [[nodiscard]] BorrowedFd fd() const { return socket_; }

private:
    OwnedFd socket_;
    std::uint16_t family_ = 0;
};

} // namespace slipway::sys
