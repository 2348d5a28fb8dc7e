// SPDX-License-Identifier: Apache-2.0
// What calls about files share: names in directories, content piece by piece, lines.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "calls/bind.hpp"

namespace slipway::calls {

/// Something with content: a file of the guest's, or, below /dev, a device of the machine.
struct FileOrDevice {
    std::string name; ///< guest path, or the device's
    bool is_device = false;
};
template <> struct Parameter<FileOrDevice> {
    static constexpr bool consumes = true;
    static Result<FileOrDevice> take(const Request& request, const Json& json);
};
/// As open(2); of a device's flags O_CREAT and O_TRUNC are left out.
[[nodiscard]] Result<sys::OwnedFd> open_content(Machine& machine, const FileOrDevice& place,
                                                int flags, mode_t mode = 0666);
[[nodiscard]] Result<sys::OwnedFd> open_file(Machine& machine, const sys::GuestPath& path,
                                             int flags = O_RDONLY, mode_t mode = 0666);
/// For looking at any kind of file by `proc_path`, which works for links, too.
[[nodiscard]] Result<sys::OwnedFd> open_to_look(Machine& machine, const sys::GuestPath& path,
                                                bool follow);

/// A name in a directory of the guest's that is open.
struct Place {
    sys::OwnedFd directory;
    std::string name;
};
/// `errno_of_root`: what a change of the root directory fails with.
[[nodiscard]] Result<Place> place_of(Machine& machine, const sys::GuestPath& path,
                                     int errno_of_root);
/// Without slashes and not "..", so that it does not lead out of a directory.
[[nodiscard]] bool is_plain_name(const std::string& name);

inline constexpr std::size_t piece_size = 512 << 10;
using Take = std::function<Status(std::string_view)>;
/// The next piece of some content, valid until the next call; empty at the end.
using Source = std::function<Result<std::string_view>()>;

/// From the descriptor's position on, until its end or at most `most` bytes. It is borrowed.
/// Cancelled between pieces.
[[nodiscard]] Source content_of(Cancel cancel, sys::BorrowedFd file, std::string name,
                                std::uint64_t most = UINT64_MAX);
[[nodiscard]] Status each_piece(const Source& source, const Take& take);
/// Calls `take` with each line, without its newline, until it says false. NoSpace for a line of
/// more than 64 MiB.
[[nodiscard]] Status each_line(const Source& source,
                               const std::function<Result<bool>(std::string_view)>& take);
/// A negative number of an argument is InvalidArgument.
[[nodiscard]] Status refuse_negative(std::int64_t number, std::string_view what);

/// What `tool` says of `input`, which is its standard input. It sees nothing of the guest else, and
/// may do nothing.
[[nodiscard]] Result<std::string> run_confined(Machine& machine, std::vector<std::string> argv,
                                               sys::BorrowedFd input,
                                               std::vector<std::string> read_paths);

} // namespace slipway::calls
