// SPDX-License-Identifier: Apache-2.0
// Registry hives for tests: the empty one by hand, since hivex makes none, the rest through hivex.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <hivex.h>

namespace slipway::testing_support {

/// A base block and one bin of 4096 bytes each, with the root key, its security and free space. See
/// "Windows registry file format specification" of M. Suhanov.
inline std::string empty_hive() {
    constexpr std::uint32_t none = 0xffffffff;
    std::string hive(8192, '\0');
    auto put16 = [&hive](std::size_t at, std::uint32_t value) {
        hive[at] = static_cast<char>(value);
        hive[at + 1] = static_cast<char>(value >> 8);
    };
    auto put32 = [&](std::size_t at, std::uint32_t value) {
        put16(at, value & 0xffff);
        put16(at + 2, value >> 16);
    };
    auto text = [&hive](std::size_t at, std::string_view value) {
        hive.replace(at, value.size(), value);
    };
    constexpr std::size_t bin = 4096, key = 32,
                          security = 32 + 88; // cells are counted from the bin
    text(0, "regf");
    put32(4, 1), put32(8, 1);   // sequence numbers
    put32(20, 1), put32(24, 3); // version 1.3
    put32(32, 1);               // loaded into memory as it is
    put32(36, key), put32(40, bin), put32(44, 1);
    text(bin, "hbin");
    put32(bin + 8, bin);
    put32(bin + key, static_cast<std::uint32_t>(-88)); // in use
    auto nk = bin + key + 4;
    text(nk, "nk");
    put16(nk + 2, 0x2c); // the root, not to be removed, its name in one byte a letter
    put32(nk + 16, none);
    for (std::size_t at : {28, 32, 40, 48})
        put32(nk + at, none);
    put32(nk + 44, security);
    put16(nk + 72, 4);
    text(nk + 76, "root");
    put32(bin + security, static_cast<std::uint32_t>(-48));
    auto sk = bin + security + 4;
    text(sk, "sk");
    put32(sk + 4, security), put32(sk + 8, security); // alone in its ring
    put32(sk + 12, 1), put32(sk + 16, 20);
    put16(sk + 20, 1), put16(sk + 22, 0x8000); // a descriptor that says nothing
    put32(bin + security + 48, bin - security - 48);
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < 508; at += 4)
        for (std::size_t i = 0; i < 4; ++i)
            sum ^= static_cast<std::uint32_t>(static_cast<unsigned char>(hive[at + i])) << 8 * i;
    put32(508, sum);
    return hive;
}

inline std::string utf16(std::string_view ascii) {
    std::string bytes;
    for (char c : ascii)
        bytes += {c, '\0'};
    return bytes + std::string(2, '\0');
}

/// Collects values and writes them to a file when it ends.
class HiveWriter {
public:
    struct Value {
        std::string name;
        hive_type type;
        std::string bytes;
    };
    explicit HiveWriter(const std::filesystem::path& path) {
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << empty_hive();
        hive_ = hivex_open(path.c_str(), HIVEX_OPEN_WRITE);
        if (hive_ == nullptr)
            throw std::runtime_error("hivex does not take the empty hive");
    }
    HiveWriter(const HiveWriter&) = delete;
    HiveWriter& operator=(const HiveWriter&) = delete;
    ~HiveWriter() {
        hivex_commit(hive_, nullptr, 0);
        hivex_close(hive_);
    }
    /// All values of a key, which is made with those above it.
    HiveWriter& set(std::string_view key, const std::vector<Value>& values) {
        auto node = hivex_root(hive_);
        while (!key.empty()) {
            auto end = key.find('\\');
            std::string part(key.substr(0, end));
            key.remove_prefix(end == std::string_view::npos ? key.size() : end + 1);
            auto child = hivex_node_get_child(hive_, node, part.c_str());
            node = child != 0 ? child : hivex_node_add_child(hive_, node, part.c_str());
            if (node == 0)
                throw std::runtime_error("hivex does not add a key");
        }
        std::vector<hive_set_value> raw;
        for (const auto& value : values)
            raw.push_back({const_cast<char*>(value.name.c_str()), value.type, value.bytes.size(),
                           const_cast<char*>(value.bytes.data())});
        if (hivex_node_set_values(hive_, node, raw.size(), raw.data(), 0) != 0)
            throw std::runtime_error("hivex does not set values");
        return *this;
    }
    [[nodiscard]] static Value text(const std::string& name, std::string_view value) {
        return {name, hive_t_REG_SZ, utf16(value)};
    }
    [[nodiscard]] static Value number(const std::string& name, std::uint32_t value) {
        std::string bytes;
        for (std::size_t i = 0; i < 4; ++i)
            bytes += static_cast<char>(value >> 8 * i);
        return {name, hive_t_REG_DWORD, bytes};
    }

private:
    hive_h* hive_ = nullptr;
};

} // namespace slipway::testing_support
