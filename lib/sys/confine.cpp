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

#include "sys/syscall_filter.hpp"

namespace slipway::sys {
namespace {

// What this build's header may not have yet (include/uapi/linux/landlock.h of Linux 6.12).
struct RulesetAttributes {
    std::uint64_t handled_access_fs;
    std::uint64_t handled_access_net; ///< ABI 4
    std::uint64_t scoped;             ///< ABI 6
};
constexpr std::uint64_t truncate_right = 1 << 14; // ABI 3
constexpr std::uint64_t ioctl_right = 1 << 15;    // ABI 5, of devices
constexpr std::uint64_t scope_abstract_sockets = 1, scope_signals = 2;

constexpr std::uint64_t read_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t file_rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                      LANDLOCK_ACCESS_FS_WRITE_FILE | truncate_right | ioctl_right;

std::uint64_t handled_rights(int abi) {
    std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; // ABI 1
    if (abi >= 3)
        rights |= truncate_right;
    if (abi >= 5)
        rights |= ioctl_right;
    return rights;
}

Result<OwnedFd> make_ruleset(int abi) {
    RulesetAttributes attributes{.handled_access_fs = handled_rights(abi),
                                 .handled_access_net = 0,
                                 .scoped = scope_abstract_sockets | scope_signals};
    auto size = abi >= 6 ? sizeof attributes : sizeof attributes.handled_access_fs;
    OwnedFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
    if (!ruleset.valid())
        return fail_errno("making a Landlock ruleset");
    return ruleset;
}

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

void drop_from_bounding_set(std::uint64_t mask) {
    for (int capability = 0; capability < 64; ++capability) {
        if ((mask >> capability & 1) != 0)
            continue;
        if (::prctl(PR_CAPBSET_DROP, capability) != 0 && errno == EPERM)
            break; // no CAP_SETPCAP: nothing to lose either, no_new_privs does the rest
    }
}

int set_capabilities(std::uint64_t permitted, std::uint64_t inheritable) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct have[2]{};
    if (::syscall(SYS_capget, &header, have) != 0)
        return errno;
    for (unsigned word = 0; word < 2; ++word) {
        have[word].permitted &= static_cast<std::uint32_t>(permitted >> (32 * word));
        have[word].effective = have[word].permitted;
        have[word].inheritable =
            have[word].permitted & static_cast<std::uint32_t>(inheritable >> (32 * word));
    }
    return ::syscall(SYS_capset, &header, have) == 0 ? 0 : errno;
}

// From root to a user without rights. What is to be kept must be ambient: only so it survives the
// exec of a program by that user.
int become(unsigned user, std::uint64_t kept) {
    drop_from_bounding_set(kept);
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || ::syscall(SYS_setgroups, 0, nullptr) != 0 ||
        ::syscall(SYS_setresgid, user, user, user) != 0 ||
        ::syscall(SYS_setresuid, user, user, user) != 0)
        return errno;
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (int error = set_capabilities(kept, kept); error != 0)
        return error;
    for (int capability = 0; capability < 64; ++capability)
        if ((kept >> capability & 1) != 0 &&
            ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
            return errno;
    return 0;
}

} // namespace

std::vector<std::string> program_read_paths() {
    return {"/usr",
            "/lib",
            "/lib64",
            "/lib32",
            "/bin",
            "/sbin",
            "/etc/ld.so.cache",
            "/etc/ld.so.preload",
            "/etc/localtime",
            "/dev/null",
            "/dev/zero",
            "/dev/urandom",
            "/proc/self",
            "/sys/devices/system/cpu"};
}

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
    for (const auto& limit :
         {Limit{RLIMIT_AS, wish.address_space_limit}, Limit{RLIMIT_DATA, wish.data_limit},
          Limit{RLIMIT_FSIZE, wish.file_size_limit}})
        if (limit.value != 0)
            ready.limits_.push_back(limit);
    if (wish.filter_calls) {
        ready.limits_.push_back({RLIMIT_CORE, 0});
        if (has_syscall_filters()) {
            SLIPWAY_TRY(ready.filter_, build_sandbox_filter(
                                           wish.changes_attributes ? Files::Free : Files::Sealed));
        }
    }
    auto abi = landlock_abi();
    if (abi == 0)
        return ready;
    SLIPWAY_TRY(ready.ruleset_, make_ruleset(abi));
    auto all_rights = handled_rights(abi);
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
    drop_from_bounding_set(mask);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return set_capabilities(mask, 0);
}

int PreparedConfinement::enter(int ruleset) const {
    for (const auto& [resource, value] : limits_) {
        rlimit limit{.rlim_cur = value, .rlim_max = value};
        if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0)
            return errno;
    }
    int error = user_ && ::geteuid() == 0 ? become(*user_, keep_capabilities_)
                                          : keep_only_capabilities(keep_capabilities_);
    if (error != 0)
        return error;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    if (ruleset >= 0 && ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return errno;
    if (filter_.empty())
        return 0;
    return install_syscall_filter({.len = static_cast<unsigned short>(filter_.size()),
                                   .filter = const_cast<sock_filter*>(filter_.data())});
}

} // namespace slipway::sys
