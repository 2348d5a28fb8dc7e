// SPDX-License-Identifier: Apache-2.0
// Calls that change labels and UUIDs of filesystems of any type.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/filesystems.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

const Machine::Mounted* mount_of(const Machine& machine, const Device& device) {
    for (const auto& each : machine.mounted)
        if (each.source == device.name)
            return &each;
    return nullptr;
}

Status refuse_long(const std::string& label, std::size_t longest, std::string_view type) {
    if (label.size() <= longest)
        return {};
    return fail(Code::InvalidArgument,
                fmt::format("a label of {} has {} bytes at most", type, longest));
}

Result<Strings> label_words(Machine& machine, const Mountable& mountable, const std::string& type,
                            const std::string& label) {
    const auto& node = mountable.device.name;
    if (type.starts_with("ext")) {
        SLIPWAY_CHECK(refuse_long(label, 16, type));
        return Strings{"tune2fs", "-L", label, node};
    }
    if (type == "vfat") {
        SLIPWAY_CHECK(refuse_long(label, 11, type));
        return Strings{"fatlabel", node, label};
    }
    if (type == "ntfs") {
        SLIPWAY_CHECK(refuse_long(label, 128, type));
        return Strings{"ntfslabel", node, label};
    }
    if (type == "xfs") {
        SLIPWAY_CHECK(refuse_long(label, 12, type));
        if (label.find_first_of("\"\\' \t\n;") != std::string::npos)
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no label of XFS", printable(label)));
        return Strings{"xfs_db",    "-x", "-p",
                       "xfs_admin", "-c", "label " + (label.empty() ? "--" : label),
                       node};
    }
    if (type == "btrfs") {
        SLIPWAY_CHECK(refuse_long(label, 255, type));
        const auto* mounted = mount_of(machine, mountable.device);
        return Strings{"btrfs", "filesystem", "label",
                       mounted == nullptr ? node : mounted->volume.target(), label};
    }
    if (type == "swap")
        return Strings{"swaplabel", "-L", label, node};
    if (type == "exfat")
        return Strings{"exfatlabel", node, label};
    return fail(Code::Unsupported,
                fmt::format("the label of a filesystem of type '{}' cannot be changed", type));
}

Status set_label(Machine& machine, const Mountable& mountable, const std::string& label) {
    SLIPWAY_TRY(auto found, probe(mountable.device));
    SLIPWAY_TRY(auto words, label_words(machine, mountable, found.volume.type, label));
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return {};
}

bool is_uuid(std::string_view text) {
    return text.size() == 36 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isxdigit(c) != 0 || c == '-';
           });
}

Result<Strings> uuid_words(const std::string& type, const Device& device, const std::string& uuid) {
    const auto& node = device.name;
    if (type.starts_with("ext"))
        return Strings{"tune2fs", "-f", "-U", uuid, node};
    if (type == "xfs")
        return is_uuid(uuid)
                   ? Result<Strings>(
                         Strings{"xfs_db", "-x", "-p", "xfs_admin", "-c", "uuid " + uuid, node})
                   : fail(Code::InvalidArgument, fmt::format("'{}' is no UUID", printable(uuid)));
    if (type == "swap")
        return Strings{"swaplabel", "-U", uuid, node};
    if (type == "btrfs")
        return Strings{"btrfstune", "-f", "-U", uuid, node};
    return fail(
        os_error(fmt::format("setting the UUID of a filesystem of type '{}'", type), ENOTSUP));
}

Status set_uuid(Machine& machine, const Device& device, const std::string& uuid) {
    SLIPWAY_TRY(auto found, probe(device));
    SLIPWAY_TRY(auto words, uuid_words(found.volume.type, device, uuid));
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return {};
}

Status set_uuid_random(Machine& machine, const Device& device) {
    return set_uuid(machine, device, random_uuid());
}

} // namespace

Calls label_calls() {
    static constexpr Call calls[] = {
        {"set_label", bind<set_label>},
        {"set_uuid", bind<set_uuid>},
        {"set_uuid_random", bind<set_uuid_random>},
    };
    return calls;
}

} // namespace slipway::calls
