// SPDX-License-Identifier: Apache-2.0
// What killed commands have left of test roots.
#include <sys/file.h>
#include <unistd.h>

#include "ops/cleanup.hpp"
#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"

namespace slipway::ops {
namespace {

// What is locked is being worked on.
std::optional<sys::OwnedFd> lock_now(const std::string& path) {
    auto opened = sys::open_file(path, O_RDONLY);
    if (!opened || ::flock(opened->raw(), LOCK_EX | LOCK_NB) != 0)
        return std::nullopt;
    return std::move(*opened);
}

struct Found {
    std::vector<std::string> paths;
    std::vector<sys::OwnedFd> locks; ///< held until they are removed
};

Found find_leftovers(const CleanupRequest& request) {
    Found found;
    auto directories = request.directories;
    if (auto standard = default_root_directory())
        directories.push_back(*standard);
    for (const auto& directory : directories) {
        auto paths = root_leftovers(directory);
        auto lock = paths.empty() ? std::nullopt : lock_now(directory);
        if (!lock)
            continue;
        found.locks.push_back(std::move(*lock));
        found.paths.insert(found.paths.end(), paths.begin(), paths.end());
    }
    if (auto cache = sys::cache_directory())
        if (auto lock = lock_now(*cache + "/kernels/lock");
            lock && ::access((*cache + "/kernels/.new").c_str(), F_OK) == 0) {
            found.locks.push_back(std::move(*lock));
            found.paths.push_back(*cache + "/kernels/.new");
        }
    auto place = rootfs::Cache::directory();
    auto lock = place ? lock_now(*place + "/lock") : std::nullopt;
    auto cache = lock ? rootfs::Cache::open() : Result<rootfs::Cache>(fail(Code::NotFound, ""));
    if (cache) {
        found.locks.push_back(std::move(*lock));
        for (auto& path : cache->leftovers())
            found.paths.push_back(std::move(path));
    }
    return found;
}

} // namespace

Result<std::vector<Leftover>> clean_rootfs(const Context& context, const CleanupRequest& request) {
    auto found = find_leftovers(request);
    std::vector<Leftover> leftovers;
    if (found.paths.empty())
        return leftovers;
    OwnNamespace own;
    if (!request.dry_run) {
        SLIPWAY_TRY(own, enter_own_namespace(context));
    }
    for (const auto& path : found.paths) {
        Leftover leftover{.what = path, .why = "a test root that was not finished"};
        if (!request.dry_run) {
            auto removed = rootfs::remove_tree(own.host, path);
            leftover.removed = removed.has_value();
            if (!removed)
                leftover.why = render_line(removed.error());
        }
        leftovers.push_back(std::move(leftover));
    }
    return leftovers;
}

} // namespace slipway::ops
