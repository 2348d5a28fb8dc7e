// SPDX-License-Identifier: Apache-2.0
// Calls on swap space.
#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "image/layout.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

Status make_swap(Machine& machine, Strings options, const std::string& path,
                 std::vector<sys::FdMapping> fds = {}) {
    options.insert(options.begin(), {"mkswap", "-f"});
    options.push_back(path);
    SLIPWAY_TRY([[maybe_unused]] auto done,
                machine.run_tool({.argv = std::move(options), .fds = std::move(fds)}));
    return {};
}

// What was there goes first, also where the tool then refuses.
Status make_swap_device(Machine& machine, Strings options, const Device& device) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDWR | O_EXCL));
    SLIPWAY_CHECK(image::wipe_signatures(fd));
    fd.reset();
    return make_swap(machine, std::move(options), device.name);
}

Status mkswap(Machine& machine, const Device& device, const std::optional<std::string>& label,
              const std::optional<std::string>& uuid) {
    Strings options;
    if (label)
        options.insert(options.end(), {"-L", *label});
    if (uuid)
        options.insert(options.end(), {"-U", *uuid});
    return make_swap_device(machine, std::move(options), device);
}
Status mkswap_L(Machine& machine, const std::string& label, const Device& device) {
    return make_swap_device(machine, {"-L", label}, device);
}
Status mkswap_U(Machine& machine, const std::string& uuid, const Device& device) {
    return make_swap_device(machine, {"-U", uuid}, device);
}
Status mkswap_file(Machine& machine, const GuestPath& path) {
    constexpr int number = 3;
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDWR));
    return make_swap(machine, {}, sys::proc_path(number), {{file, number}});
}

// The memory of this machine's own processes would be written to the image.
Status refuse_on_host(const Machine& machine) {
    return machine.own_kernel
               ? Status{}
               : fail(Code::Unsupported, "this machine does not swap to the disks of a guest",
                      "--engine sandbox");
}

Status swap_on(Machine& machine, const std::string& path, const std::string& name) {
    SLIPWAY_CHECK(refuse_on_host(machine));
    if (::swapon(path.c_str(), 0) != 0)
        return fail_errno(fmt::format("swapping to {}", name));
    return {};
}

Status swap_off(Machine& machine, const std::string& path, const std::string& name) {
    SLIPWAY_CHECK(refuse_on_host(machine));
    if (::swapoff(path.c_str()) != 0)
        return fail_errno(fmt::format("ending the use of {}", name));
    return {};
}

Status swapon_device(Machine& machine, const Device& device) {
    SLIPWAY_CHECK(swap_on(machine, device.name, device.name));
    machine.swaps.push_back({device.name, {}});
    return {};
}
Status swapoff_device(Machine& machine, const Device& device) {
    SLIPWAY_CHECK(swap_off(machine, device.name, device.name));
    std::erase_if(machine.swaps, [&](const auto& each) { return each.node == device.name; });
    return {};
}

Status swapon_file(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDWR));
    SLIPWAY_CHECK(swap_on(machine, sys::proc_path(file.raw()), path.str()));
    machine.swaps.push_back({{}, std::move(file)});
    return {};
}
Status swapoff_file(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDONLY));
    SLIPWAY_CHECK(swap_off(machine, sys::proc_path(file.raw()), path.str()));
    struct stat wanted {
    }, known{};
    if (::fstat(file.raw(), &wanted) == 0)
        std::erase_if(machine.swaps, [&](const auto& each) {
            return each.file.valid() && ::fstat(each.file.raw(), &known) == 0 &&
                   known.st_dev == wanted.st_dev && known.st_ino == wanted.st_ino;
        });
    return {};
}

Result<Device> swap_with(Machine& machine, std::string report::Volume::*what,
                         const std::string& value) {
    for (const auto& each : all_devices(machine))
        if (auto found = probe(each);
            found && found->volume.type == "swap" && found->volume.*what == value)
            return each;
    return fail(Code::NotFound,
                fmt::format("no swap space has the label or UUID '{}'", printable(value)));
}
Status swapon_label(Machine& machine, const std::string& label) {
    SLIPWAY_TRY(auto device, swap_with(machine, &report::Volume::label, label));
    return swapon_device(machine, device);
}
Status swapoff_label(Machine& machine, const std::string& label) {
    SLIPWAY_TRY(auto device, swap_with(machine, &report::Volume::label, label));
    return swapoff_device(machine, device);
}
Status swapon_uuid(Machine& machine, const std::string& uuid) {
    SLIPWAY_TRY(auto device, swap_with(machine, &report::Volume::uuid, to_lower(uuid)));
    return swapon_device(machine, device);
}
Status swapoff_uuid(Machine& machine, const std::string& uuid) {
    SLIPWAY_TRY(auto device, swap_with(machine, &report::Volume::uuid, to_lower(uuid)));
    return swapoff_device(machine, device);
}

} // namespace

Calls swap_calls() {
    static constexpr Call calls[] = {
        {"mkswap", bind<mkswap>},
        {"mkswap_L", bind<mkswap_L>},
        {"mkswap_U", bind<mkswap_U>},
        {"mkswap_file", bind<mkswap_file>},
        {"swapoff_device", bind<swapoff_device>},
        {"swapoff_file", bind<swapoff_file>},
        {"swapoff_label", bind<swapoff_label>},
        {"swapoff_uuid", bind<swapoff_uuid>},
        {"swapon_device", bind<swapon_device>},
        {"swapon_file", bind<swapon_file>},
        {"swapon_label", bind<swapon_label>},
        {"swapon_uuid", bind<swapon_uuid>},
    };
    return calls;
}

} // namespace slipway::calls
