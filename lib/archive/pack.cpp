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
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/writer_handle.hpp"
#include "base/strings.hpp"

namespace slipway::archive {
namespace {

constexpr std::size_t block_size = 512 << 10;
// Each level holds a descriptor, and a process has 1024 of them.
constexpr unsigned deepest = 500;

using Reader = std::unique_ptr<struct ::archive, FreeArchive>;
using Entry = std::unique_ptr<struct ::archive_entry, FreeEntry>;

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
    Packer(const WriterHandle::Sink& sink, const PackOptions& options)
        : reader_(::archive_read_disk_new()), writer_(sink), options_(options),
          buffer_(block_size, '\0') {}

    Result<std::uint64_t> run(sys::BorrowedFd directory) {
        // Flags of chattr(1) have no place in most readers of pax.
        int behavior = ARCHIVE_READDISK_NO_FFLAGS;
        behavior |= options_.acls ? 0 : ARCHIVE_READDISK_NO_ACL;
        behavior |= options_.xattrs || options_.selinux ? 0 : ARCHIVE_READDISK_NO_XATTR;
        ::archive_read_disk_set_behavior(reader_.get(), behavior);
        ::archive_write_set_format_pax(writer_.get()); // "restricted" drops parts of seconds
        if (!options_.compression.empty())
            SLIPWAY_CHECK(writer_.add_filter(options_.compression));
        SLIPWAY_CHECK(writer_.open());
        SLIPWAY_CHECK(add_directory(directory, ".", 0));
        SLIPWAY_CHECK(writer_.close());
        return entries_;
    }

private:
    Error error_of(const std::string& name) {
        return writer_.error_of(fmt::format("packing {}", name));
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
        if (is_excluded(name, options_.excludes))
            return {};
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
        ::archive_entry_unset_atime(entry.get()); // no two trees have the same
        ::archive_entry_unset_ctime(entry.get());
        ::archive_entry_unset_birthtime(entry.get());
        keep_attributes(entry.get(), {options_.xattrs, options_.selinux, options_.privileged});
        if (options_.root_by_name && info.st_uid == 0)
            ::archive_entry_set_uname(entry.get(), "root");
        if (options_.root_by_name && info.st_gid == 0)
            ::archive_entry_set_gname(entry.get(), "root");
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

    Reader reader_;
    WriterHandle writer_;
    const PackOptions& options_;
    std::string buffer_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_; ///< by their first names
    std::uint64_t entries_ = 0;
};

} // namespace

bool is_excluded(const std::string& name, const std::vector<std::string>& patterns) {
    for (const auto& pattern : patterns)
        for (std::size_t at = 0; at < name.size(); ++at)
            if ((at == 0 || name[at - 1] == '/') &&
                ::fnmatch(pattern.c_str(), name.c_str() + at, 0) == 0)
                return true;
    return false;
}

Result<std::uint64_t> pack_directory(sys::BorrowedFd directory,
                                     const std::function<Status(std::string_view)>& sink,
                                     const PackOptions& options) {
    return Packer(sink, options).run(directory);
}

} // namespace slipway::archive
