// SPDX-License-Identifier: Apache-2.0
// A variable with another value until the end of a block.
#pragma once

#include <utility>

namespace slipway {

template <class T> class SetForNow {
public:
    SetForNow(T& variable, T value)
        : variable_(variable), before_(std::exchange(variable, std::move(value))) {}
    ~SetForNow() { variable_ = std::move(before_); }
    SetForNow(const SetForNow&) = delete;
    SetForNow& operator=(const SetForNow&) = delete;

private:
    T& variable_;
    T before_;
};

} // namespace slipway
