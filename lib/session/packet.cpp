// SPDX-License-Identifier: Apache-2.0
#include "session/packet.hpp"

#include <array>
#include <cstring>

#include <sys/socket.h>

#include "session/wire.hpp"

namespace slipway::session {
namespace {

constexpr std::size_t max_packet = 160 << 10; // below the usual socket buffer
constexpr std::size_t max_fds = 64;

Json confinement_to_json(const sys::Confinement& wish) {
    Json json{{"read_paths", wish.read_paths},
              {"write_paths", wish.write_paths},
              {"read_fds", wish.read_fds},
              {"write_fds", wish.write_fds},
              {"keep_capabilities", wish.keep_capabilities},
              {"address_space_limit", wish.address_space_limit},
              {"data_limit", wish.data_limit},
              {"file_size_limit", wish.file_size_limit},
              {"filter_calls", wish.filter_calls},
              {"changes_attributes", wish.changes_attributes}};
    if (wish.user)
        json["user"] = *wish.user;
    return json;
}

sys::Confinement confinement_from_json(const Json& json) {
    sys::Confinement wish{
        .read_paths = json_get<std::vector<std::string>>(json, "read_paths"),
        .write_paths = json_get<std::vector<std::string>>(json, "write_paths"),
        .read_fds = json_get<std::vector<int>>(json, "read_fds"),
        .write_fds = json_get<std::vector<int>>(json, "write_fds"),
        .keep_capabilities = json_get<std::vector<int>>(json, "keep_capabilities"),
        .address_space_limit = json_get<std::uint64_t>(json, "address_space_limit"),
        .data_limit = json_get<std::uint64_t>(json, "data_limit"),
        .file_size_limit = json_get<std::uint64_t>(json, "file_size_limit"),
        .filter_calls = json_get<bool>(json, "filter_calls"),
        .changes_attributes = json_get<bool>(json, "changes_attributes")};
    if (json_at(json, "user").is_number_unsigned())
        wish.user = json_get<unsigned>(json, "user");
    return wish;
}

} // namespace

Status send_packet(sys::BorrowedFd socket, const Json& message,
                   const std::vector<sys::BorrowedFd>& fds) {
    auto text = to_wire(message);
    if (text.size() > max_packet || fds.size() > max_fds)
        return fail(Code::InvalidArgument, "a command line of this length cannot be passed on");
    iovec io{.iov_base = text.data(), .iov_len = text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(max_fds * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &io;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        auto* ancillary = CMSG_FIRSTHDR(&header);
        ancillary->cmsg_level = SOL_SOCKET;
        ancillary->cmsg_type = SCM_RIGHTS;
        ancillary->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        for (std::size_t i = 0; i < fds.size(); ++i) {
            int raw = fds[i].raw();
            std::memcpy(CMSG_DATA(ancillary) + i * sizeof(int), &raw, sizeof raw);
        }
    }
    while (::sendmsg(socket.raw(), &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return fail(Code::Protocol, "the supervisor's connection has gone");
    return {};
}

Result<std::optional<Packet>> receive_packet(sys::BorrowedFd socket) {
    std::string text(max_packet, '\0');
    iovec io{.iov_base = text.data(), .iov_len = text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(max_fds * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &io;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t got = 0;
    while ((got = ::recvmsg(socket.raw(), &header, MSG_CMSG_CLOEXEC)) < 0)
        if (errno != EINTR)
            return fail(Code::Protocol, "the supervisor's connection has gone");
    Packet packet;
    for (auto* ancillary = CMSG_FIRSTHDR(&header); ancillary != nullptr;
         ancillary = CMSG_NXTHDR(&header, ancillary)) {
        if (ancillary->cmsg_level != SOL_SOCKET || ancillary->cmsg_type != SCM_RIGHTS)
            continue;
        auto count = (ancillary->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int raw = -1;
            std::memcpy(&raw, CMSG_DATA(ancillary) + i * sizeof(int), sizeof raw);
            packet.fds.emplace_back(raw);
        }
    }
    if (got == 0)
        return std::optional<Packet>{};
    SLIPWAY_TRY(packet.message,
                from_wire(std::string_view(text).substr(0, static_cast<std::size_t>(got)),
                          "a supervisor message"));
    return std::optional<Packet>(std::move(packet));
}

Json spec_to_json(const sys::ProcessSpec& spec) {
    auto numbers = Json::array();
    for (const auto& mapping : spec.fds)
        numbers.push_back(mapping.child);
    Json json{{"argv", spec.argv},
              {"env", spec.env},
              {"cwd", spec.cwd},
              {"fds", numbers},
              {"clone_flags", spec.clone_flags},
              {"new_session", spec.new_session},
              {"terminal", spec.terminal},
              {"bundle", spec.bundle}};
    if (spec.confinement)
        json["confinement"] = confinement_to_json(*spec.confinement);
    return json;
}

Result<sys::ProcessSpec> spec_from_json(const Json& json, const std::vector<sys::OwnedFd>& fds) {
    sys::ProcessSpec spec{.argv = json_get<std::vector<std::string>>(json, "argv"),
                          .env = json_get<std::vector<std::string>>(json, "env"),
                          .cwd = json_get<std::string>(json, "cwd", "/"),
                          .clone_flags = json_get<std::uint64_t>(json, "clone_flags"),
                          .new_session = json_get<bool>(json, "new_session"),
                          .terminal = json_get<bool>(json, "terminal"),
                          .bundle = json_get<unsigned>(json, "bundle")};
    auto numbers = json_get<std::vector<int>>(json, "fds");
    if (spec.argv.empty() || numbers.size() != fds.size())
        return fail(Code::Protocol, "a malformed request to start a process");
    for (std::size_t i = 0; i < fds.size(); ++i)
        spec.fds.push_back({fds[i], numbers[i]});
    if (json_at(json, "confinement").is_object())
        spec.confinement = confinement_from_json(json_at(json, "confinement"));
    return spec;
}

} // namespace slipway::session
