// SPDX-License-Identifier: Apache-2.0
// Filters of system calls (seccomp), made in the parent and entered in a child without allocation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <linux/filter.h>

#include "base/error.hpp"

namespace slipway::sys {

/// One argument of a call, counted from 0.
struct ArgumentIs {
    unsigned argument;
    std::uint64_t value;             ///< what it is equal to, under the mask
    std::uint64_t mask = 0xFFFFFFFF; ///< the kernel looks at the low word of an int only
    enum class Test { Equal, Differs } test = Test::Equal; ///< Differs takes no mask
};

/// A list of calls that are refused; all others are allowed, for the native architecture and those
/// that its kernel also runs (i386 and x32 on x86-64). Calls of any other end the process.
class SyscallFilter {
public:
    /// Unsupported where libseccomp does not know this kernel's architecture.
    [[nodiscard]] static Result<SyscallFilter> make();
    ~SyscallFilter();
    SyscallFilter(SyscallFilter&& other) noexcept : context_(other.context_) {
        other.context_ = nullptr;
    }
    SyscallFilter& operator=(SyscallFilter&&) = delete;

    /// Refuses a call with an errno (0: the caller is told that it worked), where all the tests
    /// hold. Names that the architecture or libseccomp does not have are left out.
    [[nodiscard]] Status deny(const char* name, int error,
                              std::span<const ArgumentIs> arguments = {});
    /// The filter as a program for seccomp(2).
    [[nodiscard]] Result<std::vector<sock_filter>> program() const;

private:
    explicit SyscallFilter(void* context) : context_(context) {}
    void* context_; ///< of libseccomp
};

/// Whether this kernel has filters (CONFIG_SECCOMP_FILTER).
[[nodiscard]] bool has_syscall_filters();
/// Enters no_new_privs and the filter, unless that is empty. Returns 0 or an errno. Allocates
/// nothing.
[[nodiscard]] int install_syscall_filter(const sock_fprog& program);

/// For programs that work on data of strangers with nothing but what they inherited: no new
/// connections, no sockets but pairs of streams, no namespaces, mounts, keys, or kernel interfaces
/// beyond plain files.
/// Sealed: attributes of files cannot be changed either, and no file can be cut off by its name.
enum class Files { Sealed, Free };
[[nodiscard]] Result<std::vector<sock_filter>> build_sandbox_filter(Files files);
/// For programs that are inside a directory of strangers: nothing there can be executed, or loaded
/// as a library.
[[nodiscard]] Result<std::vector<sock_filter>> build_code_filter();

} // namespace slipway::sys
