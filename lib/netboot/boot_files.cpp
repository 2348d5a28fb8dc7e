// SPDX-License-Identifier: Apache-2.0
#include "netboot/boot_files.hpp"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

#include "base/strings.hpp"

namespace slipway::netboot {
namespace {

// Options of a DHCP request that tell who asks (RFC 4578; 175 is iPXE's own).
constexpr std::string_view who_asks = "dhcp-match=set:ipxe,175\n"
                                      "dhcp-match=set:bios,option:client-arch,0\n"
                                      "dhcp-match=set:efi,option:client-arch,7\n"
                                      "dhcp-match=set:efi,option:client-arch,9\n";
constexpr std::string_view what_to_boot = "dhcp-boot=tag:ipxe,boot.ipxe\n"
                                          "dhcp-boot=tag:!ipxe,tag:bios,pxelinux.0\n"
                                          "dhcp-boot=tag:!ipxe,tag:efi,grubx64.efi\n";
// Firmware takes a name from a proxy only in this form. GRUB looks for its files at the server that
// leased the address, and so UEFI gets iPXE, which takes nothing from a proxy that does not say who
// it is.
constexpr std::string_view proxy_services =
    "dhcp-boot=tag:ipxe,boot.ipxe,,{0}\n"
    "pxe-service=tag:!ipxe,x86PC,\"Slipway\",pxelinux.0\n"
    "pxe-service=tag:!ipxe,X86-64_EFI,\"Slipway\",ipxe.efi\n"
    "pxe-service=tag:!ipxe,BC_EFI,\"Slipway\",ipxe.efi\n";

bool is_ipv4(std::string_view text) {
    in_addr address{};
    return ::inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

} // namespace

std::string ipxe_script(const BootFiles& files) {
    // UEFI finds an initramfs by the name that the kernel is told.
    auto name = basename_of(files.initramfs);
    return fmt::format("#!ipxe\n"
                       "kernel {} initrd={} slipway.from=tftp://${{next-server}}/${{filename}} {}\n"
                       "initrd {}\n"
                       "boot\n",
                       files.kernel, name, files.command_line, files.initramfs);
}

std::string pxelinux_config(const BootFiles& files) {
    return fmt::format("DEFAULT slipway\n"
                       "PROMPT 0\n"
                       "LABEL slipway\n"
                       "  KERNEL {}\n"
                       "  INITRD {}\n"
                       "  APPEND {}\n",
                       files.kernel, files.initramfs, files.command_line);
}

std::string grub_config(const BootFiles& files) {
    return fmt::format("set timeout=0\n"
                       "menuentry \"Slipway\" {{\n"
                       "  linux /{} slipway.from=tftp://$net_default_server/ {}\n"
                       "  initrd /{}\n"
                       "}}\n",
                       files.kernel, files.command_line, files.initramfs);
}

Status check(const DhcpSettings& settings) {
    if (settings.interface.size() >= IFNAMSIZ ||
        settings.interface.find_first_of("/,# \t\n") != std::string::npos)
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no interface", printable(settings.interface)));
    if (settings.folder.find_first_of("\n\"#") != std::string::npos)
        return fail(Code::InvalidArgument,
                    fmt::format("dnsmasq cannot serve {}", printable(settings.folder)),
                    "use a folder without # and quotes in its path");
    if (settings.range.empty())
        return {};
    auto parts = split(settings.range, ',');
    bool good =
        parts.size() == 2 && is_ipv4(parts[0]) && (parts[1] == "proxy" || is_ipv4(parts[1]));
    return good ? Status{}
                : fail(Code::InvalidArgument,
                       fmt::format("'{}' is no range of addresses", printable(settings.range)),
                       "10.0.0.50,10.0.0.99 leases these; 10.0.0.0,proxy leaves the addresses of "
                       "that network to another DHCP server");
}

std::string dnsmasq_config(const DhcpSettings& settings) {
    bool is_proxy = settings.range.ends_with(",proxy");
    std::string text = "# DHCP and TFTP for the bootstrap: dnsmasq --no-daemon --conf-file=THIS\n"
                       "port=0\n"
                       "bind-interfaces\n";
    if (settings.interface.empty())
        text += "# The interface to serve:\n"
                "#interface=eth1\n";
    else
        text += fmt::format("interface={}\nexcept-interface=lo\n", settings.interface);
    if (settings.range.empty())
        text += "# Addresses to lease, or the network in which another server leases them:\n"
                "#dhcp-range=10.0.0.50,10.0.0.99,12h\n"
                "#dhcp-range=10.0.0.0,proxy\n";
    else
        text += fmt::format("dhcp-range={}{}\n", settings.range, is_proxy ? "" : ",12h");
    text += fmt::format("enable-tftp\n"
                        "tftp-root={}\n"
                        "tftp-no-fail\n",
                        settings.folder);
    text += who_asks;
    if (is_proxy)
        return text + fmt::format(proxy_services, settings.address);
    text += what_to_boot;
    if (settings.range.empty()) {
        text += "# With a proxy range, these in place of the ones before:\n";
        auto services = fmt::format(proxy_services, "THIS-SERVERS-ADDRESS");
        for (auto line : split_lines(services))
            text += fmt::format("#{}\n", line);
    }
    return text;
}

} // namespace slipway::netboot
