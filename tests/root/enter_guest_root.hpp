// SPDX-License-Identifier: Apache-2.0
// A small guest for tests and benches: busybox and a program of ours with its libraries.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "base/error.hpp"
#include "sys/process.hpp"

namespace slipway::enter_test {

inline constexpr auto busybox = "/bin/busybox"; // Debian: busybox-static

inline Status copy_file(const std::string& from, const std::string& to) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(to).parent_path(), error);
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, error);
    if (error)
        return fail_errno(fmt::format("copying {} to {}", from, to), error.value());
    return {};
}

/// Copies a dynamically linked program to `path` in the root, and its libraries to where the loader
/// looks for them.
inline Status copy_program(const std::string& program, const std::string& root,
                           const std::string& path) {
    SLIPWAY_CHECK(copy_file(program, root + path));
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto listed, sys::run(runner, {.argv = {"ldd", program}}));
    std::istringstream words(listed.out);
    for (std::string word; words >> word;)
        if (word.starts_with("/"))
            SLIPWAY_CHECK(copy_file(word, root + word));
    return {};
}

/// Fills an empty directory with a guest that has every applet of busybox in /bin.
inline Status make_busybox_root(const std::string& root) {
    std::error_code error;
    for (const auto* name :
         {"bin", "etc", "proc", "sys", "dev", "run", "tmp", "root", "boot", "var/tmp"})
        std::filesystem::create_directories(fmt::format("{}/{}", root, name), error);
    SLIPWAY_CHECK(copy_file(busybox, root + "/bin/busybox"));
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto installed, sys::run(runner, {.argv = {"chroot", root, "/bin/busybox",
                                                           "--install", "-s", "/bin"}}));
    return sys::check_tool({.argv = {"chroot"}}, installed, "installing busybox in a root");
}

} // namespace slipway::enter_test
