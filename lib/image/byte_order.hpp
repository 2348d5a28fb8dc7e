// SPDX-License-Identifier: Apache-2.0
// Numbers in the headers of images. The bytes must be there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slipway::image {

template <class T> [[nodiscard]] T big_endian(std::string_view bytes, std::size_t at) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 |
                               static_cast<unsigned char>(bytes[at + i]));
    return value;
}

template <class T> [[nodiscard]] T little_endian(std::string_view bytes, std::size_t at) {
    T value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;)
        value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 |
                               static_cast<unsigned char>(bytes[at + i]));
    return value;
}

} // namespace slipway::image
