// SPDX-License-Identifier: Apache-2.0
#include "http/handles.hpp"

#include <array>

#include <openssl/err.h>

namespace slipway::http {

Dns open_dns(event_base* base) {
    Dns dns(evdns_base_new(base,
                           EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE));
    if (dns)
        return dns;
    dns.reset(evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE));
    if (dns)
        evdns_base_load_hosts(dns.get(), "/etc/hosts");
    return dns;
}

void silence_libevent() {
    event_set_log_callback([](int, const char*) {});
}

std::string what_openssl_says(unsigned long number) {
    std::array<char, 256> text{};
    ERR_error_string_n(number, text.data(), text.size());
    return text.data();
}

} // namespace slipway::http
