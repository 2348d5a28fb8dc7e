// SPDX-License-Identifier: Apache-2.0
#include "calls/long_listing.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/long_loop.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::calls {
namespace {

struct Row {
    struct stat info {};
    std::string context = "?"; ///< of SELinux
    char mark = ' ';           ///< '+' with an ACL, '.' with a label
};
struct Widths {
    std::size_t links = 0, user = 0, group = 0, context = 0, size = 0, major = 0, minor = 0;
    bool marks = false;
};

std::string mode_text(mode_t mode) {
    constexpr std::string_view types = "?pc?d?b?-?l?s???", bits = "rwxrwxrwx";
    std::string text(1, types[(mode & S_IFMT) >> 12]);
    for (std::size_t i = 0; i < bits.size(); ++i)
        text += (mode & (0400U >> i)) != 0 ? bits[i] : '-';
    auto special = [&](std::size_t place, mode_t bit, char with, char without) {
        if ((mode & bit) != 0)
            text[place] = text[place] == 'x' ? with : without;
    };
    special(3, S_ISUID, 's', 'S');
    special(6, S_ISGID, 's', 'S');
    special(9, S_ISVTX, 't', 'T');
    return text;
}

std::string time_text(std::time_t time) {
    constexpr std::time_t half_a_year = 31556952 / 2;
    auto now = std::time(nullptr);
    bool recent = time <= now && now - time < half_a_year;
    std::tm parts{};
    std::array<char, 64> text{};
    if (::gmtime_r(&time, &parts) == nullptr)
        return std::to_string(time);
    auto size =
        std::strftime(text.data(), text.size(), recent ? "%b %e %H:%M" : "%b %e  %Y", &parts);
    return {text.data(), size};
}

bool is_device(const struct stat& info) {
    return S_ISBLK(info.st_mode) || S_ISCHR(info.st_mode);
}

class Listing {
public:
    Listing(sys::BorrowedFd directory, bool contexts)
        : directory_(directory), contexts_(contexts) {}

    void measure(const std::string& name) {
        auto row = look(name);
        look_at_attributes(name, row);
        auto widen = [](std::size_t& width, auto number) {
            width = std::max(width, std::to_string(number).size());
        };
        widen(widths_.links, row.info.st_nlink);
        widen(widths_.user, row.info.st_uid);
        widen(widths_.group, row.info.st_gid);
        if (is_device(row.info)) {
            widen(widths_.major, major(row.info.st_rdev));
            widen(widths_.minor, minor(row.info.st_rdev));
            widths_.size = std::max(widths_.size, widths_.major + 2 + widths_.minor);
        } else
            widen(widths_.size, row.info.st_size);
        widths_.context = std::max(widths_.context, row.context.size());
        widths_.marks = widths_.marks || row.mark != ' ';
        blocks_ += static_cast<std::uint64_t>(row.info.st_blocks);
    }

    [[nodiscard]] std::string total() const { return fmt::format("total {}", (blocks_ + 1) / 2); }

    [[nodiscard]] std::string line(const std::string& name, const std::string& shown) const {
        auto row = look(name);
        if (widths_.marks)
            look_at_attributes(name, row);
        const auto& info = row.info;
        auto text = mode_text(info.st_mode);
        if (widths_.marks)
            text += row.mark;
        text += fmt::format(" {:>{}} {:<{}} {:<{}} ", info.st_nlink, widths_.links, info.st_uid,
                            widths_.user, info.st_gid, widths_.group);
        if (contexts_)
            text += fmt::format("{:<{}} ", row.context, widths_.context);
        auto size = is_device(info) ? fmt::format("{}, {:>{}}", major(info.st_rdev),
                                                  minor(info.st_rdev), widths_.minor)
                                    : std::to_string(info.st_size);
        text += fmt::format("{:>{}} {} {}", size, widths_.size, time_text(info.st_mtime), shown);
        if (S_ISLNK(info.st_mode))
            text += " -> " + target_of(name);
        return text;
    }

private:
    [[nodiscard]] Row look(const std::string& name) const {
        Row row;
        // What has gone meanwhile has zeros everywhere.
        (void)::fstatat(directory_.raw(), name.c_str(), &row.info, AT_SYMLINK_NOFOLLOW);
        return row;
    }

    // Most files have none: one question is enough for them.
    void look_at_attributes(const std::string& name, Row& row) const {
        auto path = fmt::format("{}/{}", sys::proc_path(directory_.raw()), name);
        if (::llistxattr(path.c_str(), nullptr, 0) <= 0)
            return;
        std::array<char, 256> label{};
        auto size = ::lgetxattr(path.c_str(), "security.selinux", label.data(), label.size() - 1);
        if (size > 0) {
            row.context = label.data();
            row.mark = '.';
        }
        for (const char* acl : {"system.posix_acl_access", "system.posix_acl_default"})
            if (::lgetxattr(path.c_str(), acl, nullptr, 0) > 0)
                row.mark = '+';
    }

    [[nodiscard]] std::string target_of(const std::string& name) const {
        std::array<char, 4096> target{};
        auto size = ::readlinkat(directory_.raw(), name.c_str(), target.data(), target.size());
        return {target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
    }

    sys::BorrowedFd directory_;
    bool contexts_;
    Widths widths_;
    std::uint64_t blocks_ = 0; ///< of 512 bytes
};

Status list_directory(sys::BorrowedFd directory, bool contexts, const Cancel& cancel,
                      const std::function<Status(std::string_view)>& take) {
    SLIPWAY_TRY(auto entries, sys::read_directory(directory, cancel));
    std::vector<std::string> names{".", ".."};
    for (auto& entry : entries)
        names.push_back(std::move(entry.name));
    std::sort(names.begin(), names.end());
    Listing listing(directory, contexts);
    sys::LongLoop loop(cancel);
    for (const auto& name : names) {
        SLIPWAY_CHECK(loop.step());
        listing.measure(name);
    }
    SLIPWAY_CHECK(take(listing.total()));
    for (const auto& name : names)
        SLIPWAY_CHECK(take(listing.line(name, name)));
    return {};
}

} // namespace

Status long_listing(const sys::RootDir& root, const sys::GuestPath& path, bool contexts,
                    const Cancel& cancel, const std::function<Status(std::string_view)>& take) {
    if (root.is_dir(path)) {
        SLIPWAY_TRY(auto directory, root.open_path(path, O_RDONLY | O_DIRECTORY));
        return list_directory(directory, contexts, cancel, take);
    }
    SLIPWAY_TRY([[maybe_unused]] auto info, root.stat(path, false));
    SLIPWAY_TRY(auto directory, root.open_parent(path));
    Listing listing(directory, contexts);
    auto name = std::string(path.name());
    listing.measure(name);
    return take(listing.line(name, path.str()));
}

} // namespace slipway::calls
