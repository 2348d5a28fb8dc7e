// SPDX-License-Identifier: Apache-2.0
#include "ops/passphrases.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "vm/stage.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t longest_passphrase = 512; // cryptsetup(8)
constexpr std::string_view hidden = "[key]";

bool can_be_typed(const storage::Key& key) {
    auto text = key.secret.expose();
    return !text.empty() && text.size() <= longest_passphrase &&
           std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return c >= ' ' && c != 0x7f; });
}

} // namespace

bool Passphrases::any() const {
    return keys_ && std::any_of(keys_->begin(), keys_->end(), can_be_typed);
}

const storage::Secret* Passphrases::next(const std::string& volume) {
    auto& tried = tried_[volume];
    while (keys_ && tried < keys_->size()) {
        const auto& key = (*keys_)[tried++];
        if (can_be_typed(key))
            return &key.secret;
    }
    return nullptr;
}

std::string Passphrases::why_waiting(const std::string& volume) const {
    auto waits = fmt::format("the guest waits for the passphrase of {} at its console", volume);
    if (!keys_ || keys_->empty())
        return waits + "; no key was given: give it with --key";
    if (!any())
        return waits + "; no key of --key can be typed, because none is one line of text";
    return waits + "; no key of --key that can be typed opens it";
}

std::string Passphrases::redacted(std::string_view text) const {
    std::string shown;
    for (auto line : split_lines(text)) {
        if (auto prompt = vm::passphrase_prompt(line))
            line = line.substr(0, prompt->length);
        shown += std::string(line) + "\n";
    }
    if (!text.ends_with('\n') && !shown.empty())
        shown.pop_back();
    if (keys_)
        for (const auto& key : *keys_)
            if (can_be_typed(key))
                shown = replace_all(std::move(shown), key.secret.expose(), hidden);
    return shown;
}

} // namespace slipway::ops
