// SPDX-License-Identifier: Apache-2.0
#define FUSE_USE_VERSION 35
#include "guestfs/local_mount.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <dirent.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_lowlevel.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/process.hpp"

namespace slipway::guestfs {
namespace {

constexpr unsigned largest_request = 1 << 20; // bytes
constexpr int tick = 200;                     // ms between two looks at a wish to stop

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

// A call on behalf of the kernel. Null and `status` negative where it failed.
struct Answer {
    Json value;
    int status = 0;
};
Answer ask(const char* name, const Json& arguments) {
    const auto& carry = *static_cast<LocalMount::Carry*>(fuse_get_context()->private_data);
    auto answer = carry(name, arguments);
    if (!answer)
        return {Json(), -errno_of(answer.error())};
    return {std::move(*answer)};
}
int tell(const char* name, const Json& arguments) {
    return ask(name, arguments).status;
}

struct timespec time_of(const Json& record, const std::string& name) {
    return {json_get<time_t>(record, name + "_sec"), json_get<long>(record, name + "_nsec")};
}

int on_getattr(const char* path, struct stat* info, fuse_file_info*) {
    auto [record, status] = ask("lstatns", {path});
    if (status != 0)
        return status;
    *info = {};
    info->st_ino = json_get<ino_t>(record, "st_ino");
    info->st_mode = json_get<mode_t>(record, "st_mode");
    info->st_nlink = json_get<nlink_t>(record, "st_nlink");
    info->st_uid = json_get<uid_t>(record, "st_uid");
    info->st_gid = json_get<gid_t>(record, "st_gid");
    info->st_rdev = json_get<dev_t>(record, "st_rdev");
    info->st_size = json_get<off_t>(record, "st_size");
    info->st_blksize = json_get<blksize_t>(record, "st_blksize");
    info->st_blocks = json_get<blkcnt_t>(record, "st_blocks");
    info->st_atim = time_of(record, "st_atime");
    info->st_mtim = time_of(record, "st_mtime");
    info->st_ctim = time_of(record, "st_ctime");
    return 0;
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

int on_readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
               fuse_readdir_flags) {
    auto [entries, status] = ask("readdir", {path});
    if (status != 0)
        return status;
    for (const auto& entry : entries) {
        struct stat info {};
        info.st_ino = json_get<ino_t>(entry, "ino");
        auto letter = json_get<std::string>(entry, "ftyp");
        info.st_mode = letter.empty() ? 0 : type_of(letter.front());
        if (fill(buffer, json_get<std::string>(entry, "name").c_str(), &info, 0,
                 static_cast<fuse_fill_dir_flags>(0)) != 0)
            break;
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

int on_open(const char*, fuse_file_info*) {
    return 0; // files are named by their path each time
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

int on_create(const char* path, mode_t mode, fuse_file_info*) {
    if (int status = tell("mknod", {S_IFREG | (mode & 07777), 0, 0, path}); status != 0)
        return status;
    auto* context = fuse_get_context();
    return tell("chown", {context->uid, context->gid, path});
}
int on_mknod(const char* path, mode_t mode, dev_t device) {
    return tell("mknod", {mode, major(device), minor(device), path});
}
int on_mkdir(const char* path, mode_t mode) {
    return tell("mkdir_mode", {path, mode & 07777});
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
    auto [value, status] = ask("lgetxattr", {path, name});
    return status != 0 ? status : give(value.get<std::string>(), buffer, size);
}
int on_listxattr(const char* path, char* buffer, std::size_t size) {
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
int on_fsync(const char*, int, fuse_file_info*) {
    return tell("sync", Json::array());
}

fuse_operations operations() {
    fuse_operations all{};
    all.getattr = on_getattr;
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

struct FreeFuse {
    void operator()(fuse* filesystem) const { fuse_destroy(filesystem); }
};

Status check_directory(const std::string& directory) {
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0)
        return fail_errno(directory);
    if (!S_ISDIR(info.st_mode))
        return fail(os_error(directory, ENOTDIR));
    if (::access("/dev/fuse", R_OK | W_OK) != 0)
        return fail(Code::Unsupported, "this machine has no FUSE that you may use",
                    "modprobe fuse, and look at the rights of /dev/fuse");
    if (!sys::find_program("fusermount3"))
        return fail(Code::Unsupported, "fusermount3 is not installed", "apt install fuse3");
    return {};
}

} // namespace

struct LocalMount::State {
    LocalMountOptions options;
    Carry carry;
    std::unique_ptr<fuse, FreeFuse> filesystem;
    bool mounted = false;
};

LocalMount::LocalMount(std::unique_ptr<State> state) : state_(std::move(state)) {}

LocalMount::~LocalMount() {
    if (state_->mounted)
        fuse_unmount(state_->filesystem.get());
}

Result<std::unique_ptr<LocalMount>> LocalMount::make(LocalMountOptions options, Carry carry) {
    SLIPWAY_CHECK(check_directory(options.directory));
    auto state = std::make_unique<State>(State{std::move(options), std::move(carry), nullptr});
    const auto& wanted = state->options;
    // auto_unmount: a helper of libfuse unmounts when this process dies.
    auto text = fmt::format("auto_unmount,fsname=slipway,subtype=slipway,max_read={},"
                            "entry_timeout={},attr_timeout={},use_ino{}{}{}",
                            largest_request, wanted.cache_timeout, wanted.cache_timeout,
                            wanted.readonly ? ",ro" : "", wanted.options.empty() ? "" : ",",
                            wanted.options);
    std::array<std::string, 3> words{"slipway", "-o", text};
    std::array<char*, 3> argv{words[0].data(), words[1].data(), words[2].data()};
    fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(argv.size()), argv.data());
    static const auto all = operations();
    state->filesystem.reset(fuse_new(&arguments, &all, sizeof all, &state->carry));
    fuse_opt_free_args(&arguments);
    if (!state->filesystem)
        return fail(Code::InvalidArgument,
                    fmt::format("the mount options '{}' are not known", wanted.options));
    if (fuse_mount(state->filesystem.get(), wanted.directory.c_str()) != 0)
        return fail(Code::Permission, fmt::format("{} could not be mounted on", wanted.directory),
                    "it must be yours, and fusermount3 set-uid root");
    state->mounted = true;
    return std::unique_ptr<LocalMount>(new LocalMount(std::move(state)));
}

Status LocalMount::run(const Cancel& cancel) {
    auto* session = fuse_get_session(state_->filesystem.get());
    fuse_buf buffer{};
    Status status;
    while (fuse_session_exited(session) == 0) {
        pollfd waiting{.fd = fuse_session_fd(session), .events = POLLIN, .revents = 0};
        int ready = ::poll(&waiting, 1, tick);
        if (status = cancel.check(); !status)
            break;
        if (ready <= 0)
            continue;
        int got = fuse_session_receive_buf(session, &buffer);
        if (got == -EINTR || got == -EAGAIN)
            continue;
        if (got <= 0) // unmounted
            break;
        fuse_session_process_buf(session, &buffer);
    }
    std::free(buffer.mem); // NOLINT: the library's malloc
    fuse_unmount(state_->filesystem.get());
    state_->mounted = false;
    return status;
}

Status LocalMount::unmount() const {
    sys::LocalRunner runner;
    sys::ProcessSpec spec{.argv = {"fusermount3", "-u", state_->options.directory}};
    SLIPWAY_TRY(auto captured, sys::run(runner, spec));
    if (captured.status != 0 && captured.err.find("busy") != std::string::npos)
        return fail(os_error(state_->options.directory, EBUSY));
    return sys::check_tool(spec, captured, fmt::format("unmounting {}", state_->options.directory));
}

} // namespace slipway::guestfs
