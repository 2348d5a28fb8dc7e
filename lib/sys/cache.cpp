// SPDX-License-Identifier: Apache-2.0
#include "sys/cache.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/directories.hpp"

namespace slipway::sys {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

Status remove_all(const std::string& path) {
    std::error_code failed;
    fs::remove_all(path, failed);
    if (failed)
        return fail_errno(fmt::format("removing {}", path), failed.value());
    return {};
}

} // namespace

Result<std::string> cache_directory() {
    if (auto given = variable("SLIPWAY_CACHE"); !given.empty())
        return fs::absolute(given).lexically_normal().string();
    if (auto given = variable("XDG_CACHE_HOME"); given.starts_with('/'))
        return given + "/slipway";
    if (auto home = variable("HOME"); home.starts_with('/'))
        return home + "/.cache/slipway";
    return fail(Code::InvalidArgument, "there is no place for the cache: HOME is not set",
                "set SLIPWAY_CACHE to a directory");
}

Status wait_for_lock(BorrowedFd file, LockMode mode, const std::string& what, const Cancel& cancel,
                     const Log& log) {
    auto operation = (mode == LockMode::Shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    bool told = false;
    while (::flock(file.raw(), operation) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno(fmt::format("locking {}", what));
        SLIPWAY_CHECK(cancel.check());
        if (!told)
            log.info("waiting for another slipway, which works on {}", what);
        told = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return {};
}

Status make_cached(const std::string& directory,
                   const std::function<Status(const std::string&)>& fill, const Cancel& cancel,
                   const Log& log) {
    if (::access(directory.c_str(), F_OK) == 0)
        return {};
    auto parent = std::string(dirname_of(directory));
    SLIPWAY_CHECK(make_directories(parent));
    SLIPWAY_TRY(auto lock, open_file(parent + "/lock", O_RDWR | O_CREAT, 0600));
    SLIPWAY_CHECK(wait_for_lock(lock, LockMode::Alone, parent, cancel, log));
    if (::access(directory.c_str(), F_OK) == 0) // another process has made it meanwhile
        return {};
    auto unfinished = fmt::format("{}/.new", parent);
    SLIPWAY_CHECK(remove_all(unfinished));
    auto made = make_directories(unfinished);
    if (made)
        made = fill(unfinished);
    if (made && ::rename(unfinished.c_str(), directory.c_str()) != 0)
        made = fail_errno(fmt::format("naming {}", directory));
    if (!made)
        (void)remove_all(unfinished);
    return made;
}

} // namespace slipway::sys
