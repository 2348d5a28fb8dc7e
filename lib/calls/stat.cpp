// SPDX-License-Identifier: Apache-2.0
// Calls that say what a file is.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "calls/files.hpp"
#include "calls/stat_record.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;
using Record = Json (*)(const struct stat&);

template <Record record, bool follow> Result<Json> look(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto info, root.stat(path, follow));
    return record(info);
}

// Those that are not there have the inode -1.
template <Record record>
Result<Json> look_at_all(Machine& machine, const GuestPath& path, const Strings& names) {
    SLIPWAY_TRY(auto directory, open_file(machine, path, O_RDONLY | O_DIRECTORY));
    auto records = Json::array();
    for (const auto& name : names) {
        struct stat info {};
        if (!is_plain_name(name) ||
            ::fstatat(directory.raw(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
            info = {};
            info.st_ino = static_cast<ino_t>(-1);
        }
        records.push_back(record(info));
    }
    return records;
}

// False where there is none, an error where the guest cannot be looked at.
Result<bool> has_type(Machine& machine, const GuestPath& path, mode_t type, bool follow) {
    SLIPWAY_TRY(auto root, machine.root());
    auto info = root.stat(path, follow);
    if (!info && (info.error().errno_value == ENOENT || info.error().errno_value == ENOTDIR))
        return false;
    if (!info)
        return fail(std::move(info).error());
    return (info->st_mode & S_IFMT) == type;
}

Result<bool> exists(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    return root.stat(path, false).has_value(); // a link that leads nowhere is there
}
template <mode_t type>
Result<bool> is_kind(Machine& machine, const GuestPath& path, std::optional<bool> follow) {
    return has_type(machine, path, type, follow.value_or(false));
}
Result<bool> is_symlink(Machine& machine, const GuestPath& path) {
    return has_type(machine, path, S_IFLNK, false);
}
Result<std::int64_t> filesize(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto info, root.stat(path));
    return info.st_size;
}

Result<bool> is_zero(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    struct stat info {};
    if (::fstat(file.raw(), &info) == 0 && S_ISDIR(info.st_mode))
        return fail_errno(path.str(), EISDIR);
    return holds_zeros(file, path.str());
}

} // namespace

Json stat_record(const struct stat& info) {
    return {{"dev", info.st_dev},         {"ino", static_cast<std::int64_t>(info.st_ino)},
            {"mode", info.st_mode},       {"nlink", info.st_nlink},
            {"uid", info.st_uid},         {"gid", info.st_gid},
            {"rdev", info.st_rdev},       {"size", info.st_size},
            {"blksize", info.st_blksize}, {"blocks", info.st_blocks},
            {"atime", info.st_atime},     {"mtime", info.st_mtime},
            {"ctime", info.st_ctime}};
}

Json statns_record(const struct stat& info) {
    Json record{{"st_dev", info.st_dev},
                {"st_ino", static_cast<std::int64_t>(info.st_ino)},
                {"st_mode", info.st_mode},
                {"st_nlink", info.st_nlink},
                {"st_uid", info.st_uid},
                {"st_gid", info.st_gid},
                {"st_rdev", info.st_rdev},
                {"st_size", info.st_size},
                {"st_blksize", info.st_blksize},
                {"st_blocks", info.st_blocks},
                {"st_atime_sec", info.st_atim.tv_sec},
                {"st_atime_nsec", info.st_atim.tv_nsec},
                {"st_mtime_sec", info.st_mtim.tv_sec},
                {"st_mtime_nsec", info.st_mtim.tv_nsec},
                {"st_ctime_sec", info.st_ctim.tv_sec},
                {"st_ctime_nsec", info.st_ctim.tv_nsec}};
    for (int spare = 1; spare <= 6; ++spare)
        record[fmt::format("st_spare{}", spare)] = 0;
    return record;
}

Result<bool> holds_zeros(sys::BorrowedFd file, const std::string& name) {
    bool zeros = true;
    std::string piece(piece_size, '\0');
    while (zeros) {
        // Holes are passed over, where the filesystem tells them.
        auto at = ::lseek(file.raw(), 0, SEEK_CUR);
        auto data = ::lseek(file.raw(), at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return true;
        auto got = ::read(file.raw(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(name);
        if (got == 0)
            return true;
        zeros =
            std::string_view(piece.data(), static_cast<std::size_t>(got)).find_first_not_of('\0') ==
            std::string_view::npos;
    }
    return zeros;
}

Calls stat_calls() {
    static constexpr Call calls[] = {
        {"stat", bind<look<stat_record, true>>},
        {"lstat", bind<look<stat_record, false>>},
        {"statns", bind<look<statns_record, true>>},
        {"lstatns", bind<look<statns_record, false>>},
        {"lstatlist", bind<look_at_all<stat_record>>},
        {"lstatnslist", bind<look_at_all<statns_record>>},
        {"exists", bind<exists>},
        {"is_file", bind<is_kind<S_IFREG>>},
        {"is_dir", bind<is_kind<S_IFDIR>>},
        {"is_blockdev", bind<is_kind<S_IFBLK>>},
        {"is_chardev", bind<is_kind<S_IFCHR>>},
        {"is_fifo", bind<is_kind<S_IFIFO>>},
        {"is_socket", bind<is_kind<S_IFSOCK>>},
        {"is_symlink", bind<is_symlink>},
        {"is_zero", bind<is_zero>},
        {"filesize", bind<filesize>},
    };
    return calls;
}

} // namespace slipway::calls
