// SPDX-License-Identifier: Apache-2.0
#include "guest/registry.hpp"

#include <array>
#include <cstdlib>
#include <cstring>

#include <hivex.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/byte_order.hpp"

namespace slipway::guest {
namespace {

constexpr std::uint64_t largest_hive = 1 << 30; // those of real systems have up to 200 MB
constexpr std::size_t largest_value = 64 << 10; // of those that we want, in bytes
constexpr std::size_t most_values = 1000;
constexpr std::size_t most_keys = 10000;

Result<sys::OwnedFd> copy_to_memory(sys::BorrowedFd file) {
    SLIPWAY_TRY(auto copy, sys::make_memfd("hive"));
    std::vector<char> buffer(1 << 20);
    for (std::uint64_t done = 0;;) {
        auto got = ::read(file.raw(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading a registry hive");
        if (got == 0)
            return copy;
        done += static_cast<std::uint64_t>(got);
        if (done > largest_hive)
            return fail(Code::NoSpace, "the registry hive is larger than 1 GiB");
        SLIPWAY_CHECK(sys::write_all(copy, {buffer.data(), static_cast<std::size_t>(got)}));
    }
}

void append_utf8(std::string& text, std::uint32_t code) {
    auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

hive_node_h find_key(hive_h* hive, std::string_view key) {
    auto node = hivex_root(hive);
    for (auto part : split(key, '\\')) {
        if (node == 0)
            return 0;
        if (!part.empty())
            node = hivex_node_get_child(hive, node, std::string(part).c_str());
    }
    return node;
}

// hivex hands out memory of malloc.
template <class T> std::unique_ptr<T, void (*)(void*)> owned(T* memory) {
    return {memory, std::free};
}

struct Value {
    std::uint32_t type;
    std::string bytes;
};

// The guest's number is in it, which C++ does not let us look at as an enumeration.
std::uint32_t number_of(const hive_type& type) {
    static_assert(sizeof type == sizeof(std::uint32_t));
    std::uint32_t number = 0;
    std::memcpy(&number, &type, sizeof number);
    return number;
}

std::optional<Value> read_value(hive_h* hive, hive_value_h value) {
    hive_type type{};
    std::size_t size = 0;
    if (hivex_value_type(hive, value, &type, &size) != 0 || size > largest_value)
        return std::nullopt;
    auto bytes = owned(hivex_value_value(hive, value, &type, &size));
    if (!bytes)
        return std::nullopt;
    return Value{number_of(type), std::string(bytes.get(), size)};
}

std::optional<Value> find_value(hive_h* hive, std::string_view key, const std::string& name) {
    auto node = find_key(hive, key);
    auto value = node == 0 ? 0 : hivex_node_get_value(hive, node, name.c_str());
    return value == 0 ? std::nullopt : read_value(hive, value);
}

} // namespace

std::string decode_utf16(std::string_view bytes) {
    std::string text;
    auto unit = [&](std::size_t at) -> std::uint32_t {
        return at + 2 <= bytes.size() ? image::little_endian<std::uint16_t>(bytes, at) : 0;
    };
    for (std::size_t at = 0; at + 2 <= bytes.size(); at += 2) {
        auto code = unit(at);
        if (code == 0)
            break;
        bool is_high = code >= 0xd800 && code < 0xdc00;
        auto low = unit(at + 2);
        if (is_high && low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 2;
        } else if (code >= 0xd800 && code < 0xe000) {
            code = 0xfffd;
        }
        append_utf8(text, code);
    }
    return text;
}

Result<Hive> Hive::open(const sys::RootDir& root, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDONLY));
    SLIPWAY_TRY(auto copy, copy_to_memory(file));
    auto name = sys::proc_path(copy.raw());
    // A machine that was not shut down cleanly leaves a hive with small flaws.
    for (int flags : {0, int{HIVEX_OPEN_UNSAFE}})
        if (auto* handle = hivex_open(name.c_str(), flags))
            return Hive(Handle(handle, [](hive_h* opened) { hivex_close(opened); }));
    return fail(Code::Corrupt,
                fmt::format("{} in the guest is no registry hive, or a damaged one", path.str()));
}

std::string Hive::text(std::string_view key, const std::string& value) const {
    auto found = find_value(handle_.get(), key, value);
    bool is_text = found && (found->type == hive_t_REG_SZ || found->type == hive_t_REG_EXPAND_SZ);
    return is_text ? printable(decode_utf16(found->bytes)) : std::string{};
}

std::optional<std::uint32_t> Hive::number(std::string_view key, const std::string& value) const {
    auto found = find_value(handle_.get(), key, value);
    if (!found || found->type != hive_t_REG_DWORD || found->bytes.size() < 4)
        return std::nullopt;
    return image::little_endian<std::uint32_t>(found->bytes, 0);
}

std::vector<RegistryValue> Hive::values(std::string_view key) const {
    std::vector<RegistryValue> values;
    auto node = find_key(handle_.get(), key);
    auto list = owned(node == 0 ? nullptr : hivex_node_values(handle_.get(), node));
    for (std::size_t i = 0; list && list.get()[i] != 0 && i < most_values; ++i) {
        auto name = owned(hivex_value_key(handle_.get(), list.get()[i]));
        auto value = read_value(handle_.get(), list.get()[i]);
        if (name && value)
            values.push_back({name.get(), std::move(value->bytes)});
    }
    return values;
}

std::vector<std::string> Hive::keys(std::string_view key) const {
    std::vector<std::string> names;
    auto node = find_key(handle_.get(), key);
    auto list = owned(node == 0 ? nullptr : hivex_node_children(handle_.get(), node));
    for (std::size_t i = 0; list && list.get()[i] != 0 && i < most_keys; ++i)
        if (auto name = owned(hivex_node_name(handle_.get(), list.get()[i])))
            names.emplace_back(name.get());
    return names;
}

} // namespace slipway::guest
