// SPDX-License-Identifier: Apache-2.0
// Calls on encrypted volumes.
#include "storage/luks.hpp"

#include <algorithm>
#include <cctype>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/volumes.hpp"
#include "work/surroundings.hpp"

namespace slipway::calls {
namespace {

constexpr std::string_view mapper = "/dev/mapper/";

Status check_mapping(const std::string& name) {
    bool good = !name.empty() && name.size() < 128 && name != "." && name != ".." &&
                name != "control" && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '+';
                });
    return good ? Status{}
                : fail(Code::InvalidArgument,
                       fmt::format("'{}' is no name of a mapped device", printable(name)));
}

Result<int> slot_of(std::int64_t slot) {
    constexpr std::int64_t most = 31; // of LUKS 2
    if (slot < 0 || slot > most)
        return fail(Code::InvalidArgument, fmt::format("{} is no key slot", slot));
    return static_cast<int>(slot);
}

Status luks_format(Machine&, const Device& device, const storage::Secret& key,
                   std::int64_t keyslot) {
    SLIPWAY_TRY(auto slot, slot_of(keyslot));
    return storage::format_luks({.node = device.name, .slot = slot}, key);
}

Status luks_format_cipher(Machine&, const Device& device, const storage::Secret& key,
                          std::int64_t keyslot, const std::string& cipher) {
    SLIPWAY_TRY(auto slot, slot_of(keyslot));
    return storage::format_luks({.node = device.name, .slot = slot, .cipher = cipher}, key);
}

Status open(Machine& machine, storage::CryptOpen wanted, const storage::Secret& key) {
    SLIPWAY_CHECK(check_mapping(wanted.mapping));
    SLIPWAY_TRY(auto number, storage::open_crypt(wanted, key));
    machine.containers.mappings.insert(wanted.mapping);
    auto node = std::string(mapper) + wanted.mapping;
    ::unlink(node.c_str());
    SLIPWAY_TRY([[maybe_unused]] auto path,
                work::make_disk_node("mapper/" + wanted.mapping, number));
    return open_containers(machine); // groups and arrays inside, as a plain machine's udev does
}

Status luks_open(Machine& machine, const Device& device, const storage::Secret& key,
                 const std::string& mapname) {
    return open(machine, {.node = device.name, .mapping = mapname}, key);
}

Status luks_open_ro(Machine& machine, const Device& device, const storage::Secret& key,
                    const std::string& mapname) {
    return open(machine, {.node = device.name, .mapping = mapname, .read_only = true}, key);
}

Status cryptsetup_open(Machine& machine, const Device& device, const storage::Secret& key,
                       const std::string& mapname, std::optional<bool> read_only,
                       const std::optional<std::string>& crypttype) {
    auto type = crypttype.value_or("");
    if (!crypttype) {
        SLIPWAY_TRY(auto found, probe(device));
        if (found.volume.type != "crypto_LUKS" && found.volume.type != "BitLocker")
            return fail(Code::InvalidArgument, fmt::format("{} is not encrypted", device.name));
        type = found.volume.type == "BitLocker" ? "bitlk" : "luks";
    }
    return open(machine,
                {.node = device.name,
                 .mapping = mapname,
                 .type = type,
                 .read_only = read_only.value_or(false)},
                key);
}

Status cryptsetup_close(Machine& machine, const std::string& device) {
    if (!device.starts_with(mapper))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' does not begin with {}", printable(device), mapper));
    auto name = device.substr(mapper.size());
    SLIPWAY_CHECK(check_mapping(name));
    if (!machine.containers.mappings.contains(name))
        return fail(os_error(device, ENOENT));
    SLIPWAY_CHECK(storage::close_crypt(name));
    machine.containers.mappings.erase(name);
    ::unlink(device.c_str());
    return {};
}

Status luks_add_key(Machine&, const Device& device, const storage::Secret& key,
                    const storage::Secret& newkey, std::int64_t keyslot) {
    SLIPWAY_TRY(auto slot, slot_of(keyslot));
    return storage::add_luks_key(device.name, key, newkey, slot);
}

Status luks_kill_slot(Machine&, const Device& device, const storage::Secret& key,
                      std::int64_t keyslot) {
    SLIPWAY_TRY(auto slot, slot_of(keyslot));
    return storage::remove_luks_key(device.name, key, slot);
}

Result<std::string> luks_uuid(Machine&, const Device& device) {
    return storage::luks_uuid(device.name);
}

} // namespace

Calls luks_calls() {
    static constexpr Call calls[] = {
        {"cryptsetup_close", bind<cryptsetup_close>},
        {"cryptsetup_open", bind<cryptsetup_open>},
        {"luks_add_key", bind<luks_add_key>},
        {"luks_close", bind<cryptsetup_close>},
        {"luks_format", bind<luks_format>},
        {"luks_format_cipher", bind<luks_format_cipher>},
        {"luks_kill_slot", bind<luks_kill_slot>},
        {"luks_open", bind<luks_open>},
        {"luks_open_ro", bind<luks_open_ro>},
        {"luks_uuid", bind<luks_uuid>},
    };
    return calls;
}

} // namespace slipway::calls
