// SPDX-License-Identifier: Apache-2.0
// Files that are whole or absent, and scratch files that vanish with their last descriptor.
#pragma once

#include <string>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// A file under construction: without a name (O_TMPFILE) until `publish`; where the filesystem
/// cannot do that, under a temporary name that `discard_leftovers` recognises and the destructor
/// removes. After SIGKILL at any moment the destination is absent or whole.
class OutputFile {
public:
    /// Exists if the destination is there already and `replace` is not set; NotFound and Permission
    /// for its directory.
    struct Options {
        bool replace = false;
        mode_t mode = 0644;
    };
    [[nodiscard]] static Result<OutputFile> create(const std::string& destination,
                                                   const Options& options);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    ~OutputFile();

    [[nodiscard]] BorrowedFd fd() const { return fd_; }
    /// Syncs file and directory and gives it its name.
    [[nodiscard]] Status publish();

private:
    OutputFile() = default;
    std::string destination_;
    std::string temporary_; ///< empty: no name at all
    bool replace_ = false;
    OwnedFd directory_;
    OwnedFd fd_;
};

/// A nameless file in `directory`, gone with its last descriptor. NoSpace, Permission.
[[nodiscard]] Result<OwnedFd> make_scratch_file(const std::string& directory);

} // namespace slipway::sys
