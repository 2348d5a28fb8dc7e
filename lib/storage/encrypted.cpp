// SPDX-License-Identifier: Apache-2.0
// LUKS and BitLocker, by libcryptsetup: in this process, so that no secret passes a command line.
#include <cstring>
#include <memory>

#include <libcryptsetup.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/device_mapper.hpp"
#include "storage/names.hpp"
#include "storage/opening.hpp"

namespace slipway::storage {
namespace {

struct Kind {
    const char* type; ///< libblkid's
    const char* name; ///< of the new volume, before the colon
    const char* title;
    const char* format; ///< libcryptsetup's; null is LUKS of any version (CRYPT_LUKS)
    const char* keys;   ///< what opens it, behind the form of --key
    const char* remedy; ///< where it cannot be opened by any key
};
constexpr Kind kinds[] = {
    {"crypto_LUKS", "luks", "LUKS", nullptr, "",
     "the kernel may lack dm-crypt or the cipher: try --engine sandbox"},
    {"BitLocker", "bitlocker", "BitLocker", CRYPT_BITLK,
     ", with its password or its recovery password of 48 digits",
     "only a password or a recovery password opens it here, and not while its protection is "
     "suspended (manage-bde -status); or the kernel lacks dm-crypt: try --engine sandbox"}};

using Crypt = std::unique_ptr<crypt_device, void (*)(crypt_device*)>;

// libcryptsetup tells why in its log alone. It gets no secret to tell.
void keep_last_error(int level, const char* text, void* last) {
    if (level == CRYPT_LOG_ERROR)
        *static_cast<std::string*>(last) = trim(text);
}

Error crypt_error(const Kind& kind, std::string what, int negative_errno, const std::string& said) {
    auto error = os_error(std::move(what), -negative_errno);
    if (!said.empty())
        error.what += fmt::format(" ({})", said);
    if (negative_errno == -ENOMEM)
        error.hint = "its key takes much memory to open (argon2): give the sandbox more of it";
    else if (negative_errno == -ENOENT || negative_errno == -ENOTSUP || negative_errno == -EINVAL)
        error.hint = kind.remedy;
    if (negative_errno == -EINVAL)
        error.code = Code::Unsupported;
    return error;
}

Error key_wanted(const Kind& kind, const report::Volume& volume, std::size_t tried) {
    auto what = fmt::format("{} is encrypted ({}{}) and ", volume.name, kind.title,
                            volume.uuid.empty() ? "" : ", UUID " + volume.uuid);
    what += tried == 0   ? "no key was given for it"
            : tried == 1 ? "the key given for it does not open it"
                         : fmt::format("none of the {} keys given for it opens it", tried);
    return Error{.code = Code::KeyRequired,
                 .what = std::move(what),
                 .hint =
                     fmt::format("--key {0}:file:PATH (or {0}:prompt){1}", volume.name, kind.keys)};
}

Status deactivate(const std::string& mapping, const std::string& node) {
    if (int status = ::crypt_deactivate(nullptr, mapping.c_str()); status < 0 && status != -ENODEV)
        return fail_errno(fmt::format("closing the device {}", mapping), -status);
    ::unlink(node.c_str());
    return {};
}

// EPERM is a key that does not fit. For BitLocker that is EINVAL as well (libcryptsetup with
// OpenSSL: crypt_bitlk_decrypt_key), and so is a table that the kernel refuses: without a name only
// the key is tried.
int activate_by(crypt_device* crypt, const Kind& kind, const std::string& mapping,
                std::string_view key, std::uint32_t flags) {
    auto attempt = [&](const char* name) {
        return ::crypt_activate_by_passphrase(crypt, name, CRYPT_ANY_SLOT, key.data(), key.size(),
                                              name == nullptr ? 0 : flags);
    };
    int status = attempt(mapping.c_str());
    bool unclear = status == -EINVAL && kind.format != nullptr;
    return unclear && attempt(nullptr) < 0 ? -EPERM : status;
}

// KeyRequired where no key opens it.
Status activate(Opening& opening, const Kind& kind, const Device& device,
                const std::string& mapping) {
    std::string said;
    crypt_device* raw = nullptr;
    if (int status = ::crypt_init(&raw, device.node.c_str()); status < 0)
        return fail(crypt_error(kind, fmt::format("opening {}", device.volume.name), status, said));
    Crypt crypt(raw, ::crypt_free);
    ::crypt_set_log_callback(crypt.get(), keep_last_error, &said);
    int status = ::crypt_load(crypt.get(), kind.format, nullptr);
    if (status < 0) {
        auto error = crypt_error(
            kind, fmt::format("reading the {} header of {}", kind.title, device.volume.name),
            status, said);
        if (status != -ENOTSUP) {
            error.code = Code::Corrupt;
            error.hint.clear();
        }
        return fail(std::move(error));
    }
    // Private: a host's udev shall not look into it.
    auto flags = std::uint32_t{CRYPT_ACTIVATE_PRIVATE} |
                 (device.read_only ? std::uint32_t{CRYPT_ACTIVATE_READONLY} : 0U);
    std::size_t tried = 0;
    for (const auto& key : opening.options().keys) {
        if (!selects(key.selector, device.volume.name, device.volume.uuid))
            continue;
        SLIPWAY_CHECK(opening.host().cancel.check());
        ++tried;
        status = activate_by(crypt.get(), kind, mapping, key.secret.expose(), flags);
        if (status >= 0)
            return {};
        // LUKS without a keyslot says ENOENT, which is no key's fault either.
        if (status != -EPERM)
            return fail(crypt_error(kind,
                                    fmt::format("opening {} ({})", device.volume.name, kind.title),
                                    status, said));
    }
    return fail(key_wanted(kind, device.volume, tried));
}

Result<std::size_t> open_one(Opening& opening, const Kind& kind, std::size_t index) {
    const auto device = opening.devices[index];
    SLIPWAY_CHECK(need_device_mapper(kind.title));
    auto mapping = opening.fresh_mapping();
    auto node = fmt::format("/dev/mapper/{}", mapping);
    SLIPWAY_CHECK(activate(opening, kind, device, mapping));
    auto name = fmt::format("{}:{}", kind.name, device.volume.name);
    opening.layers.push_back({.name = name, .nodes = {node}, .close = [mapping, node] {
                                  return deactivate(mapping, node);
                              }});
    auto before = opening.devices.size();
    for (const auto& each : mapped_devices())
        if (each.name == mapping)
            SLIPWAY_CHECK(opening.add({.name = name,
                                       .kind = kind.name,
                                       .stands_on = {device.volume.name},
                                       .node = node,
                                       .number = each.number}));
    return opening.devices.size() - before;
}

} // namespace

Result<bool> open_encrypted(Opening& opening) {
    // Its locks are files in /run/cryptsetup, against other processes that write the header.
    ::crypt_metadata_locking(nullptr, 0);
    bool found = false;
    for (const auto& kind : kinds)
        for (auto index : opening.waiting(kind.type)) {
            auto opened = open_one(opening, kind, index);
            if (!opened && opened.error().code == Code::Cancelled)
                return fail(std::move(opened).error());
            if (!opened) {
                opening.refuse(index, std::move(opened).error());
                continue;
            }
            opening.done_with(index);
            found = found || *opened > 0;
        }
    return found;
}

} // namespace slipway::storage
