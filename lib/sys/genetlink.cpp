// SPDX-License-Identifier: Apache-2.0
#include "sys/genetlink.hpp"

#include <array>
#include <cstring>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace slipway::sys {
namespace {

template <class T> std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

} // namespace

std::map<std::uint16_t, std::string> parse_netlink_attributes(std::string_view text) {
    std::map<std::uint16_t, std::string> found;
    nlattr head{};
    while (text.size() >= sizeof head) {
        std::memcpy(&head, text.data(), sizeof head);
        if (head.nla_len < sizeof head || head.nla_len > text.size())
            break;
        found[head.nla_type & NLA_TYPE_MASK] = text.substr(sizeof head, head.nla_len - sizeof head);
        text.remove_prefix(std::min<std::size_t>(NLA_ALIGN(head.nla_len), text.size()));
    }
    return found;
}

NetlinkAttributes& NetlinkAttributes::add(std::uint16_t type, std::string_view bytes) {
    nlattr head{.nla_len = static_cast<std::uint16_t>(sizeof head + bytes.size()),
                .nla_type = type};
    bytes_ += bytes_of(head);
    bytes_ += bytes;
    bytes_.resize(NLA_ALIGN(bytes_.size()));
    return *this;
}

NetlinkAttributes& NetlinkAttributes::add_u32(std::uint16_t type, std::uint32_t value) {
    return add(type, bytes_of(value));
}

NetlinkAttributes& NetlinkAttributes::add_u64(std::uint16_t type, std::uint64_t value) {
    return add(type, bytes_of(value));
}

NetlinkAttributes& NetlinkAttributes::add_nested(std::uint16_t type,
                                                 const NetlinkAttributes& inner) {
    return add(type | NLA_F_NESTED, inner.bytes());
}

Result<GenericNetlink> GenericNetlink::open(const std::string& family) {
    GenericNetlink netlink;
    netlink.socket_ = OwnedFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
    if (!netlink.socket_.valid())
        return fail_errno("opening generic netlink");
    netlink.family_ = GENL_ID_CTRL;
    NetlinkAttributes name;
    name.add(CTRL_ATTR_FAMILY_NAME, {family.c_str(), family.size() + 1});
    SLIPWAY_TRY(auto answer, netlink.call(CTRL_CMD_GETFAMILY, name));
    const auto& number = answer[CTRL_ATTR_FAMILY_ID];
    if (number.size() != sizeof netlink.family_)
        return fail(Code::Protocol, "the kernel named no number of a netlink family");
    std::memcpy(&netlink.family_, number.data(), sizeof netlink.family_);
    return netlink;
}

std::string GenericNetlink::message(std::uint8_t command,
                                    const NetlinkAttributes& attributes) const {
    genlmsghdr command_head{.cmd = command, .version = 1, .reserved = 0};
    nlmsghdr head{};
    head.nlmsg_len =
        static_cast<std::uint32_t>(sizeof head + sizeof command_head + attributes.bytes().size());
    head.nlmsg_type = family_;
    head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    std::string text(bytes_of(head));
    text += bytes_of(command_head);
    return text + attributes.bytes();
}

Result<std::map<std::uint16_t, std::string>>
GenericNetlink::call(std::uint8_t command, const NetlinkAttributes& attributes) const {
    auto request = message(command, attributes);
    // Without an address it goes to the kernel.
    if (::send(socket_.raw(), request.data(), request.size(), 0) < 0)
        return fail_errno("asking the kernel through netlink");
    std::map<std::uint16_t, std::string> answer;
    std::array<char, 8192> buffer{}; // what the kernel sends at most (NLMSG_GOODSIZE)
    while (true) {
        auto got = ::recv(socket_.raw(), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("waiting for the kernel's answer through netlink");
        std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
        nlmsghdr head{};
        while (rest.size() >= sizeof head) {
            std::memcpy(&head, rest.data(), sizeof head);
            if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size())
                break;
            auto body = rest.substr(sizeof head, head.nlmsg_len - sizeof head);
            int error = 0;
            if (head.nlmsg_type == NLMSG_ERROR && body.size() >= sizeof error) {
                std::memcpy(&error, body.data(), sizeof error);
                if (error != 0)
                    return fail_errno("asking the kernel through netlink", -error);
                return answer; // the acknowledgement comes last
            }
            if (body.size() >= GENL_HDRLEN)
                answer = parse_netlink_attributes(body.substr(GENL_HDRLEN));
            rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
        }
    }
}

} // namespace slipway::sys
