// SPDX-License-Identifier: Apache-2.0
// Messages of JSON-RPC 2.0, one in each line, as the stdio transport of the Model Context Protocol
// has them. Pure. https://www.jsonrpc.org/specification,
// https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.hpp"
#include "base/json_rpc.hpp"

namespace slipway::mcp {

/// Longer lines are no messages.
inline constexpr std::size_t longest_line = 4 << 20;
/// Arrays and objects within each other.
inline constexpr std::size_t deepest_nesting = 64;

/// An error of the protocol. Those of tools are results.
struct Refusal {
    int code = json_rpc::internal_error;
    std::string message;
    Json data{};
};

struct Request {
    Json id;
    std::string method;
    Json params = Json::object();
};
struct Notification {
    std::string method;
    Json params = Json::object();
};
/// An answer of the peer's: we ask nothing.
struct PeerAnswer {};
/// What has no valid form; `id` null where none can be read.
struct Malformed {
    Json id;
    Refusal refusal;
};
using Message = std::variant<Request, Notification, PeerAnswer, Malformed>;

/// A line as JSON, or why it is none: a parse error.
[[nodiscard]] tl::expected<Json, Refusal> parse_line(std::string_view line);
/// Which message an object is.
[[nodiscard]] Message read_message(Json json);

[[nodiscard]] Json result_message(const Json& id, Json result);
[[nodiscard]] Json error_message(const Json& id, const Refusal& refusal);
[[nodiscard]] Json notification_message(std::string_view method, Json params);

/// Cuts a stream of bytes into lines.
class LineReader {
public:
    /// Called with each line, without its end; with nothing for one that was too long.
    using Sink = std::function<void(std::optional<std::string_view>)>;
    void add(std::string_view bytes, const Sink& sink);

private:
    std::string line_;
    bool skipping_ = false;
};

} // namespace slipway::mcp
