// SPDX-License-Identifier: Apache-2.0
// Many small pieces of output, sent as few large ones.
#pragma once

#include <string>
#include <string_view>

#include "calls/files.hpp"

namespace slipway::calls {

class Batch {
public:
    explicit Batch(const Output& output) : output_(output) {}
    [[nodiscard]] Status add(std::string_view text, char end) {
        pending_ += text;
        pending_ += end;
        return pending_.size() < piece_size ? Status{} : flush();
    }
    /// To be called at the end.
    [[nodiscard]] Status flush() {
        auto done = pending_.empty() ? Status{} : output_.send(pending_);
        pending_.clear();
        return done;
    }

private:
    const Output& output_;
    std::string pending_;
};

} // namespace slipway::calls
