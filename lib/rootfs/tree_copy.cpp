// SPDX-License-Identifier: Apache-2.0
#include "rootfs/tree_copy.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/directories.hpp"
#include "sys/file_copy.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::rootfs {
namespace {

constexpr unsigned most_threads = 4; // more wait for the filesystem's journal
constexpr std::size_t batch_size = 32;

struct File {
    std::string name;
    struct stat info {};
};

struct Folder {
    std::string path; ///< from the top, "." itself
    struct stat info {};
    std::vector<File> files{};
};

struct Batch {
    std::size_t folder, begin, end;
};

struct Link {
    std::string first, other; ///< paths from the top
};

// The owner first, as its change takes away set-uid and capabilities.
Status give_attributes(sys::BorrowedFd from, sys::BorrowedFd to, const struct stat& info,
                       const std::string& shown) {
    if (::fchown(to.raw(), info.st_uid, info.st_gid) != 0)
        return fail_errno(shown);
    SLIPWAY_CHECK(sys::copy_extended_attributes(from, to, shown));
    const std::array times{info.st_atim, info.st_mtim};
    if (::fchmod(to.raw(), info.st_mode & 07777) != 0 || ::futimens(to.raw(), times.data()) != 0)
        return fail_errno(shown);
    return {};
}

Status copy_file(sys::BorrowedFd from, sys::BorrowedFd to, const File& file) {
    SLIPWAY_TRY(auto source, sys::open_at(from, file.name, O_RDONLY | O_NOFOLLOW));
    SLIPWAY_TRY(auto target,
                sys::open_at(to, file.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    SLIPWAY_CHECK(sys::copy_content(source, target, file.name));
    return give_attributes(source, target, file.info, file.name);
}

// A link, a pipe, a socket or a device.
Status copy_special(sys::BorrowedFd from, sys::BorrowedFd to, const File& file) {
    const auto* name = file.name.c_str();
    if (S_ISLNK(file.info.st_mode)) {
        std::array<char, 4097> target{};
        if (::readlinkat(from.raw(), name, target.data(), target.size() - 1) < 0 ||
            ::symlinkat(target.data(), to.raw(), name) != 0)
            return fail_errno(file.name);
    } else if (::mknodat(to.raw(), name, file.info.st_mode & (S_IFMT | 07777), file.info.st_rdev) !=
               0)
        return fail_errno(file.name);
    const std::array times{file.info.st_atim, file.info.st_mtim};
    if (::fchownat(to.raw(), name, file.info.st_uid, file.info.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
        ::utimensat(to.raw(), name, times.data(), AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(file.name);
    return {};
}

class TreeCopy {
public:
    TreeCopy(sys::BorrowedFd from, sys::BorrowedFd to) : from_(from), to_(to) {}

    Status run() {
        SLIPWAY_CHECK(make_folders());
        SLIPWAY_CHECK(copy_batches());
        for (const auto& [first, other] : links_)
            if (::linkat(to_.raw(), first.c_str(), to_.raw(), other.c_str(), 0) != 0)
                return fail_errno(other);
        // What is in a directory changes its times, so those above come after those below.
        for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder)
            SLIPWAY_CHECK(finish(*folder));
        return {};
    }

private:
    Status make_folders() {
        SLIPWAY_CHECK(add_folder("."));
        sys::TreeVisitor visitor;
        visitor.enter = [this](const sys::WalkEntry& entry) -> Result<bool> {
            if (entry.type != DT_DIR) {
                SLIPWAY_CHECK(add_file(entry));
                return false;
            }
            if (open_.empty())
                SLIPWAY_CHECK(sys::make_scattered_directory(to_, entry.path, 0700));
            else if (::mkdirat(to_.raw(), entry.path.c_str(), 0700) != 0)
                return fail_errno(entry.path);
            open_.push_back(folders_.size());
            SLIPWAY_CHECK(add_folder(entry.path));
            return true;
        };
        visitor.leave = [this](const sys::WalkEntry&) -> Status {
            open_.pop_back();
            return {};
        };
        return sys::walk_tree(from_, visitor);
    }

    Status add_folder(std::string path) {
        Folder folder{.path = std::move(path)};
        if (::fstatat(from_.raw(), folder.path.c_str(), &folder.info, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno(folder.path);
        folders_.push_back(std::move(folder));
        return {};
    }

    Status add_file(const sys::WalkEntry& entry) {
        File file{.name = entry.name};
        if (::fstatat(entry.directory.raw(), file.name.c_str(), &file.info, AT_SYMLINK_NOFOLLOW) !=
            0)
            return fail_errno(entry.path);
        if (file.info.st_nlink > 1) {
            auto [first, is_new] = names_.try_emplace(file.info.st_ino, entry.path);
            if (!is_new) {
                links_.push_back({first->second, entry.path});
                return {};
            }
        }
        folders_[open_.empty() ? 0 : open_.back()].files.push_back(std::move(file));
        return {};
    }

    Status copy_batches() {
        std::vector<Batch> batches;
        for (std::size_t index = 0; index < folders_.size(); ++index)
            for (std::size_t at = 0; at < folders_[index].files.size(); at += batch_size)
                batches.push_back(
                    {index, at, std::min(at + batch_size, folders_[index].files.size())});
        std::atomic<std::size_t> next = 0;
        std::mutex mutex;
        Status outcome;
        auto work = [&] {
            for (auto at = next++; at < batches.size(); at = next++)
                if (auto copied = copy(batches[at]); !copied) {
                    std::lock_guard guard(mutex);
                    outcome = std::move(copied);
                    next = batches.size();
                }
        };
        std::vector<std::jthread> threads;
        auto wanted = std::clamp(std::thread::hardware_concurrency(), 1U, most_threads);
        while (threads.size() + 1 < wanted)
            threads.emplace_back(work);
        work();
        threads.clear();
        return outcome;
    }

    Status copy(const Batch& batch) const {
        const auto& folder = folders_[batch.folder];
        constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
        SLIPWAY_TRY(auto from, sys::open_at(from_, folder.path, flags));
        SLIPWAY_TRY(auto to, sys::open_at(to_, folder.path, flags));
        for (auto at = batch.begin; at < batch.end; ++at) {
            const auto& file = folder.files[at];
            auto copied = S_ISREG(file.info.st_mode) ? copy_file(from, to, file)
                                                     : copy_special(from, to, file);
            if (!copied)
                return fail(std::move(copied.error()).in(folder.path));
        }
        return {};
    }

    Status finish(const Folder& folder) const {
        SLIPWAY_TRY(auto from, sys::open_at(from_, folder.path, O_RDONLY | O_DIRECTORY));
        SLIPWAY_TRY(auto to, sys::open_at(to_, folder.path, O_RDONLY | O_DIRECTORY));
        return give_attributes(from, to, folder.info, folder.path);
    }

    sys::BorrowedFd from_, to_;
    std::vector<Folder> folders_;
    std::vector<std::size_t> open_; ///< those on the way to where the walk is
    std::map<ino_t, std::string> names_;
    std::vector<Link> links_;
};

} // namespace

Status copy_tree(sys::BorrowedFd from, sys::BorrowedFd to) {
    return TreeCopy(from, to).run();
}

} // namespace slipway::rootfs
