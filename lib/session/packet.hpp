// SPDX-License-Identifier: Apache-2.0
// Messages between client and supervisor: JSON with descriptors attached, on a SOCK_SEQPACKET.
#pragma once

#include <optional>
#include <vector>

#include "base/json.hpp"
#include "sys/fd.hpp"
#include "sys/process.hpp"

namespace slipway::session {

// NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
struct Packet {
    Json message;
    std::vector<sys::OwnedFd> fds;
};

[[nodiscard]] Status send_packet(sys::BorrowedFd socket, const Json& message,
                                 const std::vector<sys::BorrowedFd>& fds = {});
/// Blocks. Nothing at end of file.
[[nodiscard]] Result<std::optional<Packet>> receive_packet(sys::BorrowedFd socket);

/// A ProcessSpec without its descriptors; `fds` stand in the order of spec.fds.
[[nodiscard]] Json spec_to_json(const sys::ProcessSpec& spec);
[[nodiscard]] Result<sys::ProcessSpec> spec_from_json(const Json& json,
                                                      const std::vector<sys::OwnedFd>& fds);

} // namespace slipway::session
