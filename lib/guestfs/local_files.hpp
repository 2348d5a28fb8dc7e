// SPDX-License-Identifier: Apache-2.0
// What the kernel asks of a FUSE mount, as calls of the API. Private to the module.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <sys/stat.h>

#include "base/json.hpp"
#include "base/units.hpp"

struct fuse_operations;

namespace slipway::guestfs {

inline constexpr unsigned largest_request = 1 << 20; ///< bytes

/// Carries out a call of the API.
using Carry = std::function<Result<Json>(const char* name, const Json& arguments)>;

/// An open directory: names are read at its beginning, the rest as far as they are asked for.
struct Listing {
    std::vector<std::string> names;
    std::vector<struct stat> facts; ///< inode and type, or all, and then there are links
    std::size_t known = 0;          ///< of how many all facts were asked
};

/// What the operations work with: the private data of the mount.
struct LocalFiles {
    Carry carry;
    std::chrono::seconds kept{0};  ///< for which what was found out stays true
    std::optional<Error> broken{}; ///< why no call will ever be carried out again
    std::map<std::uint64_t, std::uint64_t> filesystems{}; ///< in the order seen, by st_dev
    std::map<std::uint64_t, Listing> listings{};          ///< of directories that are open
    std::uint64_t next_listing = 0;
    /// Of the directory that was listed last: paths of those without any extended attribute.
    std::unordered_set<std::string> bare{};
    Clock::time_point bare_until{};
};

/// Paths are the guest's, and whatever is asked names its file by its path again.
[[nodiscard]] const fuse_operations& local_operations();

} // namespace slipway::guestfs
