// SPDX-License-Identifier: Apache-2.0
// The bootstrap's initramfs.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "appliance/tested_kernel.hpp"
#include "netboot/modules.hpp"

namespace slipway::netboot {

struct InitramfsParts {
    std::string init;                ///< the program slipway-init
    std::vector<std::string> keys{}; ///< files with public keys that images must be signed with
    std::string ca{};                ///< file with the authorities that servers are checked against
    std::string server{};            ///< file with the certificate of the server of remote control
    std::string shell{};             ///< a static busybox; "": none
    std::string firmware{};          ///< a directory with what network cards need; "": none
};

struct Initramfs {
    std::string bytes; ///< the same for the same parts
    std::string compression;
    std::set<std::string> modules; ///< their names
    Firmware firmware{};
};

/// Anybody can fetch it by TFTP: only public things go in. InvalidArgument: a key that is none, or
/// a private one; a shell that is not static.
[[nodiscard]] Result<Initramfs> make_initramfs(const InitramfsParts& parts,
                                               const appliance::TestedKernel& kernel,
                                               const ModuleChoice& choice);

} // namespace slipway::netboot
