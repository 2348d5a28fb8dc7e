// SPDX-License-Identifier: Apache-2.0
#include "calls/base64.hpp"

#include <array>

namespace slipway::calls {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t line_length = 76;

tl::unexpected<Error> malformed() {
    return fail(Code::InvalidArgument, "the input is no base64");
}

} // namespace

void Base64Encoder::put(std::string& text, std::string_view group) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
        bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    std::array<char, 4> letters{};
    for (std::size_t i = 0; i < letters.size(); ++i)
        letters[i] = i <= group.size() ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    text.append(letters.data(), letters.size());
    column_ += 4;
    if (column_ == line_length) {
        text += '\n';
        column_ = 0;
    }
}

std::string Base64Encoder::add(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() / 3 + 1) * 4 + bytes.size() / 48);
    while (!pending_.empty() && !bytes.empty()) {
        pending_ += bytes.front();
        bytes.remove_prefix(1);
        if (pending_.size() == 3) {
            put(text, pending_);
            pending_.clear();
        }
    }
    for (; bytes.size() >= 3; bytes.remove_prefix(3))
        put(text, bytes.substr(0, 3));
    pending_ += bytes;
    return text;
}

std::string Base64Encoder::finish() {
    std::string text;
    if (!pending_.empty())
        put(text, pending_);
    pending_.clear();
    if (column_ > 0)
        text += '\n';
    return text;
}

Result<std::string> Base64Decoder::add(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4 + 3);
    for (char c : text) {
        if (c == '\n' || c == '\r')
            continue;
        auto value = alphabet.find(c);
        bool is_padding = c == '=' && characters_ >= 2;
        if (ended_ || (padding_ > 0 && !is_padding) ||
            (value == std::string_view::npos && !is_padding))
            return malformed();
        bits_ = bits_ << 6 | (is_padding ? 0U : static_cast<std::uint32_t>(value));
        padding_ += is_padding ? 1 : 0;
        if (++characters_ < 4)
            continue;
        for (unsigned i = 0; i + padding_ < 3; ++i)
            bytes += static_cast<char>(bits_ >> (16 - 8 * i) & 0xff);
        ended_ = padding_ > 0;
        characters_ = padding_ = 0;
        bits_ = 0;
    }
    return bytes;
}

Status Base64Decoder::finish() const {
    return characters_ == 0 ? Status{} : Status(malformed());
}

} // namespace slipway::calls
