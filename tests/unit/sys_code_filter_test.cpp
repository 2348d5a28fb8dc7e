// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>
#include <string>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "sys/syscall_filter.hpp"

namespace slipway::sys {
namespace {

// In the child: what is refused, as bits.
int look(std::vector<sock_filter>& filter) {
    sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
    if (install_syscall_filter(program) != 0)
        return 64;
    int refused = 0;
    auto* plain = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (plain == MAP_FAILED)
        refused |= 1;
    if (::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
            MAP_FAILED &&
        errno == EACCES)
        refused |= 2;
    if (::mprotect(plain, 4096, PROT_READ | PROT_EXEC) != 0 && errno == EACCES)
        refused |= 4;
    std::string name = "/bin/true";
    std::array<char*, 2> argv{name.data(), nullptr};
    if (::execv(name.c_str(), argv.data()) != 0 && errno == EPERM)
        refused |= 8;
    return refused;
}

TEST(CodeFilter, NothingIsLoadedOrExecuted) {
    if (!has_syscall_filters())
        GTEST_SKIP() << "this kernel has no system call filters";
    auto filter = build_code_filter();
    ASSERT_TRUE(filter.has_value());
    auto child = ::fork();
    if (child == 0)
        ::_exit(look(*filter));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 2 | 4 | 8);
}

} // namespace
} // namespace slipway::sys
