// SPDX-License-Identifier: Apache-2.0
// Calls on the bytes of block devices, and on what the kernel knows of them.
#include <algorithm>
#include <array>
#include <cstring>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "calls/bind.hpp"
#include "calls/devices.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
constexpr std::size_t piece_size = 512 << 10;

template <class T> Result<T> ask(const Device& device, unsigned long request, const char* what) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    T value{};
    if (::ioctl(fd.raw(), request, &value) != 0)
        return fail_errno(fmt::format("{}: {}", device.name, what));
    return value;
}

Status tell(const Device& device, unsigned long request, unsigned long value, const char* what) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    if (::ioctl(fd.raw(), request, value) != 0)
        return fail_errno(fmt::format("{}: {}", device.name, what));
    return {};
}

Result<std::int64_t> blockdev_getsize64(Machine&, const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    return static_cast<std::int64_t>(size);
}

Result<std::int64_t> blockdev_getsz(Machine&, const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    return static_cast<std::int64_t>(size / 512);
}

Result<std::int64_t> blockdev_getss(Machine&, const Device& device) {
    return ask<int>(device, BLKSSZGET, "its sector size");
}

Result<std::int64_t> blockdev_getbsz(Machine&, const Device& device) {
    return ask<int>(device, BLKBSZGET, "its block size");
}

Result<bool> blockdev_getro(Machine&, const Device& device) {
    SLIPWAY_TRY(auto read_only, ask<int>(device, BLKROGET, "whether it is read-only"));
    return read_only != 0;
}

// The size holds as long as the device is open: it was never kept for the next call.
Status blockdev_setbsz(Machine&, const Device& device, std::int64_t blocksize) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDWR | O_EXCL));
    int size = static_cast<int>(std::clamp<std::int64_t>(blocksize, 0, 1 << 30));
    if (::ioctl(fd.raw(), BLKBSZSET, &size) != 0)
        return fail_errno(fmt::format("{}: its block size", device.name));
    return {};
}

Status set_read_only(const Device& device, int read_only) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    if (::ioctl(fd.raw(), BLKROSET, &read_only) != 0)
        return fail_errno(fmt::format("{}: whether it is read-only", device.name));
    return {};
}
Status blockdev_setro(Machine&, const Device& device) {
    return set_read_only(device, 1);
}
Status blockdev_setrw(Machine&, const Device& device) {
    return set_read_only(device, 0);
}

Status blockdev_setra(Machine&, const Device& device, std::int64_t sectors) {
    if (sectors < 0)
        return fail(os_error("sectors to read ahead", EINVAL));
    return tell(device, BLKRASET, static_cast<unsigned long>(sectors), "reading ahead");
}

Status blockdev_flushbufs(Machine&, const Device& device) {
    return tell(device, BLKFLSBUF, 0, "flushing it");
}

Status blockdev_rereadpt(Machine& machine, const Device& device) {
    auto* disk = machine.disk_of(device);
    if (disk == nullptr || device.name != "/dev/" + disk->disk().name)
        return fail(os_error(fmt::format("{}: reading its partition table", device.name), EINVAL));
    for (const auto& partition : partitions_of(*disk))
        if (auto fd = open_device(partition, O_RDONLY | O_EXCL);
            !fd && fd.error().errno_value == EBUSY)
            return fail(std::move(fd).error());
    return machine.look_at(*disk);
}

Status blkdiscard(Machine&, const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    SLIPWAY_TRY(auto fd, open_device(device, O_RDWR | O_EXCL));
    std::array<std::uint64_t, 2> range{0, size};
    if (::ioctl(fd.raw(), BLKDISCARD, range.data()) != 0)
        return fail_errno(fmt::format("discarding {}", device.name));
    return {};
}

Result<bool> blkdiscardzeroes(Machine&, const Device& device) {
    SLIPWAY_TRY(auto zeroes, ask<unsigned>(device, BLKDISCARDZEROES, "what discarding does"));
    return zeroes != 0;
}

Status pread_device(Machine&, const Device& device, std::int64_t count, std::int64_t offset,
                    const Output& output) {
    if (count < 0 || offset < 0)
        return fail(os_error("a count or offset is negative", EINVAL));
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    std::string piece(piece_size, '\0');
    while (count > 0) {
        auto wanted = std::min<std::size_t>(piece.size(), static_cast<std::size_t>(count));
        auto got = ::pread(fd.raw(), piece.data(), wanted, offset);
        if (got < 0)
            return fail_errno(fmt::format("reading {}", device.name));
        if (got == 0)
            return {};
        SLIPWAY_CHECK(output.send({piece.data(), static_cast<std::size_t>(got)}));
        offset += got;
        count -= got;
    }
    return {};
}

