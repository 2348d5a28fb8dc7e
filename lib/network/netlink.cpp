// SPDX-License-Identifier: Apache-2.0
#include "network/netlink.hpp"

#include <cstring>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace slipway::network {
namespace {

constexpr std::size_t longest_answer = 64 << 10;
constexpr int longest_wait_s = 5; // a kernel that works answers at once

std::string packed(const Netlink::Message& message, std::uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + message.payload.size());
    header.nlmsg_type = message.type;
    header.nlmsg_flags = flags;
    auto bytes = bytes_of(header) + message.payload;
    bytes.resize(NLMSG_ALIGN(bytes.size()));
    return bytes;
}

// Calls for each message of an answer, until one says that it was the last.
template <class Take> Status receive(sys::BorrowedFd socket, const std::string& what, Take take) {
    std::string bytes(longest_answer, '\0');
    while (true) {
        auto got = ::recv(socket.raw(), bytes.data(), bytes.size(), 0);
        if (got < 0)
            return fail_errno(what);
        for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(got);) {
            nlmsghdr header{};
            std::memcpy(&header, bytes.data() + at, sizeof header);
            if (header.nlmsg_len < sizeof header || at + header.nlmsg_len > bytes.size())
                return fail(Code::Protocol, what);
            auto payload = bytes.substr(at + sizeof header, header.nlmsg_len - sizeof header);
            if (header.nlmsg_type == NLMSG_DONE)
                return {};
            if (header.nlmsg_type == NLMSG_ERROR) {
                int error = 0;
                std::memcpy(&error, payload.data(), sizeof error);
                return error == 0 ? Status{} : fail_errno(what, -error);
            }
            take(header.nlmsg_type, std::move(payload));
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
}

Status send(sys::BorrowedFd socket, const std::string& bytes, const std::string& what) {
    if (::send(socket.raw(), bytes.data(), bytes.size(), 0) < 0)
        return fail_errno(what);
    return {};
}

} // namespace

Result<Netlink> Netlink::open(int protocol) {
    Netlink made;
    made.socket_ = sys::OwnedFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    timeval wait{.tv_sec = longest_wait_s, .tv_usec = 0};
    if (!made.socket_.valid() ||
        ::setsockopt(made.socket_.raw(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0)
        return fail_errno("asking the kernel about the network");
    return made;
}

Result<std::vector<Netlink::Message>> Netlink::list(std::uint16_t type,
                                                    std::string_view header) const {
    const std::string what = "asking the kernel about the network";
    SLIPWAY_CHECK(
        send(socket_, packed({type, std::string(header)}, NLM_F_REQUEST | NLM_F_DUMP), what));
    std::vector<Message> messages;
    SLIPWAY_CHECK(receive(socket_, what, [&](std::uint16_t got, std::string payload) {
        messages.push_back({got, std::move(payload)});
    }));
    return messages;
}

Status Netlink::change(const Message& message, std::uint16_t flags, const std::string& what) const {
    SLIPWAY_CHECK(
        send(socket_,
             packed(message, static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK)), what));
    return receive(socket_, what, [](std::uint16_t, const std::string&) {});
}

// Only the last asks for an answer; an error of any of them comes before it.
Status Netlink::change_together(const std::vector<Message>& messages,
                                const std::string& what) const {
    nfgenmsg whole{};
    whole.res_id = __builtin_bswap16(NFNL_SUBSYS_NFTABLES);
    auto bytes = packed({NFNL_MSG_BATCH_BEGIN, bytes_of(whole)}, NLM_F_REQUEST);
    for (const auto& message : messages)
        bytes += packed(message,
                        &message == &messages.back() ? NLM_F_REQUEST | NLM_F_ACK : NLM_F_REQUEST);
    bytes += packed({NFNL_MSG_BATCH_END, bytes_of(whole)}, NLM_F_REQUEST);
    SLIPWAY_CHECK(send(socket_, bytes, what));
    return receive(socket_, what, [](std::uint16_t, const std::string&) {});
}

} // namespace slipway::network
