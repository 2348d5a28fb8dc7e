// SPDX-License-Identifier: Apache-2.0
#include "archive/unpack.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/entry.hpp"
#include "base/strings.hpp"

namespace slipway::archive {
namespace {

constexpr std::size_t block_size = 1 << 20;
constexpr std::size_t max_examples = 5;
// archive_write_disk(3). No flags of chattr(1): they would keep the next entry from being written.
constexpr int restored =
    ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_UNLINK;

using Handle = std::unique_ptr<struct ::archive, FreeArchive>;

struct Input {
    sys::BorrowedFd file;
    std::uint64_t left; ///< bytes
    std::string block;
};

la_ssize_t read_block(struct ::archive* reader, void* context, const void** buffer) {
    auto& input = *static_cast<Input*>(context);
    auto wanted = std::min<std::uint64_t>(input.left, input.block.size());
    ssize_t got = 0;
    do
        got = ::read(input.file.raw(), input.block.data(), wanted);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        ::archive_set_error(reader, errno, "the archive cannot be read");
        return -1;
    }
    input.left -= static_cast<std::uint64_t>(got);
    *buffer = input.block.data();
    return got;
}

std::string message_of(struct ::archive* handle) {
    const char* text = ::archive_error_string(handle);
    return text == nullptr ? "unknown" : printable(text);
}

Error error_of(struct ::archive* handle) {
    auto error = os_error("unpacking the archive", ::archive_errno(handle));
    bool of_system = error.code == Code::NoSpace || error.code == Code::Permission;
    if (of_system)
        return error;
    if (::archive_format(handle) == 0)
        return {.code = Code::Corrupt,
                .what = fmt::format("this is no archive: {}", message_of(handle)),
                .hint = "give a tar archive, plain or compressed"};
    return {.code = Code::Corrupt,
            .what = fmt::format("the archive is damaged or cut off: {}", message_of(handle)),
            .hint = "copy it again from its origin"};
}

struct Filter {
    std::string_view name;
    int (*support)(struct ::archive*);
    int code;
};
// The "all" functions of libarchive would also start programs for formats that it does not know.
constexpr std::array filters{
    Filter{"gzip", ::archive_read_support_filter_gzip, ARCHIVE_FILTER_GZIP},
    Filter{"bzip2", ::archive_read_support_filter_bzip2, ARCHIVE_FILTER_BZIP2},
    Filter{"xz", ::archive_read_support_filter_xz, ARCHIVE_FILTER_XZ},
    Filter{"lzma", ::archive_read_support_filter_lzma, ARCHIVE_FILTER_LZMA},
    Filter{"zstd", ::archive_read_support_filter_zstd, ARCHIVE_FILTER_ZSTD},
    Filter{"compress", ::archive_read_support_filter_compress, ARCHIVE_FILTER_COMPRESS},
    Filter{"none", ::archive_read_support_filter_none, ARCHIVE_FILTER_NONE}};

Result<int> code_of(std::string_view compression) {
    for (const auto& filter : filters)
        if (filter.name == compression)
            return filter.code;
    return fail(Code::InvalidArgument,
                fmt::format("compression by '{}' is not supported", printable(compression)),
                "use gzip, bzip2, xz or compress");
}

void support(struct ::archive* reader, const UnpackOptions& options) {
    for (const auto& filter : filters)
        if (options.compression.empty() || options.compression == filter.name)
            filter.support(reader);
    ::archive_read_support_format_tar(reader);
    if (options.below) // as tar(1), for which an empty file is an archive of nothing
        ::archive_read_support_format_empty(reader);
}

bool is_other_device(struct ::archive_entry* entry) {
    // Documentation/admin-guide/devices.txt of the kernel: null, zero, full, random, urandom, tty.
    const std::array harmless{::makedev(1, 3), ::makedev(1, 5), ::makedev(1, 7),
                              ::makedev(1, 8), ::makedev(1, 9), ::makedev(5, 0)};
    auto type = ::archive_entry_filetype(entry);
    bool is_harmless = type == AE_IFCHR && std::find(harmless.begin(), harmless.end(),
                                                     ::archive_entry_rdev(entry)) != harmless.end();
    return (type == AE_IFCHR || type == AE_IFBLK) && !is_harmless;
}

// "a/../b" leads elsewhere when "a" is a link.
bool leads_up(std::string_view name) {
    for (auto part : split(name, '/'))
        if (part == "..")
            return true;
    return false;
}

class Unpacker {
public:
    Unpacker(sys::BorrowedFd archive, std::uint64_t size, const UnpackOptions& options)
        : reader_(::archive_read_new()),
          writer_(::archive_write_disk_new()), input_{archive, size, std::string(block_size, '\0')},
          options_(options) {}

    Result<Unpacked> run() {
        support(reader_.get(), options_);
        int what = restored | (options_.acls ? ARCHIVE_EXTRACT_ACL : 0) |
                   (options_.xattrs || options_.selinux ? ARCHIVE_EXTRACT_XATTR : 0);
        ::archive_write_disk_set_options(writer_.get(), what);
        if (::archive_read_open(reader_.get(), &input_, nullptr, read_block, nullptr) <
            ARCHIVE_WARN)
            return fail(nothing_known());
        struct ::archive_entry* entry = nullptr;
        int status = ARCHIVE_OK;
        while ((status = ::archive_read_next_header(reader_.get(), &entry)) != ARCHIVE_EOF) {
            if (status < ARCHIVE_WARN)
                return fail(unpacked_.entries == 0 ? nothing_known() : error_of(reader_.get()));
            SLIPWAY_CHECK(check_compression());
            ++unpacked_.entries;
            if (status == ARCHIVE_WARN)
                note(entry, reader_.get());
            SLIPWAY_CHECK(write(entry));
        }
        // Now it gives the directories their modes and times, but for the one that all is in.
        if (::archive_write_close(writer_.get()) < ARCHIVE_WARN)
            return fail(error_of(writer_.get()));
        if (top_time_ && ::utimensat(AT_FDCWD, ".", top_time_->data(), 0) != 0)
            return fail_errno("setting the time of the directory");
        return std::move(unpacked_);
    }

private:
    // libarchive takes what is packed otherwise for plain.
    Status check_compression() {
        if (options_.compression.empty())
            return {};
        SLIPWAY_TRY(int wanted, code_of(options_.compression));
        if (::archive_filter_code(reader_.get(), 0) != wanted)
            return fail(Code::Corrupt,
                        fmt::format("the archive is not compressed by {}", options_.compression));
        return {};
    }

