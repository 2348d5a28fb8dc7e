// SPDX-License-Identifier: Apache-2.0
#include "http/handles.hpp"

#include <array>

#include <openssl/err.h>

namespace slipway::http {

void silence_libevent() {
    event_set_log_callback([](int, const char*) {});
}

std::string what_openssl_says(unsigned long number) {
    std::array<char, 256> text{};
    ERR_error_string_n(number, text.data(), text.size());
    return text.data();
}

} // namespace slipway::http
