// SPDX-License-Identifier: Apache-2.0
#include "loading/range_fetch.hpp"

#include <fmt/format.h>

namespace slipway::loading {

Result<std::string> RangeFetch::fetch(std::uint64_t offset, std::uint64_t bytes,
                                      const Cancel& cancel) {
    if (!client_) {
        SLIPWAY_TRY(client_, http::Client::open(options_.client));
    }
    http::Request asked{.url = options_.urls.at(server_)};
    auto range = fmt::format("{}-{}", offset, offset + bytes - 1);
    asked.headers["Range"] = "bytes=" + range;
    asked.on_head = [&](const http::Response& head) -> Status {
        if (head.status != 206)
            return fail(Code::Unsupported, "the server sends no parts of files (ranges)");
        auto sent = head.headers.find("content-range");
        if (sent == head.headers.end() ||
            sent->second != fmt::format("bytes {}/{}", range, options_.size))
            return fail(Code::Corrupt, "the image has another size on the server now");
        return {};
    };
    std::string content;
    auto take = [&](std::string_view piece) -> Status {
        if (content.size() + piece.size() > bytes)
            return fail(Code::Protocol, "the server sends more than was asked for");
        content += piece;
        return {};
    };
    auto response = client_->exchange(asked, take, cancel);
    if (response && response->status / 100 == 2 && content.size() == bytes)
        return content;
    turn_to_next();
    if (!response)
        return fail(std::move(response.error()));
    return fail(response->status == 404 ? Code::NotFound : Code::Protocol,
                fmt::format("{}: the server says {}", asked.url.str(), response->status));
}

} // namespace slipway::loading
