// SPDX-License-Identifier: Apache-2.0
// What boot loaders and servers of a network boot read; pure.
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::netboot {

/// Paths are relative to the top of the folder that is served.
struct BootFiles {
    std::string kernel;
    std::string initramfs;
    std::string command_line;
};
/// Of iPXE; its names are relative to where it was fetched from.
[[nodiscard]] std::string ipxe_script(const BootFiles& files);
[[nodiscard]] std::string pxelinux_config(const BootFiles& files);
/// The folder is the top of the TFTP server.
[[nodiscard]] std::string grub_config(const BootFiles& files);

struct DhcpSettings {
    std::string folder;    ///< absolute
    std::string interface; ///< "": whoever uses it has to fill it in
    /// "10.0.0.50,10.0.0.99": addresses to lease; "10.0.0.0,proxy": another server leases them.
    std::string range{};
    std::string address{}; ///< the interface's, which a proxy has to tell
};
/// Of dnsmasq: DHCP or proxyDHCP and TFTP for BIOS, UEFI and iPXE, and no DNS.
[[nodiscard]] std::string dnsmasq_config(const DhcpSettings& settings);
/// InvalidArgument: an address, interface or folder that would be something else in dnsmasq's
/// configuration.
[[nodiscard]] Status check(const DhcpSettings& settings);

} // namespace slipway::netboot
