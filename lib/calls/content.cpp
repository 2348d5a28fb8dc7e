// SPDX-License-Identifier: Apache-2.0
// Calls that read and write the content of files.
#include <algorithm>
#include <limits>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "calls/content.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;

constexpr int new_file = O_WRONLY | O_CREAT | O_TRUNC;

Status named(Status done, const std::string& name) {
    return done ? Status{} : Status(fail(std::move(done.error()).in(name)));
}

Status download(Machine& machine, const FileOrDevice& place, const Output& output) {
    SLIPWAY_TRY(auto file, open_content(machine, place, O_RDONLY));
    return each_piece(content_of(machine.host.cancel, file, place.name),
                      [&](std::string_view piece) { return output.send(piece); });
}

Status download_offset(Machine& machine, const FileOrDevice& place, std::int64_t offset,
                       std::int64_t size, const Output& output) {
    SLIPWAY_CHECK(refuse_negative(offset, "offset"));
    SLIPWAY_CHECK(refuse_negative(size, "size"));
    SLIPWAY_TRY(auto file, open_content(machine, place, O_RDONLY));
    return send_range(machine.host.cancel, file, place.name, size, offset, output);
}

Status receive(Machine& machine, const FileOrDevice& place, int flags, off_t offset,
               const Input& input) {
    SLIPWAY_TRY(auto file, open_content(machine, place, flags));
    if (offset > 0 && ::lseek(file.raw(), offset, SEEK_SET) < 0)
        return fail_errno(place.name);
    return input.each(
        [&](std::string_view bytes) { return named(sys::write_all(file, bytes), place.name); });
}

Status upload(Machine& machine, const FileOrDevice& place, const Input& input) {
    return receive(machine, place, new_file, 0, input);
}
Status upload_offset(Machine& machine, const FileOrDevice& place, std::int64_t offset,
                     const Input& input) {
    SLIPWAY_CHECK(refuse_negative(offset, "offset"));
    return receive(machine, place, O_WRONLY | O_CREAT, offset, input);
}
Status write(Machine& machine, const GuestPath& path, const Input& input) {
    return receive(machine, {path.str()}, new_file, 0, input);
}
Status write_append(Machine& machine, const GuestPath& path, const Input& input) {
    return receive(machine, {path.str()}, O_WRONLY | O_CREAT | O_APPEND, 0, input);
}
Status read_file(Machine& machine, const GuestPath& path, const Output& output) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    struct stat info {};
    if (::fstat(file.raw(), &info) == 0 && info.st_size > static_cast<off_t>(longest_value)) {
        auto error = os_error(fmt::format("{}: more than 2 GiB", path.str()), EFBIG);
        error.hint = "download writes it to a file";
        return fail(std::move(error));
    }
    return each_piece(content_of(machine.host.cancel, file, path.str()),
                      [&](std::string_view piece) { return output.send(piece); });
}

Status write_file(Machine& machine, const GuestPath& path, const std::string& content,
                  std::int64_t size) {
    SLIPWAY_CHECK(refuse_negative(size, "size"));
    auto wanted = size == 0 ? content.size() : static_cast<std::size_t>(size);
    if (wanted > content.size())
        return fail(Code::InvalidArgument, "size is more than the content has");
    SLIPWAY_TRY(auto file, open_file(machine, path, new_file));
    return named(sys::write_all(file, std::string_view(content).substr(0, wanted)), path.str());
}

Status pread(Machine& machine, const GuestPath& path, std::int64_t count, std::int64_t offset,
             const Output& output) {
    SLIPWAY_CHECK(refuse_negative(count, "count"));
    SLIPWAY_CHECK(refuse_negative(offset, "offset"));
    SLIPWAY_TRY(auto file, open_file(machine, path));
    return send_range(machine.host.cancel, file, path.str(), count, offset, output);
}

Result<std::int64_t> pwrite(Machine& machine, const GuestPath& path, std::int64_t offset,
                            const Input& input) {
    SLIPWAY_CHECK(refuse_negative(offset, "offset"));
    SLIPWAY_TRY(auto file, open_file(machine, path, O_WRONLY));
    return receive_range(file, path.str(), offset, input);
}

