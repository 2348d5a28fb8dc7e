// SPDX-License-Identifier: Apache-2.0
#include "storage/luks.hpp"

#include <memory>

#include <libcryptsetup.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/device_mapper.hpp"
#include "storage/names.hpp"

namespace slipway::storage {
namespace {

using Crypt = std::unique_ptr<crypt_device, void (*)(crypt_device*)>;

/// A device, and what the library said last of it.
class Volume {
public:
    static Result<Volume> open(const std::string& node) {
        // Its locks are files in /run/cryptsetup, against other processes that write the header.
        ::crypt_metadata_locking(nullptr, 0);
        crypt_device* raw = nullptr;
        if (int status = ::crypt_init(&raw, node.c_str()); status < 0)
            return fail_errno(fmt::format("opening {}", node), -status);
        Volume volume(node, Crypt(raw, ::crypt_free));
        ::crypt_set_log_callback(raw, keep_error, volume.said_.get());
        return volume;
    }
    static Result<Volume> load(const std::string& node, const char* type) {
        SLIPWAY_TRY(auto volume, open(node));
        if (int status = ::crypt_load(volume.get(), type, nullptr); status < 0)
            return fail(volume.error("reading the header of", status));
        return volume;
    }

    [[nodiscard]] crypt_device* get() const { return crypt_.get(); }
    [[nodiscard]] Error error(std::string_view doing, int negative_errno) const {
        auto error = os_error(fmt::format("{} {}", doing, node_), -negative_errno);
        if (!said_->empty())
            error.what += fmt::format(" ({})", *said_);
        if (negative_errno == -EPERM) {
            error = Error{.code = Code::KeyRequired,
                          .what = fmt::format("{} {}: the key does not fit", doing, node_),
                          .errno_value = EPERM};
        } else if (negative_errno == -EINVAL)
            error.code = Code::Corrupt;
        return error;
    }

private:
    Volume(std::string node, Crypt crypt) : node_(std::move(node)), crypt_(std::move(crypt)) {}
    static void keep_error(int level, const char* text, void* last) {
        if (level == CRYPT_LOG_ERROR)
            *static_cast<std::string*>(last) = trim(text);
    }
    std::string node_;
    std::unique_ptr<std::string> said_ = std::make_unique<std::string>();
    Crypt crypt_;
};

// "aes-cbc-essiv:sha256": the mode is all behind the first hyphen.
Result<std::pair<std::string, std::string>> split_cipher(const std::string& cipher) {
    if (cipher.empty())
        return std::pair<std::string, std::string>{"aes", "xts-plain64"};
    auto hyphen = cipher.find('-');
    if (hyphen == 0 || hyphen == std::string::npos || hyphen + 1 == cipher.size())
        return fail(Code::InvalidArgument, fmt::format("'{}' is no cipher", printable(cipher)),
                    "such as aes-xts-plain64");
    return std::pair{cipher.substr(0, hyphen), cipher.substr(hyphen + 1)};
}

int any_or(int slot) {
    return slot < 0 ? CRYPT_ANY_SLOT : slot;
}

Result<const char*> type_of(const std::string& type) {
    if (type.empty() || type == "luks")
        return nullptr; // LUKS of any version
    if (type == "luks1")
        return CRYPT_LUKS1;
    if (type == "luks2")
        return CRYPT_LUKS2;
    if (type == "bitlk")
        return CRYPT_BITLK;
    return fail(Code::Unsupported,
                fmt::format("volumes of the type '{}' are not opened here", printable(type)));
}

} // namespace

Status format_luks(const LuksFormat& format, const Secret& key) {
    constexpr std::size_t key_bytes = 32, key_bytes_of_xts = 64; // xts uses two
    SLIPWAY_TRY(auto cipher, split_cipher(format.cipher));
    SLIPWAY_TRY(auto volume, Volume::open(format.node));
    bool xts = cipher.second.starts_with("xts");
    int status =
        ::crypt_format(volume.get(), CRYPT_LUKS2, cipher.first.c_str(), cipher.second.c_str(),
                       nullptr, nullptr, xts ? key_bytes_of_xts : key_bytes, nullptr);
    if (status < 0)
        return fail(volume.error("making a LUKS volume of", status));
    auto bytes = key.expose();
    status = ::crypt_keyslot_add_by_volume_key(volume.get(), any_or(format.slot), nullptr, 0,
                                               bytes.data(), bytes.size());
    if (status < 0)
        return fail(volume.error("setting the key of", status));
    return {};
}

Result<dev_t> open_crypt(const CryptOpen& wanted, const Secret& key) {
    SLIPWAY_CHECK(need_device_mapper("encryption"));
    for (const auto& each : mapped_devices())
        if (each.name == wanted.mapping)
            return fail(os_error(fmt::format("a device named {}", wanted.mapping), EEXIST));
    SLIPWAY_TRY(const auto* type, type_of(wanted.type));
    SLIPWAY_TRY(auto volume, Volume::load(wanted.node, type));
    // Private: a host's udev shall not look into it.
    auto flags = std::uint32_t{CRYPT_ACTIVATE_PRIVATE} |
                 (wanted.read_only ? std::uint32_t{CRYPT_ACTIVATE_READONLY} : 0U);
    auto bytes = key.expose();
    int status = ::crypt_activate_by_passphrase(volume.get(), wanted.mapping.c_str(),
                                                CRYPT_ANY_SLOT, bytes.data(), bytes.size(), flags);
    if (status < 0)
        return fail(volume.error("opening", status));
    for (const auto& each : mapped_devices())
        if (each.name == wanted.mapping)
            return each.number;
    return fail(Code::Internal, fmt::format("the kernel has no device {}", wanted.mapping));
}

Status close_crypt(const std::string& mapping) {
    SLIPWAY_CHECK(need_device_mapper("encryption"));
    if (int status = ::crypt_deactivate(nullptr, mapping.c_str()); status < 0)
        return fail_errno(fmt::format("closing the device {}", mapping), -status);
    return {};
}

Status add_luks_key(const std::string& node, const Secret& key, const Secret& added, int slot) {
    SLIPWAY_TRY(auto volume, Volume::load(node, nullptr));
    auto old_bytes = key.expose(), new_bytes = added.expose();
    int status =
        ::crypt_keyslot_add_by_passphrase(volume.get(), any_or(slot), old_bytes.data(),
                                          old_bytes.size(), new_bytes.data(), new_bytes.size());
    if (status < 0)
        return fail(volume.error("adding a key to", status));
    return {};
}

Status remove_luks_key(const std::string& node, const Secret& key, int slot) {
    SLIPWAY_TRY(auto volume, Volume::load(node, nullptr));
    auto state = ::crypt_keyslot_status(volume.get(), slot);
    if (state != CRYPT_SLOT_ACTIVE && state != CRYPT_SLOT_ACTIVE_LAST)
        return fail(Code::NotFound, fmt::format("{} has no key in slot {}", node, slot));
    // The key shows that another way in is left, unless this is the last.
    auto bytes = key.expose();
    int opened = -EPERM;
    for (int each = 0; each < ::crypt_keyslot_max(::crypt_get_type(volume.get())) && opened < 0;
         ++each)
        if (auto other = ::crypt_keyslot_status(volume.get(), each);
            (each != slot || state == CRYPT_SLOT_ACTIVE_LAST) &&
            (other == CRYPT_SLOT_ACTIVE || other == CRYPT_SLOT_ACTIVE_LAST))
            opened = ::crypt_activate_by_passphrase(volume.get(), nullptr, each, bytes.data(),
                                                    bytes.size(), 0);
    if (opened < 0)
        return fail(volume.error("removing a key of", opened));
    if (int status = ::crypt_keyslot_destroy(volume.get(), slot); status < 0)
        return fail(volume.error("removing a key of", status));
    return {};
}

Result<std::string> luks_uuid(const std::string& node) {
    SLIPWAY_TRY(auto volume, Volume::load(node, nullptr));
    const char* uuid = ::crypt_get_uuid(volume.get());
    if (uuid == nullptr)
        return fail(Code::Corrupt, fmt::format("{} says no UUID", node));
    return std::string(uuid);
}

} // namespace slipway::storage
