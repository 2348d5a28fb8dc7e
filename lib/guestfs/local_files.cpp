// SPDX-License-Identifier: Apache-2.0
#define FUSE_USE_VERSION 35
#include "guestfs/local_files.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

namespace slipway::guestfs {
namespace {

int errno_of(const Error& error) {
    if (error.errno_value != 0)
        return error.errno_value;
    switch (error.code) {
    case Code::InvalidArgument:
        return EINVAL;
    case Code::NotFound:
        return ENOENT;
    case Code::Exists:
        return EEXIST;
    case Code::Busy:
        return EBUSY;
    case Code::Permission:
        return EACCES;
    case Code::NoSpace:
        return ENOSPC;
    case Code::Unsupported:
        return EOPNOTSUPP;
    default:
        return EIO;
    }
}

LocalFiles& local_files() {
    return *static_cast<LocalFiles*>(fuse_get_context()->private_data);
}

// A call on behalf of the kernel. Null and `status` negative where it failed.
struct Answer {
    Json value;
    int status = 0;
};
Answer ask(const char* name, const Json& arguments) {
    auto& files = local_files();
    if (files.broken)
        return {Json(), -EIO};
    auto answer = files.carry(name, arguments);
    if (answer)
        return {std::move(*answer)};
    auto& error = answer.error();
    int status = -errno_of(error);
    // The worker has died, or its machine.
    if (error.code == Code::Protocol || error.code == Code::Timeout)
        files.broken = std::move(error);
    return {Json(), status};
}
int tell(const char* name, const Json& arguments) {
    return ask(name, arguments).status;
}

struct timespec time_of(const Json& record, const std::string& name) {
    return {json_get<time_t>(record, name + "_sec"), json_get<long>(record, name + "_nsec")};
}

// The guest may have several filesystems and the mount is one: equal numbers would be taken for
// hard links, and for directories that contain themselves.
ino_t number_of(const Json& record) {
    constexpr unsigned own_bits = 48;
    auto& known = local_files().filesystems;
    auto order = known.try_emplace(json_get<std::uint64_t>(record, "st_dev"), known.size());
    return json_get<ino_t>(record, "st_ino") + (ino_t{order.first->second} << own_bits);
}

struct stat stat_of(const Json& record) {
    struct stat info {};
    info.st_ino = number_of(record);
    info.st_mode = json_get<mode_t>(record, "st_mode");
    info.st_nlink = json_get<nlink_t>(record, "st_nlink");
    info.st_uid = json_get<uid_t>(record, "st_uid");
    info.st_gid = json_get<gid_t>(record, "st_gid");
    info.st_rdev = json_get<dev_t>(record, "st_rdev");
    info.st_size = json_get<off_t>(record, "st_size");
    info.st_blksize = json_get<blksize_t>(record, "st_blksize");
    info.st_blocks = json_get<blkcnt_t>(record, "st_blocks");
    info.st_atim = time_of(record, "st_atime");
    info.st_mtim = time_of(record, "st_mtime");
    info.st_ctim = time_of(record, "st_ctime");
    return info;
}

int on_getattr(const char* path, struct stat* info, fuse_file_info*) {
    auto [record, status] = ask("lstatns", {path});
    if (status == 0)
        *info = stat_of(record);
    return status;
}

// The letters of `readdir` as the kernel's types.
mode_t type_of(char letter) {
    switch (letter) {
    case 'b':
        return S_IFBLK;
    case 'c':
        return S_IFCHR;
    case 'd':
        return S_IFDIR;
    case 'f':
        return S_IFIFO;
    case 'l':
        return S_IFLNK;
    case 's':
        return S_IFSOCK;
    case 'r':
        return S_IFREG;
    default:
        return 0;
    }
}

// Programs that list a directory ask of each file for its ACL.
void note_bare(const std::string& directory, const Json& names) {
    auto& files = local_files();
    if (files.kept.count() == 0)
        return;
    auto [records, status] = ask("lxattrlist", {directory, names});
    if (status != 0)
        return;
    std::size_t at = 0; // a record that tells their number stands before those of each file
    for (std::size_t i = 0; i < names.size() && at < records.size(); ++i) {
        auto told = json_get<std::string>(records[at], "attrval");
        if (told.starts_with('0'))
            files.bare.insert((directory == "/" ? "" : directory) + "/" +
                              names[i].get_ref<const std::string&>());
        at += 1 + std::strtoul(told.c_str(), nullptr, 10);
    }
    files.bare_until = Clock::now() + files.kept;
}
bool is_bare(const char* path) {
    const auto& files = local_files();
    return files.bare.contains(path) && Clock::now() < files.bare_until;
}

// One after the other the kernel would ask what they are: that takes many times as long.
void learn_more(const char* path, Listing& listing) {
    constexpr std::size_t at_once = 1000;
    auto names = Json::array();
    for (auto i = listing.known; i < std::min(listing.known + at_once, listing.names.size()); ++i)
        names.push_back(listing.names[i]);
    auto [records, status] = ask("lstatnslist", {path, names});
    for (std::size_t i = 0; status == 0 && i < names.size() && i < records.size(); ++i)
        if (json_get<std::int64_t>(records[i], "st_ino") != -1) // it has gone, or is ".."
            listing.facts[listing.known + i] = stat_of(records[i]);
    note_bare(path, names);
    listing.known += names.size();
}

int on_opendir(const char*, fuse_file_info* info) {
    info->fh = local_files().next_listing++;
    local_files().listings[info->fh];
    return 0;
}
int on_releasedir(const char*, fuse_file_info* info) {
    local_files().listings.erase(info->fh);
    return 0;
}

int read_names(const char* path, Listing& listing) {
    auto [entries, status] = ask("readdir", {path});
    listing = {};
    local_files().bare.clear();
    for (const auto& entry : entries) {
        struct stat info {};
        info.st_ino = json_get<ino_t>(entry, "ino");
        auto letter = json_get<std::string>(entry, "ftyp");
        info.st_mode = letter.empty() ? 0 : type_of(letter.front());
        listing.names.push_back(json_get<std::string>(entry, "name"));
        listing.facts.push_back(info);
    }
    return status;
}

int on_readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t from,
               fuse_file_info* info, fuse_readdir_flags flags) {
    auto& listing = local_files().listings[info->fh];
    if (int status = from == 0 ? read_names(path, listing) : 0; status != 0)
        return status;
    bool with_facts = (flags & FUSE_READDIR_PLUS) != 0;
    for (auto i = static_cast<std::size_t>(from); i < listing.names.size(); ++i) {
        if (with_facts && i >= listing.known)
            learn_more(path, listing);
        bool all = with_facts && listing.facts[i].st_nlink > 0;
        if (fill(buffer, listing.names[i].c_str(), &listing.facts[i], static_cast<off_t>(i + 1),
                 all ? FUSE_FILL_DIR_PLUS : static_cast<fuse_fill_dir_flags>(0)) != 0)
            break; // the rest is asked for
    }
    return 0;
}

int on_readlink(const char* path, char* buffer, std::size_t size) {
    auto [target, status] = ask("readlink", {path});
    if (status != 0)
        return status;
    auto text = target.get<std::string>().substr(0, size - 1);
    text.copy(buffer, text.size());
    buffer[text.size()] = '\0';
    return 0;
}

// Files are named by their path each time; the library has the kernel leave O_TRUNC to us.
int on_open(const char* path, fuse_file_info* info) {
    return (info->flags & O_TRUNC) != 0 ? tell("truncate", {path}) : 0;
}

int on_read(const char* path, char* buffer, std::size_t size, off_t offset, fuse_file_info*) {
    auto [bytes, status] = ask("pread", {path, size, offset});
    if (status != 0)
        return status;
    const auto& content = bytes.get_ref<const std::string&>();
    auto length = std::min(size, content.size());
    std::memcpy(buffer, content.data(), length);
    return static_cast<int>(length);
}

int on_write(const char* path, const char* bytes, std::size_t size, off_t offset, fuse_file_info*) {
    auto [written, status] = ask("pwrite", {path, std::string(bytes, size), offset});
    return status != 0 ? status : written.get<int>();
}

// New files belong to the guest's root, as with `slipway put`. The mode is what the kernel has made
// of the caller's and its umask; that of the worker shall take nothing more from it.
int make(const char* call, const Json& arguments, const char* path, mode_t mode) {
    int status = tell(call, arguments);
    return status != 0 ? status : tell("chmod", {mode & 07777, path});
}
int on_mknod(const char* path, mode_t mode, dev_t device) {
    return make("mknod", {mode, major(device), minor(device), path}, path, mode);
}
int on_create(const char* path, mode_t mode, fuse_file_info*) {
    return on_mknod(path, S_IFREG | (mode & 07777), 0);
}
int on_mkdir(const char* path, mode_t mode) {
    return make("mkdir_mode", {path, mode & 07777}, path, mode);
}
int on_unlink(const char* path) {
    return tell("rm", {path});
}
int on_rmdir(const char* path) {
    return tell("rmdir", {path});
}
int on_symlink(const char* target, const char* path) {
    return tell("ln_s", {target, path});
}
int on_link(const char* target, const char* path) {
    return tell("ln", {target, path});
}
int on_rename(const char* from, const char* to, unsigned flags) {
    return flags != 0 ? -EINVAL : tell("rename", {from, to});
}
int on_chmod(const char* path, mode_t mode, fuse_file_info*) {
    return tell("chmod", {mode & 07777, path});
}
int on_chown(const char* path, uid_t owner, gid_t group, fuse_file_info*) {
    return tell("lchown", {static_cast<int>(owner), static_cast<int>(group), path});
}
int on_truncate(const char* path, off_t size, fuse_file_info*) {
    return tell("truncate_size", {path, size});
}

// utimens of the API says -1 for now and -2 for as it is, in place of nanoseconds.
long nanoseconds(const struct timespec& time) {
    return time.tv_nsec == UTIME_NOW ? -1 : time.tv_nsec == UTIME_OMIT ? -2 : time.tv_nsec;
}
int on_utimens(const char* path, const struct timespec times[2], fuse_file_info*) {
    return tell("utimens", {path, times[0].tv_sec, nanoseconds(times[0]), times[1].tv_sec,
                            nanoseconds(times[1])});
}

int on_statfs(const char* path, struct statvfs* info) {
    auto [record, status] = ask("statvfs", {path});
    if (status != 0)
        return status;
    *info = {};
    info->f_bsize = json_get<unsigned long>(record, "bsize");
    info->f_frsize = json_get<unsigned long>(record, "frsize");
    info->f_blocks = json_get<fsblkcnt_t>(record, "blocks");
    info->f_bfree = json_get<fsblkcnt_t>(record, "bfree");
    info->f_bavail = json_get<fsblkcnt_t>(record, "bavail");
    info->f_files = json_get<fsfilcnt_t>(record, "files");
    info->f_ffree = json_get<fsfilcnt_t>(record, "ffree");
    info->f_namemax = json_get<unsigned long>(record, "namemax");
    return 0;
}

// As the kernel wants it: the size alone where `size` is 0.
int give(const std::string& bytes, char* buffer, std::size_t size) {
    if (size == 0)
        return static_cast<int>(bytes.size());
    if (bytes.size() > size)
        return -ERANGE;
    std::memcpy(buffer, bytes.data(), bytes.size());
    return static_cast<int>(bytes.size());
}
int on_getxattr(const char* path, const char* name, char* buffer, std::size_t size) {
    if (is_bare(path))
        return -ENODATA;
    auto [value, status] = ask("lgetxattr", {path, name});
    return status != 0 ? status : give(value.get<std::string>(), buffer, size);
}
int on_listxattr(const char* path, char* buffer, std::size_t size) {
    if (is_bare(path))
        return 0;
    auto [list, status] = ask("lgetxattrs", {path});
    if (status != 0)
        return status;
    std::string names;
    for (const auto& each : list)
        names += json_get<std::string>(each, "attrname") + '\0';
    return give(names, buffer, size);
}
int on_setxattr(const char* path, const char* name, const char* value, std::size_t size, int) {
    return tell("lsetxattr", {name, std::string(value, size), size, path});
}
int on_removexattr(const char* path, const char* name) {
    return tell("lremovexattr", {name, path});
}
// What was written is in an overlay, which ends with us, until all of it goes into the image.
int on_fsync(const char*, int, fuse_file_info*) {
    return 0;
}

void* on_init(fuse_conn_info* connection, fuse_config* config) {
    config->use_ino = 1;
    // With the names come their attributes, always, where these are kept.
    connection->want &= ~(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_READDIRPLUS);
    if (local_files().kept.count() > 0)
        connection->want |= connection->capable & FUSE_CAP_READDIRPLUS;
    connection->max_read = largest_request; // the same as in the mount options
    connection->max_readahead = largest_request;
    return fuse_get_context()->private_data;
}

fuse_operations make_operations() {
    fuse_operations all{};
    all.init = on_init;
    all.getattr = on_getattr;
    all.opendir = on_opendir;
    all.releasedir = on_releasedir;
    all.readdir = on_readdir;
    all.readlink = on_readlink;
    all.open = on_open;
    all.read = on_read;
    all.write = on_write;
    all.create = on_create;
    all.mknod = on_mknod;
    all.mkdir = on_mkdir;
    all.unlink = on_unlink;
    all.rmdir = on_rmdir;
    all.symlink = on_symlink;
    all.link = on_link;
    all.rename = on_rename;
    all.chmod = on_chmod;
    all.chown = on_chown;
    all.truncate = on_truncate;
    all.utimens = on_utimens;
    all.statfs = on_statfs;
    all.getxattr = on_getxattr;
    all.listxattr = on_listxattr;
    all.setxattr = on_setxattr;
    all.removexattr = on_removexattr;
    all.fsync = on_fsync;
    return all;
}

} // namespace

const fuse_operations& local_operations() {
    static const auto all = make_operations();
    return all;
}

} // namespace slipway::guestfs
