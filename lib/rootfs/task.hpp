// SPDX-License-Identifier: Apache-2.0
// Work on a root by a process of its own: slipway-worker --rootfs, started by a runner that is root
// of a namespace with all ids of the root.
#pragma once

#include <functional>
#include <string>

#include "rootfs/tree.hpp"
#include "sys/host.hpp"

namespace slipway::rootfs {

// What a client asks for; `host.runner` is that runner. Errors are those of tree.hpp.
[[nodiscard]] Status tidy_by_worker(const sys::Host& host, const std::string& directory,
                                    const std::string& archive_line);
/// Writes the profile into the root and runs its commands. ToolFailed with what a command said.
[[nodiscard]] Status apply_by_worker(const sys::Host& host, const std::string& directory,
                                     const Profile& profile, long snapshot);
[[nodiscard]] Result<Manifest> finish_by_worker(const sys::Host& host, const std::string& directory,
                                                const Manifest& manifest);
[[nodiscard]] Result<Facts> look_by_worker(const sys::Host& host, const std::string& directory);
/// Makes a directory `to` with a copy of the root. NoSpace, Exists and others of the system.
[[nodiscard]] Status copy_by_worker(const sys::Host& host, const std::string& directory,
                                    const std::string& to);
/// Writes the root as a tar archive to `output`; compression "", "gzip", "xz" or "zstd".
[[nodiscard]] Status pack_by_worker(const sys::Host& host, const std::string& directory,
                                    const std::string& compression, sys::BorrowedFd output);

/// The same without attributes that only root of a host can set, such as marks of overlayfs: any
/// user can unpack it.
[[nodiscard]] Status export_by_worker(const sys::Host& host, const std::string& directory,
                                      const std::string& compression, sys::BorrowedFd output);

/// The process itself: its directory is the root, standard input has what to do, the answer goes to
/// standard output, an archive to 4. Returns the exit status.
[[nodiscard]] int serve_task(const char* task);

} // namespace slipway::rootfs
