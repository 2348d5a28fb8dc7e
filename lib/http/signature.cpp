// SPDX-License-Identifier: Apache-2.0
#include "http/signature.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "http/handles.hpp"

namespace slipway::http {
namespace {

using Text = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

// Nobody is asked: OpenSSL would read the password from the terminal.
int no_password(char*, int, int, void*) {
    return -1;
}

template <auto Read> Result<Key> read_key(std::string_view pem, const char* kind) {
    Text text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    Key key(text ? Read(text.get(), nullptr, no_password, nullptr) : nullptr);
    ERR_clear_error();
    if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
        return fail(Code::InvalidArgument, std::string("this is no ") + kind + " ed25519 key",
                    "openssl genpkey -algorithm ed25519 makes one, openssl pkey -pubout its "
                    "public part");
    return key;
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

} // namespace

Result<std::string> sign(std::string_view bytes, std::string_view private_key) {
    SLIPWAY_TRY(auto key, read_key<PEM_read_bio_PrivateKey>(private_key, "private"));
    Context context(EVP_MD_CTX_new());
    std::string signature(signature_size, '\0');
    auto size = signature.size();
    if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       bytes_of(bytes), bytes.size()) != 1 ||
        size != signature_size)
        return fail(Code::Internal, "signing: " + what_openssl_says(ERR_get_error()));
    return signature;
}

Status check_public_key(std::string_view public_key) {
    SLIPWAY_TRY(auto key, read_key<PEM_read_bio_PUBKEY>(public_key, "public"));
    return {};
}

Result<bool> is_signed(std::string_view bytes, std::string_view signature,
                       std::string_view public_key) {
    SLIPWAY_TRY(auto key, read_key<PEM_read_bio_PUBKEY>(public_key, "public"));
    Context context(EVP_MD_CTX_new());
    if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1)
        return fail(Code::Internal, "checking a signature: " + what_openssl_says(ERR_get_error()));
    bool good = signature.size() == signature_size &&
                EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                                 bytes_of(bytes), bytes.size()) == 1;
    ERR_clear_error();
    return good;
}

} // namespace slipway::http
