// SPDX-License-Identifier: Apache-2.0
#include "archive/pack.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::archive {
namespace {

constexpr std::size_t block_size = 512 << 10;
// Each level holds a descriptor, and a process has 1024 of them.
constexpr unsigned deepest = 500;

struct FreeWriter {
    void operator()(struct ::archive* handle) const { ::archive_free(handle); }
};
struct FreeEntry {
    void operator()(struct ::archive_entry* entry) const { ::archive_entry_free(entry); }
};
using Handle = std::unique_ptr<struct ::archive, FreeWriter>;
using Entry = std::unique_ptr<struct ::archive_entry, FreeEntry>;

struct Output {
    const std::function<Status(std::string_view)>& sink;
    std::optional<Error> error;
};

la_ssize_t write_block(struct ::archive* writer, void* context, const void* data,
                       std::size_t size) {
    auto& output = *static_cast<Output*>(context);
    auto taken = output.sink({static_cast<const char*>(data), size});
    if (taken)
        return static_cast<la_ssize_t>(size);
    output.error = std::move(taken).error();
    ::archive_set_error(writer, EIO, "the reader has gone");
    return -1;
}

Result<std::vector<std::string>> sorted_names(sys::BorrowedFd directory, const std::string& shown) {
    // A descriptor of its own: the position in a directory belongs to it.
    SLIPWAY_TRY(auto again, sys::open_at(directory, ".", O_RDONLY | O_DIRECTORY));
    std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again.raw()), ::closedir);
    if (!listing)
        return fail_errno(fmt::format("listing {} in the guest", shown));
    [[maybe_unused]] auto owned_by_listing = again.release();
    std::vector<std::string> names;
    errno = 0;
    while (const auto* found = ::readdir(listing.get()))
        if (std::string_view name(found->d_name); name != "." && name != "..")
            names.emplace_back(name);
    if (errno != 0)
        return fail_errno(fmt::format("listing {} in the guest", shown));
    std::sort(names.begin(), names.end());
    return names;
}

class Packer {
public:
    explicit Packer(const std::function<Status(std::string_view)>& sink)
        : reader_(::archive_read_disk_new()), writer_(::archive_write_new()), output_{sink, {}},
          buffer_(block_size, '\0') {}

    Result<std::uint64_t> run(sys::BorrowedFd directory) {
        // Flags of chattr(1) have no place in most readers of pax.
        ::archive_read_disk_set_behavior(reader_.get(), ARCHIVE_READDISK_NO_FFLAGS);
        ::archive_write_set_format_pax_restricted(writer_.get());
        ::archive_write_set_bytes_per_block(writer_.get(), static_cast<int>(block_size));
        ::archive_write_set_bytes_in_last_block(writer_.get(), 1);
        if (::archive_write_open2(writer_.get(), &output_, nullptr, write_block, nullptr,
                                  nullptr) != ARCHIVE_OK)
            return fail(error_of("."));
        SLIPWAY_CHECK(add_directory(directory, ".", 0));
        if (::archive_write_close(writer_.get()) != ARCHIVE_OK)
            return fail(error_of("."));
        return entries_;
    }

private:
    Error error_of(const std::string& name) {
        if (output_.error)
            return std::move(*output_.error);
        const char* text = ::archive_error_string(writer_.get());
        return {.code = Code::ToolFailed,
                .what = fmt::format("packing {}: {}", printable(name),
                                    text == nullptr ? "unknown" : printable(text))};
    }

    Status add_directory(sys::BorrowedFd directory, const std::string& name, unsigned depth) {
        if (depth > deepest)
            return fail(Code::Unsupported,
                        fmt::format("{} is nested deeper than {} directories",
                                    printable(name.substr(0, 200)), deepest),
                        "pack a part of it");
        struct stat info {};
        if (::fstat(directory.raw(), &info) != 0)
            return fail_errno(fmt::format("looking at {}", printable(name)));
        SLIPWAY_CHECK(add_entry(name, info, directory));
        SLIPWAY_TRY(auto names, sorted_names(directory, printable(name)));
        for (const auto& each : names)
            SLIPWAY_CHECK(add_child(directory, each, fmt::format("{}/{}", name, each), depth));
        return {};
    }

    Status add_child(sys::BorrowedFd parent, const std::string& own, const std::string& name,
                     unsigned depth) {
        struct stat info {};
        if (::fstatat(parent.raw(), own.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno(fmt::format("looking at {}", printable(name)));
        if (S_ISSOCK(info.st_mode))
            return {};
        if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) {
            SLIPWAY_TRY(auto opened, sys::open_at(parent, own, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
            return S_ISDIR(info.st_mode) ? add_directory(opened, name, depth + 1)
                                         : add_entry(name, info, opened);
        }
        std::array<char, 4097> target{};
        if (S_ISLNK(info.st_mode) &&
            ::readlinkat(parent.raw(), own.c_str(), target.data(), target.size() - 1) < 0)
            return fail_errno(fmt::format("looking at {}", printable(name)));
        return add_entry(name, info, sys::BorrowedFd(-1), target.data());
    }

    /// `file` is open for directories and regular files only.
    Status add_entry(const std::string& name, const struct stat& info, sys::BorrowedFd file,
                     const char* target = "") {
        Entry entry(::archive_entry_new());
        ::archive_entry_copy_pathname(entry.get(), name.c_str());
        ::archive_entry_copy_stat(entry.get(), &info);
        if (S_ISLNK(info.st_mode))
            ::archive_entry_copy_symlink(entry.get(), target);
        bool has_data = S_ISREG(info.st_mode) && info.st_size > 0;
        if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
            auto [first, is_new] = linked_.try_emplace({info.st_dev, info.st_ino}, name);
            if (!is_new) {
                ::archive_entry_copy_hardlink(entry.get(), first->second.c_str());
                ::archive_entry_unset_size(entry.get());
                has_data = false;
            }
        }
        // By its own name it would be looked for in this process's tree.
        if (file.valid())
            ::archive_entry_copy_sourcepath(entry.get(), sys::proc_path(file.raw()).c_str());
        if (file.valid() && ::archive_read_disk_entry_from_file(reader_.get(), entry.get(),
                                                                file.raw(), &info) < ARCHIVE_WARN)
            return fail(Code::ToolFailed,
                        fmt::format("reading the attributes of {}", printable(name)));
        ++entries_;
        if (::archive_write_header(writer_.get(), entry.get()) < ARCHIVE_WARN)
            return fail(error_of(name));
        return has_data ? add_data(name, file) : Status{};
    }

    Status add_data(const std::string& name, sys::BorrowedFd file) {
        while (true) {
            auto got = ::read(file.raw(), buffer_.data(), buffer_.size());
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0)
                return fail_errno(fmt::format("reading {} in the guest", printable(name)));
            if (got == 0)
                return {};
            if (::archive_write_data(writer_.get(), buffer_.data(), static_cast<std::size_t>(got)) <
                0)
                return fail(error_of(name));
        }
    }

    Handle reader_, writer_;
    Output output_;
    std::string buffer_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_; ///< by their first names
    std::uint64_t entries_ = 0;
};

} // namespace

Result<std::uint64_t> pack_directory(sys::BorrowedFd directory,
                                     const std::function<Status(std::string_view)>& sink) {
    return Packer(sink).run(directory);
}

} // namespace slipway::archive
