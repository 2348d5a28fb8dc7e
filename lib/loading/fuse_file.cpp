// SPDX-License-Identifier: Apache-2.0
#include "loading/fuse_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys/mount.hpp"

namespace slipway::loading {
namespace {

constexpr unsigned oldest_minor = 23; // from here on an answer to INIT has its present size
constexpr unsigned our_minor = 31;
constexpr std::uint64_t valid_for = 3600; // seconds: neither name nor size changes
constexpr unsigned most_pages = 256;      // of one read: 1 MiB

template <class Record> Record record_at(std::string_view bytes, std::size_t at) {
    Record record{};
    if (bytes.size() > at)
        std::memcpy(&record, bytes.data() + at, std::min(sizeof record, bytes.size() - at));
    return record;
}

} // namespace

Result<sys::OwnedFd> mount_fuse_file(const std::string& place) {
    SLIPWAY_CHECK(sys::write_file(place, ""));
    auto device = sys::open_file("/dev/fuse", O_RDWR);
    if (!device)
        return fail(Code::Unsupported,
                    fmt::format("this kernel has no FUSE: {}", render_line(device.error())),
                    "pack its module with `slipway netboot build`");
    SLIPWAY_CHECK(sys::mount(
        {.source = "slipway-lazy",
         .target = place,
         .type = "fuse",
         .flags = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC,
         .options = fmt::format("fd={},rootmode={:o},user_id={},group_id={}", device->raw(),
                                S_IFREG | 0400, ::geteuid(), ::getegid())}));
    return std::move(*device);
}

FuseFile::FuseFile(sys::OwnedFd device, std::uint64_t size)
    : device_(std::move(device)), size_(size), buffer_(64 << 10, '\0') {}

void FuseFile::reply(std::uint64_t id, int error, std::string_view content) const {
    fuse_out_header header{};
    header.unique = id;
    header.error = -error;
    header.len = static_cast<std::uint32_t>(sizeof header + content.size());
    const std::array<iovec, 2> parts{iovec{&header, sizeof header},
                                     iovec{const_cast<char*>(content.data()), content.size()}};
    [[maybe_unused]] auto sent = ::writev(device_.raw(), parts.data(), content.empty() ? 1 : 2);
}

template <class Record> void FuseFile::reply_with(std::uint64_t id, const Record& record) const {
    reply(id, 0, {reinterpret_cast<const char*>(&record), sizeof record});
}

void FuseFile::answer(const Read& read, std::string_view content) const {
    reply(read.id, 0, content);
}

void FuseFile::refuse(const Read& read, int error) const {
    reply(read.id, error, {});
}

void FuseFile::obey(std::uint32_t operation, std::uint64_t id) const {
    switch (operation) {
    case FUSE_INIT: {
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = our_minor;
        out.flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_MAX_PAGES;
        out.max_background = 64;
        out.congestion_threshold = 64;
        out.max_write = 4096;
        out.max_pages = most_pages;
        return reply_with(id, out);
    }
    case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr_valid = valid_for;
        out.attr.ino = FUSE_ROOT_ID;
        out.attr.size = size_;
        out.attr.blocks = (size_ + 511) / 512;
        out.attr.mode = S_IFREG | 0400;
        out.attr.nlink = 1;
        out.attr.uid = ::geteuid();
        out.attr.gid = ::getegid();
        out.attr.blksize = 4096;
        return reply_with(id, out);
    }
    case FUSE_OPEN: {
        fuse_open_out out{};
        out.open_flags = FOPEN_DIRECT_IO; // the loop device's pages are enough
        return reply_with(id, out);
    }
    case FUSE_STATFS: {
        fuse_statfs_out out{};
        out.st.bsize = out.st.frsize = 4096;
        return reply_with(id, out);
    }
    case FUSE_RELEASE:
    case FUSE_FLUSH:
    case FUSE_DESTROY:
        return reply(id, 0, {});
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return; // nothing is said to these
    default:
        return reply(id, ENOSYS, {});
    }
}

Result<std::optional<FuseFile::Read>> FuseFile::next() {
    auto got = ::read(device_.raw(), buffer_.data(), buffer_.size());
    if (got < 0 && errno == ENODEV)
        return fail(Code::NotFound, "the image is not mounted any more");
    if (got < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
        return fail_errno("hearing what the kernel wants");
    if (got < static_cast<ssize_t>(sizeof(fuse_in_header)))
        return std::optional<Read>();
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    auto header = record_at<fuse_in_header>(bytes, 0);
    if (header.opcode == FUSE_INIT) {
        auto kernel = record_at<fuse_init_in>(bytes, sizeof header);
        if (kernel.major != FUSE_KERNEL_VERSION || kernel.minor < oldest_minor) {
            reply(header.unique, EPROTO, {});
            return std::optional<Read>();
        }
    }
    if (header.opcode != FUSE_READ) {
        obey(header.opcode, header.unique);
        return std::optional<Read>();
    }
    auto wanted = record_at<fuse_read_in>(bytes, sizeof header);
    auto offset = std::min(wanted.offset, size_);
    return std::optional(
        Read{header.unique, offset, std::min<std::uint64_t>(wanted.size, size_ - offset)});
}

} // namespace slipway::loading
