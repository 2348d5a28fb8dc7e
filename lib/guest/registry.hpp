// SPDX-License-Identifier: Apache-2.0
// A file of the Windows registry, read through hivex.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/root_dir.hpp"

struct hive_h; // of hivex

namespace slipway::guest {

/// Little-endian UTF-16 as UTF-8, up to the first NUL; halves of pairs become U+FFFD.
[[nodiscard]] std::string decode_utf16(std::string_view bytes);

struct RegistryValue {
    std::string name;
    std::string bytes;
};

class Hive {
public:
    /// Works on a copy in memory: hivex maps the file, and a guest's file that cannot be read to
    /// its end would end us. Corrupt: no hive. NoSpace: larger than any hive is.
    [[nodiscard]] static Result<Hive> open(const sys::RootDir& root, const sys::GuestPath& path);

    /// A string value of a key; keys are parted by backslashes. "" where it is absent, of another
    /// type, or not small.
    [[nodiscard]] std::string text(std::string_view key, const std::string& value) const;
    [[nodiscard]] std::optional<std::uint32_t> number(std::string_view key,
                                                      const std::string& value) const;
    /// The small values of a key, at most a thousand.
    [[nodiscard]] std::vector<RegistryValue> values(std::string_view key) const;
    /// Names of the keys below a key, at most ten thousand.
    [[nodiscard]] std::vector<std::string> keys(std::string_view key) const;

private:
    using Handle = std::unique_ptr<hive_h, void (*)(hive_h*)>;
    explicit Hive(Handle handle) : handle_(std::move(handle)) {}
    Handle handle_;
};

} // namespace slipway::guest