Status truncate_size(Machine& machine, const GuestPath& path, std::int64_t size) {
    SLIPWAY_TRY(auto file, open_file(machine, path, O_WRONLY));
    return ::ftruncate(file.raw(), size) == 0 ? Status{} : Status(fail_errno(path.str()));
}
Status truncate(Machine& machine, const GuestPath& path) {
    return truncate_size(machine, path, 0);
}

// The pattern again and again, until the file has `size` bytes.
Status fill_with(Machine& machine, const GuestPath& path, const std::string& pattern,
                 std::int64_t size) {
    if (size < 0)
        return fail(Code::InvalidArgument, fmt::format("{}: the length is negative", size));
    SLIPWAY_TRY(auto file, open_file(machine, path, new_file));
    std::string piece;
    while (piece.size() < piece_size)
        piece += pattern;
    for (auto left = static_cast<std::uint64_t>(size); left > 0;) {
        SLIPWAY_CHECK(machine.host.cancel.check());
        auto part = std::string_view(piece).substr(0, std::min<std::uint64_t>(left, piece.size()));
        SLIPWAY_CHECK(named(sys::write_all(file, part), path.str()));
        left -= part.size();
    }
    return {};
}

Status fill(Machine& machine, std::int64_t byte, std::int64_t size, const GuestPath& path) {
    if (byte < 0 || byte > 255)
        return fail(Code::InvalidArgument, fmt::format("{}: a byte is a number of 0 to 255", byte));
    return fill_with(machine, path, std::string(1, static_cast<char>(byte)), size);
}
Status fill_pattern(Machine& machine, const std::string& pattern, std::int64_t size,
                    const GuestPath& path) {
    if (pattern.empty())
        return fail(Code::InvalidArgument, "the pattern is empty");
    return fill_with(machine, path, pattern, size);
}

Status fallocate64(Machine& machine, const GuestPath& path, std::int64_t size) {
    SLIPWAY_TRY(auto file, open_file(machine, path, new_file));
    if (int error = ::posix_fallocate(file.raw(), 0, size); error != 0)
        return fail_errno(path.str(), error);
    return {};
}
Status fallocate(Machine& machine, const GuestPath& path, std::int64_t size) {
    SLIPWAY_CHECK(refuse_negative(size, "the length"));
    return fallocate64(machine, path, size);
}

} // namespace

Status send_range(const Cancel& cancel, sys::BorrowedFd file, const std::string& name,
                  std::int64_t count, std::int64_t offset, const Output& output) {
    if (::lseek(file.raw(), offset, SEEK_SET) < 0)
        return fail_errno(name);
    return each_piece(content_of(cancel, file, name, static_cast<std::uint64_t>(count)),
                      [&](std::string_view piece) { return output.send(piece); });
}

Result<std::int64_t> receive_range(sys::BorrowedFd file, const std::string& name,
                                   std::int64_t offset, const Input& input) {
    std::int64_t written = 0;
    SLIPWAY_CHECK(input.each([&](std::string_view bytes) {
        auto at = static_cast<std::uint64_t>(offset + written);
        written += static_cast<std::int64_t>(bytes.size());
        return named(sys::write_all_at(file, bytes, at), name);
    }));
    return written;
}

Calls content_calls() {
    static constexpr Call calls[] = {
        {"read_file", bind<read_file>},
        {"cat", bind<read_file>},
        {"download", bind<download>},
        {"download_offset", bind<download_offset>},
        {"pread", bind<pread>},
        {"write", bind<write>},
        {"write_append", bind<write_append>},
        {"write_file", bind<write_file>},
        {"upload", bind<upload>},
        {"upload_offset", bind<upload_offset>},
        {"pwrite", bind<pwrite>},
        {"truncate", bind<truncate>},
        {"truncate_size", bind<truncate_size>},
        {"fill", bind<fill>},
        {"fill_pattern", bind<fill_pattern>},
        {"fallocate", bind<fallocate>},
        {"fallocate64", bind<fallocate64>},
    };
    return calls;
}

} // namespace slipway::calls
