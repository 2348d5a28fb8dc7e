// SPDX-License-Identifier: Apache-2.0
// A process that unpacks an archive: locked into the directory that it unpacks into, and without
// any right that unpacking does not need.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "archive/unpack.hpp"
#include "report/finding.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"
#include "sys/process.hpp"

namespace slipway::work {

/// Unpacks the first `size` bytes of `archive` into `directory`. What could not be restored is a
/// warning, what was left out as the options want it is an information. Errors of
/// archive::unpack_here. Needs root.
[[nodiscard]] Result<report::Findings> unpack_archive(const sys::Host& host,
                                                      sys::BorrowedFd archive, std::uint64_t size,
                                                      const std::string& directory,
                                                      const archive::UnpackOptions& options = {});

/// The same for an archive that comes piece by piece, into a directory of a larger tree: links lead
/// where they lead in that tree.
class Unpacking {
public:
    /// `root`: what the process is locked into; `directory`: below it, where names begin.
    [[nodiscard]] static Result<Unpacking> start(const sys::Host& host, sys::BorrowedFd root,
                                                 sys::BorrowedFd directory,
                                                 const archive::UnpackOptions& options);
    /// After an EPIPE `finish` says why the process has ended.
    [[nodiscard]] Status write(std::string_view bytes) const;
    /// Waits for the process. Errors of archive::unpack_here.
    [[nodiscard]] Result<archive::Unpacked> finish();

private:
    Unpacking() = default;
    sys::OwnedFd input_, answer_;
    std::unique_ptr<sys::Child> child_;
};

/// The process itself: descriptor 3 is the archive, 4 the directory; where `options`, which the
/// starter has written, say "below", 4 is the root and 5 the directory. The answer goes to standard
/// output. Returns the exit status.
[[nodiscard]] int serve_unpacker(const char* size, const char* options);

} // namespace slipway::work
