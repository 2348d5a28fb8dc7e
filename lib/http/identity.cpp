// SPDX-License-Identifier: Apache-2.0
#include "http/identity.hpp"

#include <cstdlib>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <fmt/format.h>

#include "http/handles.hpp"

namespace slipway::http {
namespace {

using Text = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

constexpr long a_day = 24L * 60 * 60, lifetime = 30L * 365 * a_day; // seconds

tl::unexpected<Error> failed(const char* what) {
    return fail(Code::Internal, fmt::format("{}: {}", what, what_openssl_says(ERR_get_error())));
}

template <class Write> Result<std::string> to_pem(const Write& write) {
    Text text(BIO_new(BIO_s_mem()));
    if (!text || write(text.get()) != 1)
        return failed("writing PEM");
    char* bytes = nullptr;
    auto size = BIO_ctrl(text.get(), BIO_CTRL_INFO, 0, &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
}

Result<std::string> private_pem(EVP_PKEY* key) {
    return to_pem([key](BIO* to) {
        return PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
}

bool add_extension(X509* certificate, int id, const char* value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, &context, id, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

} // namespace

Result<KeyPair> make_key_pair() {
    Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    if (!key)
        return failed("making a key pair");
    SLIPWAY_TRY(auto secret, private_pem(key.get()));
    SLIPWAY_TRY(auto open, to_pem([&key](BIO* to) { return PEM_write_bio_PUBKEY(to, key.get()); }));
    return KeyPair{std::move(secret), std::move(open)};
}

Result<OwnCertificate> make_certificate(const std::string& name) {
    Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    Certificate made(X509_new());
    std::uint64_t serial = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
    if (!key || !made)
        return failed("making a certificate");
    auto* subject = X509_get_subject_name(made.get());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1);
    // Clocks of machines that are to know it may be a day behind.
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -a_day);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), lifetime);
    bool is_good = X509_set_pubkey(made.get(), key.get()) == 1 &&
                   X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                              reinterpret_cast<const unsigned char*>(name.data()),
                                              static_cast<int>(name.size()), -1, 0) == 1 &&
                   X509_set_issuer_name(made.get(), subject) == 1 &&
                   add_extension(made.get(), NID_basic_constraints, "critical,CA:TRUE") &&
                   add_extension(made.get(), NID_subject_key_identifier, "hash") &&
                   X509_sign(made.get(), key.get(), EVP_sha256()) != 0;
    if (!is_good)
        return failed("making a certificate");
    SLIPWAY_TRY(auto secret, private_pem(key.get()));
    SLIPWAY_TRY(auto open, to_pem([&made](BIO* to) { return PEM_write_bio_X509(to, made.get()); }));
    return OwnCertificate{std::move(open), std::move(secret)};
}

std::string make_token(std::size_t bytes) {
    std::string token;
    for (std::size_t at = 0; at < bytes; ++at) {
        unsigned char byte = 0;
        if (RAND_bytes(&byte, 1) != 1)
            std::abort(); // without randomness no secret is one
        token += fmt::format("{:02x}", byte);
    }
    return token;
}

bool is_same_secret(const std::string& one, const std::string& other) {
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

} // namespace slipway::http