Result<std::int64_t> pwrite_device(Machine&, const Device& device, const Input& input,
                                   std::int64_t offset) {
    if (offset < 0)
        return fail(os_error("the offset is negative", EINVAL));
    SLIPWAY_TRY(auto fd, open_device(device, O_WRONLY));
    std::int64_t written = 0;
    auto received = input.each([&](std::string_view bytes) -> Status {
        auto at = static_cast<std::uint64_t>(offset + written);
        written += static_cast<std::int64_t>(bytes.size());
        return sys::write_all_at(fd, bytes, at);
    });
    SLIPWAY_CHECK(std::move(received));
    if (::fsync(fd.raw()) != 0)
        return fail_errno(fmt::format("writing {}", device.name));
    return written;
}

bool is_zero(std::string_view bytes) {
    return bytes.empty() || (bytes.front() == 0 &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// `take` says whether to go on.
Result<bool> each_piece(const Machine& machine, sys::BorrowedFd fd, std::uint64_t size,
                        const std::function<Result<bool>(std::string_view, std::uint64_t)>& take) {
    std::string piece(piece_size, '\0');
    for (std::uint64_t at = 0; at < size;) {
        SLIPWAY_CHECK(machine.host.cancel.check());
        auto length = std::min<std::uint64_t>(piece.size(), size - at);
        SLIPWAY_CHECK(
            sys::read_exactly_at(fd, std::as_writable_bytes(std::span(piece.data(), length)), at));
        SLIPWAY_TRY(auto more, take(std::string_view(piece).substr(0, length), at));
        if (!more)
            return false;
        at += length;
        if (machine.host.progress)
            machine.host.progress({.done = at, .total = size});
    }
    return true;
}

Result<bool> is_zero_device(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    return each_piece(machine, fd, size, [](std::string_view piece, std::uint64_t) -> Result<bool> {
        return is_zero(piece);
    });
}

// Only where there is something else: an image with holes keeps them.
Status write_zeros(Machine& machine, const Device& device, std::uint64_t size) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDWR | O_EXCL));
    const std::string zeros(piece_size, '\0');
    auto take = [&](std::string_view piece, std::uint64_t at) -> Result<bool> {
        if (!is_zero(piece))
            SLIPWAY_CHECK(
                sys::write_all_at(fd, std::string_view(zeros).substr(0, piece.size()), at));
        return true;
    };
    SLIPWAY_CHECK(each_piece(machine, fd, size, take));
    if (::fsync(fd.raw()) != 0)
        return fail_errno(fmt::format("writing {}", device.name));
    return {};
}

Status zero(Machine& machine, const Device& device) {
    constexpr std::uint64_t beginning = 128 * 4096;
    SLIPWAY_TRY(auto size, size_of(device));
    return write_zeros(machine, device, std::min(beginning, size));
}

Status zero_device(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    return write_zeros(machine, device, size);
}

struct CopyOptions {
    std::optional<std::int64_t> source_offset, offset, size;
    bool sparse = false;
};

Status copy(const Machine& machine, sys::BorrowedFd from, sys::BorrowedFd to,
            const CopyOptions& options) {
    auto from_at = options.source_offset.value_or(0), to_at = options.offset.value_or(0);
    if (from_at < 0 || to_at < 0 || options.size.value_or(0) < 0)
        return fail(os_error("an offset or size is negative", EINVAL));
    auto left = options.size.value_or(std::numeric_limits<std::int64_t>::max());
    std::string piece(piece_size, '\0');
    while (left > 0) {
        SLIPWAY_CHECK(machine.host.cancel.check());
        auto wanted = std::min<std::size_t>(piece.size(), static_cast<std::size_t>(left));
        auto got = ::pread(from.raw(), piece.data(), wanted, from_at);
        if (got < 0)
            return fail_errno("reading the source");
        if (got == 0 && options.size)
            return fail(Code::InvalidArgument, "the source ends before the size is reached");
        if (got == 0)
            break;
        auto bytes = std::string_view(piece).substr(0, static_cast<std::size_t>(got));
        if (!options.sparse || !is_zero(bytes))
            SLIPWAY_CHECK(sys::write_all_at(to, bytes, static_cast<std::uint64_t>(to_at)));
        from_at += got;
        to_at += got;
        left -= got;
    }
    return {};
}

