// SPDX-License-Identifier: Apache-2.0
#include "archive/cpio_stream.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::archive {
namespace {

constexpr std::size_t block_size = 512 << 10;

class CpioPacker {
public:
    CpioPacker(bool sums, const std::function<Status(std::string_view)>& sink)
        : sums_(sums), sink_(sink), block_(block_size, '\0') {}

    Status run(sys::BorrowedFd directory) {
        struct stat info {};
        if (::fstat(directory.raw(), &info) != 0)
            return fail_errno("looking at the directory");
        SLIPWAY_CHECK(add_header(".", info, 0, 0));
        auto enter = [this](const sys::WalkEntry& entry) -> Result<bool> {
            SLIPWAY_CHECK(add(entry));
            return true;
        };
        SLIPWAY_CHECK(sys::walk_tree(directory, {.enter = enter, .sorted = true}));
        struct stat none {};
        none.st_nlink = 1;
        SLIPWAY_CHECK(add_header("TRAILER!!!", none, 0, 0));
        return written_ > 0 ? flush() : Status{};
    }

private:
    Status add(const sys::WalkEntry& entry) {
        struct stat info {};
        if (::fstatat(entry.directory.raw(), entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno(printable(entry.path));
        if (S_ISLNK(info.st_mode))
            return add_link(entry, info);
        if (!S_ISREG(info.st_mode) || has_content_elsewhere(info))
            return add_header(entry.path, info, 0, 0);
        SLIPWAY_TRY(auto file,
                    sys::open_at(entry.directory, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        return add_file(entry.path, info, file);
    }

    bool has_content_elsewhere(const struct stat& info) {
        return info.st_nlink > 1 && !linked_.try_emplace({info.st_dev, info.st_ino}, true).second;
    }

    Status add_link(const sys::WalkEntry& entry, const struct stat& info) {
        std::array<char, 4096> target{};
        auto size =
            ::readlinkat(entry.directory.raw(), entry.name.c_str(), target.data(), target.size());
        if (size < 0)
            return fail_errno(printable(entry.path));
        std::string_view text(target.data(), static_cast<std::size_t>(size));
        SLIPWAY_CHECK(add_header(entry.path, info, text.size(), 0));
        SLIPWAY_CHECK(put(text));
        return align();
    }

    Status add_file(const std::string& name, const struct stat& info, sys::BorrowedFd file) {
        auto size = static_cast<std::uint64_t>(info.st_size);
        if (size > UINT32_MAX)
            return fail(Code::Unsupported,
                        fmt::format("{} is too large for a cpio archive", printable(name)));
        std::uint32_t sum = 0;
        if (sums_)
            SLIPWAY_CHECK(each_block(name, file, size, [&](std::string_view block) -> Status {
                for (char c : block)
                    sum += static_cast<unsigned char>(c);
                return {};
            }));
        SLIPWAY_CHECK(add_header(name, info, size, sum));
        SLIPWAY_CHECK(
            each_block(name, file, size, [&](std::string_view block) { return put(block); }));
        return align();
    }

    // Exactly so many bytes: the header has told them.
    template <class Take>
    Status each_block(const std::string& name, sys::BorrowedFd file, std::uint64_t size,
                      Take take) {
        for (std::uint64_t at = 0; at < size;) {
            auto got =
                ::pread(file.raw(), block_.data(),
                        std::min<std::uint64_t>(block_.size(), size - at), static_cast<off_t>(at));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                return got < 0 ? fail_errno(printable(name))
                               : fail(Code::Busy, printable(name) + " changes");
            SLIPWAY_CHECK(take(std::string_view(block_).substr(0, static_cast<std::size_t>(got))));
            at += static_cast<std::uint64_t>(got);
        }
        return {};
    }

    Status add_header(const std::string& name, const struct stat& info, std::uint64_t size,
                      std::uint32_t sum) {
        const std::array<std::uint64_t, 13> fields{info.st_ino,
                                                   info.st_mode,
                                                   info.st_uid,
                                                   info.st_gid,
                                                   info.st_nlink,
                                                   static_cast<std::uint64_t>(info.st_mtime),
                                                   size,
                                                   major(info.st_dev),
                                                   minor(info.st_dev),
                                                   major(info.st_rdev),
                                                   minor(info.st_rdev),
                                                   name.size() + 1,
                                                   sum};
        std::string header = sums_ ? "070702" : "070701";
        for (auto field : fields)
            header += fmt::format("{:08X}", field & UINT32_MAX);
        header += name;
        header += '\0';
        SLIPWAY_CHECK(put(header));
        return align();
    }

    Status put(std::string_view bytes) {
        pending_ += bytes;
        written_ += bytes.size();
        return pending_.size() < block_size ? Status{} : flush();
    }
    Status align() {
        constexpr std::size_t unit = 4;
        return put(std::string((unit - written_ % unit) % unit, '\0'));
    }
    Status flush() {
        auto done = sink_(pending_);
        pending_.clear();
        return done;
    }

    bool sums_;
    const std::function<Status(std::string_view)>& sink_;
    std::string block_, pending_;
    std::uint64_t written_ = 0;
    std::map<std::pair<dev_t, ino_t>, bool> linked_;
};

} // namespace

Status pack_cpio(sys::BorrowedFd directory, bool sums,
                 const std::function<Status(std::string_view)>& sink) {
    return CpioPacker(sums, sink).run(directory);
}

} // namespace slipway::archive