    // False: the entry would leave the directory.
    static bool keep_below(struct ::archive_entry* entry) {
        auto relative = [](const char* path) {
            std::string_view name(path == nullptr ? "" : path);
            name.remove_prefix(std::min(name.find_first_not_of('/'), name.size()));
            return std::string(name.empty() ? "." : name);
        };
        auto name = relative(::archive_entry_pathname(entry));
        ::archive_entry_copy_pathname(entry, name.c_str());
        const char* link = ::archive_entry_hardlink(entry);
        if (link == nullptr)
            return !leads_up(name);
        auto target = relative(link);
        ::archive_entry_copy_hardlink(entry, target.c_str());
        return !leads_up(name) && !leads_up(target);
    }

    Status write(struct ::archive_entry* entry) {
        keep_attributes(entry, {options_.xattrs, options_.selinux});
        if (!options_.acls)
            ::archive_entry_acl_clear(entry);
        if (options_.below && !keep_below(entry)) {
            ::archive_set_error(writer_.get(), EINVAL, "the name has '..'");
            note(entry, writer_.get());
            return {};
        }
        const char* path = ::archive_entry_pathname(entry);
        std::string_view name(path == nullptr ? "" : path);
        if (options_.harmless_devices && is_other_device(entry)) {
            leave_out(name);
            return {};
        }
        if (name == "." || name == "./")
            top_time_ = {timespec{.tv_nsec = UTIME_OMIT},
                         timespec{::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)}};
        int status = ::archive_write_header(writer_.get(), entry);
        if (status == ARCHIVE_FATAL || out_of_space())
            return fail(error_of(writer_.get()));
        // In a user namespace nobody may make one.
        if (options_.harmless_devices && ::archive_entry_filetype(entry) == AE_IFCHR &&
            status != ARCHIVE_OK && ::archive_errno(writer_.get()) == EPERM) {
            leave_out(name);
            return {};
        }
        if (status < ARCHIVE_WARN) {
            note(entry, writer_.get());
            return {};
        }
        bool complete = status == ARCHIVE_OK;
        if (::archive_entry_size_is_set(entry) == 0 || ::archive_entry_size(entry) > 0) {
            SLIPWAY_TRY(complete, copy_data(complete));
        }
        if (::archive_write_finish_entry(writer_.get()) != ARCHIVE_OK)
            complete = false;
        if (out_of_space())
            return fail(error_of(writer_.get()));
        if (!complete)
            note(entry, writer_.get());
        return {};
    }

    // A write that fails is but a warning to libarchive. Returns whether all is there, still.
    Result<bool> copy_data(bool complete) {
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        int status = ARCHIVE_OK;
        while ((status = ::archive_read_data_block(reader_.get(), &block, &size, &offset)) !=
               ARCHIVE_EOF) {
            if (status < ARCHIVE_WARN)
                return fail(error_of(reader_.get()));
            int written =
                static_cast<int>(::archive_write_data_block(writer_.get(), block, size, offset));
            if (written < ARCHIVE_WARN || (written < ARCHIVE_OK && out_of_space()))
                return fail(error_of(writer_.get()));
            complete = complete && written >= ARCHIVE_OK;
        }
        return complete;
    }

    bool out_of_space() {
        auto number = ::archive_errno(writer_.get());
        return number == ENOSPC || number == EIO || number == EDQUOT;
    }

    void leave_out(std::string_view name) {
        if (unpacked_.left_out.size() < max_examples)
            unpacked_.left_out.push_back(printable(name));
    }

    void note(struct ::archive_entry* entry, struct ::archive* handle) {
        ++unpacked_.incomplete;
        if (unpacked_.examples.size() == max_examples)
            return;
        const char* name = ::archive_entry_pathname(entry);
        unpacked_.examples.push_back(
            fmt::format("{}: {}", name == nullptr ? "?" : printable(name), message_of(handle)));
    }

    Error nothing_known() {
        bool packed = ::archive_filter_code(reader_.get(), 0) != ARCHIVE_FILTER_NONE;
        if (!packed)
            return error_of(reader_.get());
        const char* name = ::archive_filter_name(reader_.get(), 0);
        return {.code = Code::Unsupported,
                .what =
                    fmt::format("no tar archive is in this {} stream: {}",
                                name == nullptr ? "compressed" : name, message_of(reader_.get())),
                .hint = "if it is a disk image, unpack it first"};
    }

    Handle reader_, writer_;
    Input input_;
    const UnpackOptions& options_;
    Unpacked unpacked_;
    std::optional<std::array<timespec, 2>> top_time_; ///< for utimensat(2)
};

} // namespace

Result<Unpacked> unpack_here(sys::BorrowedFd archive, std::uint64_t size,
                             const UnpackOptions& options) {
    if (!options.compression.empty())
        SLIPWAY_CHECK(code_of(options.compression));
    return Unpacker(archive, size, options).run();
}

} // namespace slipway::archive
