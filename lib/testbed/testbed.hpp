// SPDX-License-Identifier: Apache-2.0
// What a worker answers as the first program of a machine whose kernel is under test.
#pragma once

#include "work/service.hpp"

namespace slipway::testbed {

class Testbed final : public work::Service {
public:
    [[nodiscard]] Result<Json> handle(std::string_view operation, const Json& arguments,
                                      work::Peer& peer) override;
    /// Ends what still runs and writes all back.
    [[nodiscard]] Status close() override;

private:
    bool entered_ = false;
};

} // namespace slipway::testbed
