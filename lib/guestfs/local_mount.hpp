// SPDX-License-Identifier: Apache-2.0
// The files of a guest under a directory of this machine, through FUSE. Private to the module.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/cancel.hpp"
#include "guestfs/local_files.hpp"

namespace slipway::guestfs {

struct LocalMountOptions {
    std::string directory;
    bool readonly = false;
    std::string options{}; ///< further mount options
    /// Seconds for which the kernel keeps names and attributes; none: 60 where nothing is written,
    /// else a second for names and nothing for attributes, which change by other names of a file.
    std::optional<unsigned> cache_timeout{};
};

/// That a directory can be mounted on: of FUSE, fusermount3 and the directory itself. Unsupported
/// with the remedy, or the errno of the directory.
[[nodiscard]] Status check_mount_point(const std::string& directory);

class LocalMount {
public:
    /// The directory shows the files when it returns, and waits for `run` to answer. Root, or
    /// fusermount3. The errors of `check_mount_point`; Permission where it may not be mounted on.
    [[nodiscard]] static Result<std::unique_ptr<LocalMount>> make(LocalMountOptions options,
                                                                  Carry carry);
    LocalMount(const LocalMount&) = delete;
    LocalMount& operator=(const LocalMount&) = delete;
    ~LocalMount();

    /// Answers the kernel until the directory is unmounted. Cancelled, and unmounted, on request;
    /// the error of a call after which there can be no other; Busy while another thread is in it.
    [[nodiscard]] Status run(const Cancel& cancel);
    /// From any thread. Busy while a file below is open.
    [[nodiscard]] Status unmount() const;
    /// From any thread: ends `run`, whatever is open below, and waits for that. Busy from within.
    [[nodiscard]] Status stop();

private:
    struct State;
    explicit LocalMount(std::unique_ptr<State> state);
    [[nodiscard]] Status answer(const Cancel& cancel);
    std::unique_ptr<State> state_;
};

} // namespace slipway::guestfs
