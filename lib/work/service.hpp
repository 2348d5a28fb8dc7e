// SPDX-License-Identifier: Apache-2.0
// What answers the requests of one client.
#pragma once

#include <string_view>

#include "base/json.hpp"
#include "work/peer.hpp"

namespace slipway::work {

class Service {
public:
    Service() = default;
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    virtual ~Service() = default;

    /// Answers one request. InvalidArgument for an unknown operation, and for one that comes before
    /// the one that begins.
    [[nodiscard]] virtual Result<Json> handle(std::string_view operation, const Json& arguments,
                                              Peer& peer) = 0;
    /// Unmounts, flushes and detaches; the first error counts, the rest is done all the same.
    [[nodiscard]] virtual Status close() = 0;
};

} // namespace slipway::work
