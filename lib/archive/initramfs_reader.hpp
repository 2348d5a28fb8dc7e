// SPDX-License-Identifier: Apache-2.0
// What an initramfs holds, read as the kernel reads it: cpio archives one after another, each plain
// or in a compressed stream, with zeros between (Documentation/driver-api/early-userspace/
// buffer-format.rst, init/initramfs.c).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {

/// One member. Its path is text of the guest without first slashes: it may hold "..", control
/// characters or anything else, and is never to be used as a path of the host.
struct InitramfsEntry {
    std::string path;
    mode_t mode = 0;           ///< type and permissions
    std::uint64_t size = 0;    ///< bytes
    unsigned links = 1;        ///< hard links; with several, the content may stand at another one
    std::string link_target{}; ///< of a symbolic link
};

/// Content of the member that is being visited.
class EntryContent {
public:
    EntryContent() = default;
    EntryContent(const EntryContent&) = delete;
    EntryContent& operator=(const EntryContent&) = delete;
    virtual ~EntryContent() = default;
    /// All of it, once. Unsupported for more than `limit` bytes.
    [[nodiscard]] virtual Result<std::string> read(std::size_t limit) = 0;
};

/// Called for each member in order; a later one of the same path replaces the earlier. An error
/// ends the reading and comes back from it.
using InitramfsVisitor = std::function<Status(const InitramfsEntry&, EntryContent&)>;

/// A plain archive, or one compressed stream with all archives in it.
struct InitramfsSegment {
    Compression compression = Compression::None;
    std::uint64_t offset = 0;        ///< bytes from the start of the file
    std::uint64_t size = 0;          ///< bytes in the file
    std::uint64_t unpacked_size = 0; ///< bytes
    std::uint64_t entries = 0;
};

struct InitramfsLayout {
    std::vector<InitramfsSegment> segments;
    std::uint64_t size = 0;    ///< bytes of the file
    std::uint64_t padding = 0; ///< zeros after the last segment
};

struct InitramfsLimits {
    std::uint64_t entries = 500'000; ///< archives count as entries too
    std::uint64_t unpacked_size = std::uint64_t{4} << 30;
    std::size_t path_size = 4096;
};

/// Visits every member with bounded memory; the file is read from its start, whatever its offset,
/// and nothing is written. Corrupt where the kernel would stop too (junk, truncation), Unsupported
/// beyond a limit, for LZO, and for a unified kernel image (UKI). Thread-safe.
[[nodiscard]] Result<InitramfsLayout> read_initramfs(sys::BorrowedFd file,
                                                     const InitramfsVisitor& visitor,
                                                     const InitramfsLimits& limits = {});

} // namespace slipway::archive
