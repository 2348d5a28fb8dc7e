// SPDX-License-Identifier: Apache-2.0
// Error codes of JSON-RPC 2.0 (section 5.1) and of the Model Context Protocol.
#pragma once

#include "base/error.hpp"

namespace slipway::json_rpc {

inline constexpr int parse_error = -32700;
inline constexpr int invalid_request = -32600;
inline constexpr int method_not_found = -32601;
inline constexpr int invalid_params = -32602;
inline constexpr int internal_error = -32603;
inline constexpr int server_error = -32000;       ///< the server's own: it could not do it
inline constexpr int resource_not_found = -32002; ///< of the Model Context Protocol

/// What an error of this kind is for a peer.
[[nodiscard]] int code_of(Code code);

} // namespace slipway::json_rpc
