// SPDX-License-Identifier: Apache-2.0
// What a guest is told that asks for passphrases at its console.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/stack.hpp"

namespace slipway::ops {

/// The keys of --key, one after the other for each volume that the guest asks for. Pure.
class Passphrases {
public:
    using Keys = std::shared_ptr<const std::vector<storage::Key>>;
    explicit Passphrases(Keys keys) : keys_(std::move(keys)) {}

    /// There is one that can be typed: text, and no more of it than cryptsetup(8) reads.
    [[nodiscard]] bool any() const;
    /// The next one to try, valid as long as the keys; nullptr when all were tried.
    [[nodiscard]] const storage::Secret* next(const std::string& volume);
    /// Why a guest still waits that asked for this volume.
    [[nodiscard]] std::string why_waiting(const std::string& volume) const;
    /// A console's text without what was, or may have been, typed: the rest of each line with such
    /// a question, and the passphrases wherever they stand.
    [[nodiscard]] std::string redacted(std::string_view text) const;

private:
    Keys keys_;                                ///< may be null
    std::map<std::string, std::size_t> tried_; ///< by volume: how many of the keys
};

} // namespace slipway::ops
