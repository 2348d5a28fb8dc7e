// SPDX-License-Identifier: Apache-2.0
// The kernel's tables of the network: lists of them, and changes (rtnetlink(7), netfilter).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::network {

/// The bytes of a fixed header, such as an ifaddrmsg.
template <class Header> [[nodiscard]] std::string bytes_of(const Header& header) {
    return {reinterpret_cast<const char*>(&header), sizeof header};
}

class Netlink {
public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
    [[nodiscard]] static Result<Netlink> open(int protocol);

    struct Message {
        std::uint16_t type = 0;
        std::string payload{}; ///< its fixed header and attributes
    };
    /// All that a request of `type` lists. `header`: what the request's fixed header is.
    [[nodiscard]] Result<std::vector<Message>> list(std::uint16_t type,
                                                    std::string_view header) const;
    /// Sends one, and waits until the kernel has done it. `what`: for the error.
    [[nodiscard]] Status change(const Message& message, std::uint16_t flags,
                                const std::string& what) const;
    /// Several as one change (netfilter wants that); the first error of them.
    [[nodiscard]] Status change_together(const std::vector<Message>& messages,
                                         const std::string& what) const;

private:
    sys::OwnedFd socket_;
};

} // namespace slipway::network
