// SPDX-License-Identifier: Apache-2.0
// Handles of libevent and OpenSSL, and what OpenSSL says of its errors.
#pragma once

#include <memory>
#include <string>

#include <event2/buffer.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/ssl.h>

namespace slipway::http {

template <auto Free> struct Freed {
    template <class T> void operator()(T* owned) const { Free(owned); }
};
using EventBase = std::unique_ptr<event_base, Freed<event_base_free>>;
using Event = std::unique_ptr<event, Freed<event_free>>;
using Buffer = std::unique_ptr<evbuffer, Freed<evbuffer_free>>;
inline void free_dns(evdns_base* base) {
    evdns_base_free(base, 1); // 1: requests under way fail
}
using Dns = std::unique_ptr<evdns_base, Freed<free_dns>>;
using SslContext = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;

/// By /etc/hosts and the servers of /etc/resolv.conf. Without any, addresses and names of /etc/hosts
/// are known all the same.
[[nodiscard]] Dns open_dns(event_base* base);
/// libevent says nothing on standard error from now on: what matters is in errors.
void silence_libevent();
[[nodiscard]] std::string what_openssl_says(unsigned long number);

} // namespace slipway::http
