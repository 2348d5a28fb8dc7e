// SPDX-License-Identifier: Apache-2.0
// A User-mode Linux machine as a record, and the command line that it stands for.
#pragma once

#include <string>
#include <vector>

namespace slipway::vm {

/// A raw disk that User-mode Linux opens itself: /dev/ubdb, ubdc, …
struct UbdSpec {
    int fd = -1;
    std::string serial{}; ///< /sys/block/ubdX/serial
};

/// A User-mode Linux whose root is this host's tree, read-only, through hostfs. Numbers are those
/// of inherited descriptors.
struct UmlSpec {
    std::string program = "linux.uml";
    unsigned memory_mib = 1024;
    std::string init{}; ///< PID 1, a path of the host without quotation marks
    std::vector<std::string> init_arguments{};
    int control_fd = 3; ///< a stream socket: the first serial line, /dev/ttyS0
    int window_fd = 4;  ///< a file for bulk data: the disk /dev/ubda
    std::vector<UbdSpec> ubds{};
    std::string append{};        ///< added to the kernel's command line
    bool loud = false;           ///< not only errors go to the console
    std::vector<int> disk_fds{}; ///< sockets connected to vhost-user-blk: /dev/vda, vdb, …
    /// Measure the speed of the raid6 code, which takes 0.8 s. Without it that code must not be
    /// used: RAID 6, and btrfs with its profiles raid5 and raid6.
    bool raid6 = false;
};

/// Pure. The first word is the program's name. The console is standard output.
[[nodiscard]] std::vector<std::string> uml_argv(const UmlSpec& spec);

} // namespace slipway::vm
