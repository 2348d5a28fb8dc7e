// SPDX-License-Identifier: Apache-2.0
#include "archive/digest.hpp"

#include <array>
#include <cstdint>

#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::archive {
namespace {

// table[k][b]: what the byte b does to the sum when k zero bytes follow it.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;
constexpr Tables make_tables() {
    constexpr std::uint32_t polynomial = 0x04c11db7;
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        auto sum = byte << 24;
        for (int bit = 0; bit < 8; ++bit)
            sum = (sum << 1) ^ ((sum & 0x80000000) != 0 ? polynomial : 0);
        tables[0][byte] = sum;
    }
    for (std::size_t k = 1; k < tables.size(); ++k)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            auto sum = tables[k - 1][byte];
            tables[k][byte] = (sum << 8) ^ tables[0][sum >> 24];
        }
    return tables;
}
constexpr Tables tables = make_tables();

class Crc final : public Digest {
public:
    void add(std::string_view bytes) override {
        size_ += bytes.size();
        const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
        auto left = bytes.size();
        for (; left >= 8; left -= 8, at += 8) {
            auto head = sum_ ^ (std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 |
                                std::uint32_t{at[2]} << 8 | std::uint32_t{at[3]});
            sum_ = tables[7][head >> 24] ^ tables[6][(head >> 16) & 0xff] ^
                   tables[5][(head >> 8) & 0xff] ^ tables[4][head & 0xff] ^ tables[3][at[4]] ^
                   tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
        }
        for (; left > 0; --left)
            add_byte(*at++);
    }
    std::string finish() override {
        // The size follows the data, its lowest byte first.
        for (auto rest = size_; rest > 0; rest >>= 8)
            add_byte(static_cast<unsigned char>(rest & 0xff));
        return std::to_string(~sum_);
    }

private:
    void add_byte(unsigned char byte) {
        sum_ = (sum_ << 8) ^ tables[0][((sum_ >> 24) ^ byte) & 0xff];
    }
    std::uint32_t sum_ = 0;
    std::uint64_t size_ = 0;
};

template <class Context, std::size_t size, auto init, auto update, auto digest>
class Hash final : public Digest {
public:
    Hash() { init(&context_); }
    void add(std::string_view bytes) override {
        update(&context_, bytes.size(), reinterpret_cast<const unsigned char*>(bytes.data()));
    }
    std::string finish() override {
        std::array<unsigned char, size> sum{};
        digest(&context_, sum.size(), sum.data());
        return to_hex(sum.data(), sum.size());
    }

private:
    Context context_{};
};

using Maker = std::unique_ptr<Digest> (*)();
template <class T> std::unique_ptr<Digest> make() {
    return std::make_unique<T>();
}
struct Kind {
    std::string_view name;
    Maker make;
};
const std::array kinds{
    Kind{"crc", make<Crc>},
    Kind{"md5", make<Hash<md5_ctx, 16, nettle_md5_init, nettle_md5_update, nettle_md5_digest>>},
    Kind{"sha1",
         make<Hash<sha1_ctx, 20, nettle_sha1_init, nettle_sha1_update, nettle_sha1_digest>>},
    Kind{
        "sha224",
        make<Hash<sha256_ctx, 28, nettle_sha224_init, nettle_sha256_update, nettle_sha224_digest>>},
    Kind{
        "sha256",
        make<Hash<sha256_ctx, 32, nettle_sha256_init, nettle_sha256_update, nettle_sha256_digest>>},
    Kind{
        "sha384",
        make<Hash<sha512_ctx, 48, nettle_sha384_init, nettle_sha512_update, nettle_sha384_digest>>},
    Kind{
        "sha512",
        make<Hash<sha512_ctx, 64, nettle_sha512_init, nettle_sha512_update, nettle_sha512_digest>>},
    Kind{"sha512-256", make<Hash<sha512_ctx, 32, nettle_sha512_256_init, nettle_sha512_update,
                                 nettle_sha512_256_digest>>},
};

} // namespace

Result<std::unique_ptr<Digest>> open_digest(std::string_view name) {
    for (const auto& kind : kinds)
        if (kind.name == name)
            return kind.make();
    return fail(Code::InvalidArgument, fmt::format("'{}' is no known checksum", printable(name)),
                "crc, md5, sha1, sha224, sha256, sha384 and sha512 are known");
}

} // namespace slipway::archive
