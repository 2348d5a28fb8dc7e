// SPDX-License-Identifier: Apache-2.0
#include "sys/tree_walk.hpp"

#include <algorithm>
#include <memory>

#include <dirent.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/long_loop.hpp"

namespace slipway::sys {
namespace {

constexpr std::size_t longest_path = 1 << 20;
constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

struct Level {
    std::vector<DirEntry> entries{};
    std::size_t next = 0;
    std::size_t path_size = 0; ///< of the directory's own path
    dev_t device = 0;
    ino_t inode = 0;
};

unsigned char type_of(mode_t mode) {
    return static_cast<unsigned char>(IFTODT(mode));
}

class Walk {
public:
    explicit Walk(const TreeVisitor& visitor) : visitor_(visitor), loop_(visitor.cancel) {}

    Status run(BorrowedFd top) {
        SLIPWAY_TRY(auto opened, open_at(top, ".", O_RDONLY | O_DIRECTORY));
        SLIPWAY_CHECK(go_into(std::move(opened)));
        while (!levels_.empty()) {
            auto& level = levels_.back();
            if (level.next < level.entries.size())
                SLIPWAY_CHECK(visit(level));
            else
                SLIPWAY_CHECK(go_back());
        }
        return {};
    }

private:
    Status go_into(OwnedFd directory) {
        struct stat info {};
        if (::fstat(directory.raw(), &info) != 0)
            return failed();
        Level level{.path_size = path_.size(), .device = info.st_dev, .inode = info.st_ino};
        SLIPWAY_TRY(level.entries, read_directory(directory, visitor_.cancel));
        if (visitor_.sorted)
            std::sort(level.entries.begin(), level.entries.end(),
                      [](const auto& a, const auto& b) { return a.name < b.name; });
        directory_ = std::move(directory);
        levels_.push_back(std::move(level));
        return {};
    }

    // To the directory above. Only one is open at a time, so that depth costs no descriptors.
    Status go_back() {
        levels_.pop_back();
        if (levels_.empty())
            return {};
        auto& level = levels_.back();
        SLIPWAY_TRY(auto above, open_at(directory_, "..", directory_flags));
        struct stat info {};
        if (::fstat(above.raw(), &info) != 0)
            return failed();
        if (info.st_dev != level.device || info.st_ino != level.inode)
            return fail(Code::Busy,
                        fmt::format("{} was moved while it was looked at", printable(path_)));
        directory_ = std::move(above);
        const auto& entry = level.entries[level.next - 1];
        if (visitor_.leave)
            SLIPWAY_CHECK(visitor_.leave({directory_, entry.name, path_, entry.type}));
        path_.resize(level.path_size);
        return {};
    }

    Status visit(Level& level) {
        SLIPWAY_CHECK(loop_.step());
        auto& entry = level.entries[level.next++];
        if (level.path_size > 0)
            path_ += '/';
        path_ += entry.name;
        if (path_.size() > longest_path)
            return fail(Code::Unsupported,
                        fmt::format("{}… is nested too deep", printable(path_.substr(0, 200))));
        SLIPWAY_TRY(entry.type, type_of_entry(entry));
        SLIPWAY_TRY(bool descend, visitor_.enter({directory_, entry.name, path_, entry.type}));
        if (!descend || entry.type != DT_DIR) {
            path_.resize(level.path_size);
            return {};
        }
        SLIPWAY_TRY(auto below, open_at(directory_, entry.name, directory_flags));
        return go_into(std::move(below));
    }

    Result<unsigned char> type_of_entry(const DirEntry& entry) {
        if (entry.type != DT_UNKNOWN)
            return entry.type;
        struct stat info {};
        if (::fstatat(directory_.raw(), entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return failed();
        return type_of(info.st_mode);
    }

    [[nodiscard]] tl::unexpected<Error> failed() const {
        return fail_errno(fmt::format("looking at {}", path_.empty() ? "." : printable(path_)));
    }

    const TreeVisitor& visitor_;
    std::vector<Level> levels_;
    OwnedFd directory_; ///< of the last level
    std::string path_;
    LongLoop loop_;
};

} // namespace

Result<std::vector<DirEntry>> read_directory(BorrowedFd directory, const Cancel& cancel) {
    // A descriptor of its own: the position in a directory belongs to it.
    SLIPWAY_TRY(auto again, open_at(directory, ".", O_RDONLY | O_DIRECTORY));
    std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again.raw()), ::closedir);
    if (!listing)
        return fail_errno("listing a directory");
    [[maybe_unused]] auto owned_by_listing = again.release();
    std::vector<DirEntry> entries;
    errno = 0;
    LongLoop loop(cancel);
    while (const auto* found = ::readdir(listing.get())) {
        SLIPWAY_CHECK(loop.step());
        std::string_view name(found->d_name);
        if (name != "." && name != "..")
            entries.push_back({std::string(name), found->d_type});
        errno = 0;
    }
    if (errno != 0)
        return fail_errno("listing a directory");
    return entries;
}

Status walk_tree(BorrowedFd top, const TreeVisitor& visitor) {
    return Walk(visitor).run(top);
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    auto opened = open_file(directory, O_RDONLY | O_DIRECTORY);
    auto entries = opened ? read_directory(*opened) : Result<std::vector<DirEntry>>{};
    if (entries)
        for (auto& entry : *entries)
            names.push_back(std::move(entry.name));
    return names;
}

} // namespace slipway::sys