Status copy_device_to_device(Machine& machine, const Device& source, const Device& destination,
                             std::optional<std::int64_t> source_offset,
                             std::optional<std::int64_t> offset, std::optional<std::int64_t> size,
                             std::optional<bool> sparse, std::optional<bool> append) {
    if (append.value_or(false))
        return fail(Code::InvalidArgument, "nothing can be appended to a device");
    SLIPWAY_TRY(auto from, open_device(source, O_RDONLY));
    SLIPWAY_TRY(auto to, open_device(destination, O_WRONLY));
    SLIPWAY_CHECK(copy(machine, from, to, {source_offset, offset, size, sparse.value_or(false)}));
    return to.close();
}

Status copy_device_to_file(Machine& machine, const Device& source, const GuestPath& destination,
                           std::optional<std::int64_t> source_offset,
                           std::optional<std::int64_t> offset, std::optional<std::int64_t> size,
                           std::optional<bool> sparse, std::optional<bool> append) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto from, open_device(source, O_RDONLY));
    bool appended = append.value_or(false), whole = !offset && !appended;
    SLIPWAY_TRY(auto to,
                root.open_path(destination, O_WRONLY | O_CREAT | (whole ? O_TRUNC : 0), 0666));
    struct stat info {};
    if (::fstat(to.raw(), &info) != 0)
        return fail_errno(destination.str());
    if (appended)
        offset = info.st_size;
    SLIPWAY_CHECK(copy(machine, from, to, {source_offset, offset, size, sparse.value_or(false)}));
    SLIPWAY_TRY(auto length, size_of(source));
    auto end = offset.value_or(0) +
               size.value_or(static_cast<std::int64_t>(length) - source_offset.value_or(0));
    // Zeros at its end were left out.
    if (sparse.value_or(false) && end > info.st_size && ::ftruncate(to.raw(), end) != 0)
        return fail_errno(destination.str());
    return to.close();
}

Status copy_file_to_device(Machine& machine, const GuestPath& source, const Device& destination,
                           std::optional<std::int64_t> source_offset,
                           std::optional<std::int64_t> offset, std::optional<std::int64_t> size,
                           std::optional<bool> sparse, std::optional<bool> append) {
    if (append.value_or(false))
        return fail(Code::InvalidArgument, "nothing can be appended to a device");
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto from, root.open_path(source, O_RDONLY));
    SLIPWAY_TRY(auto to, open_device(destination, O_WRONLY));
    SLIPWAY_CHECK(copy(machine, from, to, {source_offset, offset, size, sparse.value_or(false)}));
    return to.close();
}

} // namespace

Calls block_calls() {
    static constexpr Call calls[] = {
        {"blockdev_getsize64", bind<blockdev_getsize64>},
        {"blockdev_getsz", bind<blockdev_getsz>},
        {"blockdev_getss", bind<blockdev_getss>},
        {"blockdev_getbsz", bind<blockdev_getbsz>},
        {"blockdev_getro", bind<blockdev_getro>},
        {"blockdev_setbsz", bind<blockdev_setbsz>},
        {"blockdev_setro", bind<blockdev_setro>},
        {"blockdev_setrw", bind<blockdev_setrw>},
        {"blockdev_setra", bind<blockdev_setra>},
        {"blockdev_flushbufs", bind<blockdev_flushbufs>},
        {"blockdev_rereadpt", bind<blockdev_rereadpt>},
        {"blkdiscard", bind<blkdiscard>},
        {"blkdiscardzeroes", bind<blkdiscardzeroes>},
        {"pread_device", bind<pread_device>},
        {"pwrite_device", bind<pwrite_device>},
        {"is_zero_device", bind<is_zero_device>},
        {"zero", bind<zero>},
        {"zero_device", bind<zero_device>},
        {"copy_device_to_device", bind<copy_device_to_device>},
        {"copy_device_to_file", bind<copy_device_to_file>},
        {"copy_file_to_device", bind<copy_file_to_device>},
    };
    return calls;
}

} // namespace slipway::calls
