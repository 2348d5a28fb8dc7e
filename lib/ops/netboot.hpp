// SPDX-License-Identifier: Apache-2.0
// Network boot from the server's side: makes the folder that machines boot from, and serves it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ops/open_image.hpp"

namespace slipway::ops {

/// In the folder: what the last build has made.
constexpr auto netboot_record = "slipway/netboot.json";

struct NetbootBuildRequest {
    std::string kernel;                  ///< see BootKernelRequest; of no User-mode Linux
    std::string output;                  ///< directory
    std::string modules = "net,storage"; ///< see netboot::parse_module_choice
    std::vector<std::string> keys{};     ///< files with public keys that images must be signed with
    std::string ca{};                    ///< file; "": the authorities that this host trusts
    /// "https://10.0.0.1:8443": where `serve` will listen for machines that want orders; "": none.
    std::string server{};
    std::string state{};                 ///< see ControlPlace::at
    bool with_shell = false;             ///< busybox of this host
    /// Directory with files for network cards whose modules are packed; "none": none are
    std::string firmware = "/lib/firmware";
    std::string append{}; ///< added to the kernel's command line
};

struct NetbootBuildResult {
    std::string directory;
    std::string kernel_release;
    std::string compression;           ///< of the initramfs
    std::uint64_t initramfs_bytes = 0; ///< as it is fetched
    std::size_t modules = 0;
    std::size_t firmware = 0;         ///< files
    std::vector<std::string> files{}; ///< that boot loaders begin with, below the directory
    std::vector<std::string> notes{}; ///< what a user should know, such as loaders that are missing
};
[[nodiscard]] Json to_json(const NetbootBuildResult& result);

/// Makes the folder, or a new kernel and initramfs in one that was made before; images in it stay.
/// A machine that boots at that moment gets the old pair or the new one. Needs no privilege.
/// InvalidArgument: a directory with other things in it, or what cannot be packed; Unsupported: the
/// kernel lacks what the bootstrap needs, with the names of the options.
[[nodiscard]] Result<NetbootBuildResult> build_netboot(const Context& context,
                                                       const NetbootBuildRequest& request);

struct NetbootPackRequest {
    /// Its path is a directory ("/": the running system), a disk image or an archive; or the name
    /// of a test root.
    ImageOptions source{};
    std::string output; ///< FILE.squashfs, .erofs, .tar.zst, .tar.xz, .tar.gz or .tar
    std::vector<std::string> excludes{}; ///< directories of it whose content is left out
    std::string sign{};                  ///< file with a private ed25519 key (PEM); "": unsigned
    bool force = false;                  ///< replace an image of that name
};
struct NetbootPackResult {
    std::string file;
    std::uint64_t size = 0; ///< bytes
    std::string sha256;
    std::string architecture;
    std::vector<std::string> excluded{}; ///< mounts of the running system that are no part of it
};
[[nodiscard]] Json to_json(const NetbootPackResult& result);

/// Makes an image for the bootstrap, and beside it .sha256, .manifest, .blocks, and with a key
/// .manifest.sig (see boot/manifest.hpp). The same source gives the same bytes. Exists without
/// `force`; NotFound: there is no system in the source; InvalidArgument: the ending, the key;
/// otherwise the errors of what opens the source.
[[nodiscard]] Result<NetbootPackResult> pack_netboot(const Context& context,
                                                     const NetbootPackRequest& request);

struct NetbootServeRequest {
    std::string folder;
    std::string address = "0.0.0.0"; ///< of the HTTP server
    std::uint16_t port = 8080;       ///< 0: one that is free
    std::string certificate{};       ///< PEM; "": plain HTTP
    std::string key{};               ///< PEM
    std::string interface {};        ///< "": neither DHCP nor TFTP
    std::string dhcp{};              ///< see netboot::DhcpSettings; "": TFTP only
    std::string state{};             ///< see ControlPlace::at
    bool approve_all = false;        ///< machines that report need no operator's approval
    /// A server listens: "files", or the directory of remote control's state; and its URL.
    std::function<void(const std::string&, const std::string&)> on_ready{};
    std::function<void(const std::string&)> on_event{}; ///< one line for each request
};
/// Serves until it is cancelled, which is its good end. A folder that was built with a server for
/// remote control has that served too, see serve_control. Busy: a port is taken; NotFound: no such
/// folder or interface; Permission: DHCP and TFTP need root; Unsupported: no dnsmasq here.
[[nodiscard]] Status serve_netboot(const Context& context, const NetbootServeRequest& request);

} // namespace slipway::ops
