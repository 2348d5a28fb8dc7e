// SPDX-License-Identifier: Apache-2.0
#include "netboot/modules.hpp"

#include <algorithm>
#include <array>

#include <sys/stat.h>

#include <fmt/format.h>

#include "appliance/kernel_modules.hpp"
#include "archive/compression.hpp"
#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::netboot {
namespace {

using appliance::module_name;

constexpr std::size_t largest_file = 64 << 20;

constexpr std::array<std::string_view, 34> own_modules{
    // images: their filesystems, and the checksums that those ask for by an alias
    "loop", "fuse", "overlay", "squashfs", "erofs", "ext4", "xfs", "btrfs", "crc32c_generic",
    "crc32c_intel", "xxhash_generic", "blake2b_generic", "crc32_generic", "sha256_generic",
    // keyboards
    "evdev", "hid_generic", "usbhid", "atkbd", "i8042", "xhci_pci", "xhci_hcd", "ehci_pci",
    "ohci_pci", "uhci_hcd",
    // virtual machines
    "virtio_pci", "virtio_mmio", "virtio_net", "virtio_blk", "virtio_console", "virtio_rng",
    // the network
    "af_packet", "8021q", "ipv6", "unix"};
constexpr std::array<std::string_view, 11> net_places{
    "kernel/drivers/net/ethernet/", "kernel/drivers/net/phy/",
    "kernel/drivers/net/mdio/",     "kernel/drivers/net/pcs/",
    "kernel/drivers/net/usb/",      "kernel/drivers/net/hyperv/",
    "kernel/drivers/net/vmxnet3/",  "kernel/drivers/net/xen-netfront",
    "kernel/drivers/net/bonding/",  "kernel/drivers/net/virtio_net",
    "kernel/drivers/net/team/"};
constexpr std::array<std::string_view, 10> storage_places{
    "kernel/drivers/ata/",   "kernel/drivers/scsi/",        "kernel/drivers/nvme/",
    "kernel/drivers/block/", "kernel/drivers/md/",          "kernel/drivers/message/",
    "kernel/drivers/mmc/",   "kernel/drivers/usb/storage/", "kernel/drivers/hv/",
    "kernel/drivers/virtio/"};

template <std::size_t N>
bool is_in(const std::array<std::string_view, N>& places, std::string_view path) {
    return std::any_of(places.begin(), places.end(),
                       [path](auto place) { return path.starts_with(place); });
}

bool is_builtin(std::string_view modules_builtin, std::string_view name) {
    auto lines = split_lines(modules_builtin);
    return std::any_of(lines.begin(), lines.end(),
                       [&](auto line) { return module_name(line) == module_name(name); });
}

// "kernel/fs/loop.ko.xz" is packed as "kernel/fs/loop.ko".
std::string unpacked_name(std::string_view path) {
    auto end = path.rfind(".ko");
    return std::string(end == std::string_view::npos ? path : path.substr(0, end + 3));
}

} // namespace

Result<ModuleChoice> parse_module_choice(std::string_view text) {
    ModuleChoice choice;
    for (auto word : split(text, ',')) {
        auto name = trim(word);
        if (name == "all")
            choice.all = true;
        else if (name == "net")
            choice.net = true;
        else if (name == "storage")
            choice.storage = true;
        else if (!name.empty() && name.find_first_of("/ ") == std::string_view::npos)
            choice.names.emplace_back(name);
        else
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no list of modules", printable(text)),
                        "use net, storage, all, none, or names of modules, with commas");
    }
    if (auto none = std::find(choice.names.begin(), choice.names.end(), "none");
        none != choice.names.end()) {
        if (choice.all || choice.net || choice.storage || choice.names.size() > 1)
            return fail(Code::InvalidArgument,
                        fmt::format("'{}': none stands alone", printable(text)));
        choice.names.clear();
    }
    return choice;
}

Result<std::vector<std::string>> choose_modules(std::string_view modules_dep,
                                                std::string_view modules_builtin,
                                                const ModuleChoice& choice) {
    std::vector<std::string> paths;
    std::vector<std::string_view> names(own_modules.begin(), own_modules.end());
    std::set<std::string> there;
    for (auto line : split_lines(modules_dep)) {
        auto path = line.substr(0, line.find(':'));
        there.insert(module_name(path));
        if (choice.all || (choice.net && is_in(net_places, path)) ||
            (choice.storage && is_in(storage_places, path)))
            names.push_back(path);
    }
    for (const auto& name : choice.names) {
        if (!there.contains(module_name(name)) && !is_builtin(modules_builtin, name))
            return fail(Code::NotFound, fmt::format("the kernel has no module {}", printable(name)),
                        "look for its name in modules.dep of the kernel");
        names.push_back(name);
    }
    return appliance::module_closure(modules_dep, names);
}

Result<PackedModules> add_modules(const appliance::TestedKernel& kernel, const ModuleChoice& choice,
                                  archive::CpioTree& tree) {
    PackedModules result;
    if (kernel.modules.empty())
        return result;
    auto inside = fmt::format("/lib/modules/{}/", kernel.release);
    SLIPWAY_TRY(auto dep, sys::read_file(kernel.modules + "/modules.dep", largest_file));
    SLIPWAY_TRY(auto chosen, choose_modules(dep, kernel.builtin, choice));
    auto& names = result.names;
    for (const auto& path : chosen) {
        SLIPWAY_TRY(auto packed, sys::read_file(kernel.modules + "/" + path, largest_file));
        SLIPWAY_TRY(auto content, archive::unpack(packed, largest_file));
        auto firmware = is_in(net_places, path) ? firmware_of(content) : std::vector<std::string>{};
        if (!firmware.empty())
            result.firmware.push_back({module_name(path), std::move(firmware)});
        tree.add(inside + unpacked_name(path), S_IFREG | 0644, std::move(content));
        names.insert(module_name(path));
    }
    std::string own_dep, own_alias;
    for (auto line : split_lines(dep)) {
        auto colon = line.find(':');
        if (colon == std::string_view::npos || !names.contains(module_name(line.substr(0, colon))))
            continue;
        own_dep += unpacked_name(line.substr(0, colon)) + ":";
        for (auto need : split_words(line.substr(colon + 1)))
            own_dep += " " + unpacked_name(need);
        own_dep += "\n";
    }
    SLIPWAY_TRY(auto alias, sys::read_file(kernel.modules + "/modules.alias", largest_file));
    for (auto line : split_lines(alias))
        if (auto words = split_words(line);
            words.size() == 3 && words[0] == "alias" && names.contains(module_name(words[2])))
            own_alias += std::string(line) + "\n";
    tree.add(inside + "modules.dep", S_IFREG | 0644, std::move(own_dep));
    tree.add(inside + "modules.alias", S_IFREG | 0644, std::move(own_alias));
    tree.add(inside + "modules.builtin", S_IFREG | 0644, kernel.builtin);
    return result;
}

} // namespace slipway::netboot
