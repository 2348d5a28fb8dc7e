// SPDX-License-Identifier: Apache-2.0
#include "work/lock_in.hpp"

#include <vector>

#include <unistd.h>

#include "sys/confine.hpp"
#include "sys/syscall_filter.hpp"

namespace slipway::work {
namespace {

Status install(std::vector<sock_filter>& filter) {
    sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
    if (int error = sys::install_syscall_filter(program); error != 0)
        return fail_errno("filtering system calls", error);
    return {};
}

} // namespace

// Landlock is of no use here: its first version forbids hard links between directories.
Status lock_into(int directory, std::uint64_t capabilities, int start) {
    std::vector<sock_filter> plain_files;
    std::vector<sock_filter> no_new_code;
    if (sys::has_syscall_filters()) {
        SLIPWAY_TRY(plain_files, sys::build_sandbox_filter(sys::Files::Free));
        SLIPWAY_TRY(no_new_code, sys::build_code_filter());
    }
    if (::fchdir(directory) != 0 || ::chroot(".") != 0)
        return fail_errno("entering the guest's directory");
    ::close(directory);
    if (start >= 0 && ::fchdir(start) != 0)
        return fail_errno("entering a directory of the guest's");
    if (start >= 0)
        ::close(start);
    if (int error = sys::keep_only_capabilities(capabilities); error != 0)
        return fail_errno("giving up privileges", error);
    SLIPWAY_CHECK(install(plain_files));
    return install(no_new_code);
}

} // namespace slipway::work
