// SPDX-License-Identifier: Apache-2.0
#include "sys/confine.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::sys {
namespace {

// Rights that exist since Landlock ABI 1; what later ABIs add (refer, truncate, ioctl) is
// handled only where this header and kernel know it.
constexpr std::uint64_t read_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t file_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
constexpr std::uint64_t all_rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

Status allow(BorrowedFd ruleset, BorrowedFd target, std::uint64_t rights) {
    struct stat info {};
    if (::fstat(target.raw(), &info) != 0)
        return fail_errno("looking at a path to confine to");
    if (!S_ISDIR(info.st_mode))
        rights &= file_rights;
    landlock_path_beneath_attr rule{.allowed_access = rights, .parent_fd = target.raw()};
    if (::syscall(SYS_landlock_add_rule, ruleset.raw(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) !=
        0) {
        // Files without a filesystem of their own (pipes, memfds) cannot be opened by path anyway.
        if (errno == EBADFD || errno == EBADF)
            return {};
        return fail_errno("adding a Landlock rule");
    }
    return {};
}

Status allow_path(BorrowedFd ruleset, const std::string& path, std::uint64_t rights) {
    auto fd = open_file(path, O_PATH);
    if (!fd)
        return fd.error().code == Code::NotFound ? Status{} : Status{fail(std::move(fd).error())};
    return allow(ruleset, *fd, rights);
}

BorrowedFd parent_of(std::span<const FdMapping> fds, int child) {
    for (const auto& mapping : fds)
        if (mapping.child == child)
            return mapping.parent;
    return BorrowedFd(-1);
}

} // namespace

int landlock_abi() {
    auto abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<PreparedConfinement> PreparedConfinement::prepare(const Confinement& wish,
                                                         std::span<const FdMapping> fds) {
    PreparedConfinement ready;
    for (int capability : wish.keep_capabilities)
        ready.keep_capabilities_ |= std::uint64_t{1} << capability;
    ready.user_ = wish.user;
    ready.address_space_limit_ = wish.address_space_limit;
    if (landlock_abi() == 0)
        return ready;
    landlock_ruleset_attr attributes{.handled_access_fs = all_rights};
    ready.ruleset_ = OwnedFd(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (!ready.ruleset_.valid())
        return fail_errno("making a Landlock ruleset");
    // /dev/null too is only read: QEMU finds out by writing it whether it can lock, and its locks
    // on the extents of a VMDK, which no option turns off, would meet ours.
    for (const auto& path : wish.read_paths)
        SLIPWAY_CHECK(allow_path(ready.ruleset_, path, read_rights));
    for (const auto& path : wish.write_paths)
        SLIPWAY_CHECK(allow_path(ready.ruleset_, path, all_rights));
    for (int fd : wish.read_fds)
        SLIPWAY_CHECK(allow(ready.ruleset_, parent_of(fds, fd), read_rights));
    for (int fd : wish.write_fds)
        SLIPWAY_CHECK(allow(ready.ruleset_, parent_of(fds, fd), all_rights));
    return ready;
}

int keep_only_capabilities(std::uint64_t mask) {
    for (int capability = 0; capability < 64; ++capability) {
        if ((mask >> capability & 1) != 0)
            continue;
        if (::prctl(PR_CAPBSET_DROP, capability) != 0 && errno == EPERM)
            break; // no CAP_SETPCAP: nothing to lose either, no_new_privs does the rest
    }
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct have[2]{};
    if (::syscall(SYS_capget, &header, have) != 0)
        return errno;
    for (unsigned word = 0; word < 2; ++word) {
        auto bits = static_cast<std::uint32_t>(mask >> (32 * word));
        have[word].permitted &= bits;
        have[word].effective = have[word].permitted;
        have[word].inheritable = 0;
    }
    return ::syscall(SYS_capset, &header, have) == 0 ? 0 : errno;
}

int PreparedConfinement::enter() const {
    if (address_space_limit_ != 0) {
        rlimit limit{.rlim_cur = address_space_limit_, .rlim_max = address_space_limit_};
        if (::setrlimit(RLIMIT_AS, &limit) != 0)
            return errno;
    }
    if (user_ && ::geteuid() == 0) {
        if (::syscall(SYS_setgroups, 0, nullptr) != 0 ||
            ::syscall(SYS_setresgid, *user_, *user_, *user_) != 0 ||
            ::syscall(SYS_setresuid, *user_, *user_, *user_) != 0)
            return errno;
    }
    if (int error = keep_only_capabilities(keep_capabilities_); error != 0)
        return error;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    if (ruleset_.valid() && ::syscall(SYS_landlock_restrict_self, ruleset_.raw(), 0) != 0)
        return errno;
    return 0;
}

} // namespace slipway::sys
