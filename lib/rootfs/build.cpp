// SPDX-License-Identifier: Apache-2.0
#include "rootfs/build.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "rootfs/mirror.hpp"
#include "rootfs/task.hpp"
#include "sys/directories.hpp"
#include "sys/mount.hpp"

namespace slipway::rootfs {
namespace {

constexpr std::chrono::hours deadline{3}; // a slow mirror; the user can stop it at any time
constexpr unsigned days_unused = 30;

Status run_tool(const sys::Host& host, std::vector<std::string> argv, std::string what) {
    sys::ProcessSpec spec{.argv = std::move(argv)};
    SLIPWAY_TRY(auto captured,
                sys::run(*host.runner, spec, {.deadline = deadline, .cancel = host.cancel}));
    return sys::check_tool(spec, captured, std::move(what));
}

Status make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0 || ::chmod(path.c_str(), 0755) != 0)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

void tell(const sys::Host& host, std::string step) {
    if (host.progress)
        host.progress({.step = std::move(step), .bytes = false});
}

// The packages of earlier runs lie where apt looks for them, and apt adds to them.
Status mount_packages(const Workshop& workshop, const Source& source,
                      const std::string& directory) {
    auto path = directory + "/var";
    for (const auto* part : {"/cache", "/apt", "/archives"})
        SLIPWAY_CHECK(make_directory(path += part));
    SLIPWAY_TRY(auto packages, workshop.cache.packages(source.suite, source.architecture));
    return run_tool(workshop.host, {"mount", "--bind", packages, path},
                    "showing apt the packages of earlier runs");
}

Status install_packages(const Workshop& workshop, const LayerWish& wish,
                        const std::string& directory) {
    auto spec = mmdebstrap_spec(wish.source, wish.profile, directory, find_proxies(workshop.host));
    spec.env.push_back("TMPDIR=" + workshop.cache.scratch());
    // What it mounts in the root, and what it starts, ends with it, also when it is killed.
    spec.clone_flags = CLONE_NEWNS | CLONE_NEWPID;
    auto captured = sys::run(*workshop.host.runner, spec,
                             {.deadline = deadline, .cancel = workshop.host.cancel});
    if (!captured && captured.error().code == Code::NotFound)
        return fail(Code::Unsupported,
                    "mmdebstrap is not installed, and test roots are made with it",
                    "apt install mmdebstrap");
    if (!captured)
        return fail(std::move(captured).error());
    workshop.host.log.debug("{}", printable(captured->err));
    if (captured->status != 0)
        return fail(explain_failure(spec, captured->status, captured->err, wish.source));
    return {};
}

Status fill_base(const Workshop& workshop, const LayerWish& wish, const std::string& directory) {
    SLIPWAY_CHECK(make_directory(directory));
    SLIPWAY_TRY(auto top, sys::open_file(directory, O_RDONLY | O_DIRECTORY));
    for (const auto* name : {"usr", "var"}) // nearly all files are in these
        SLIPWAY_CHECK(sys::make_scattered_directory(top, name, 0755));
    SLIPWAY_CHECK(mount_packages(workshop, wish.source, directory));
    SLIPWAY_CHECK(install_packages(workshop, wish, directory));
    SLIPWAY_CHECK(run_tool(workshop.host, {"umount", directory + "/var/cache/apt/archives"},
                           "taking the packages away"));
    return tidy_by_worker(workshop.host, directory,
                          fmt::format("deb {} {} {}", wish.source.archive, wish.source.suite,
                                      wish.source.components));
}

Status fill_layer(const Workshop& workshop, const LayerWish& wish, const Manifest& manifest,
                  const std::string& directory) {
    SLIPWAY_CHECK(copy_by_worker(workshop.host, workshop.cache.layer(manifest.base), directory));
    SLIPWAY_CHECK(apply_by_worker(workshop.host, directory, wish.profile, wish.source.snapshot));
    auto finished = finish_by_worker(workshop.host, directory, manifest);
    if (!finished)
        return fail(std::move(finished).error());
    return {};
}

// Fills a directory under a passing name, and gives it its own when it is whole.
template <class Fill>
Status make_layer(const Workshop& workshop, const std::string& key, Fill fill) {
    auto directory = workshop.cache.new_layer(key);
    auto made = fill(directory);
    if (made)
        made = sync_tree(directory);
    if (made)
        made = publish_tree(directory, workshop.cache.layer(key));
    if (!made) {
        auto stopped = workshop.host;
        stopped.cancel = Cancel();
        [[maybe_unused]] auto unmounted = run_tool(
            stopped, {"umount", "--lazy", "--quiet", directory + "/var/cache/apt/archives"},
            "taking the packages away");
        if (auto removed = remove_tree(stopped, directory); !removed)
            workshop.host.log.warning("{}", render_text(removed.error()));
    }
    return made;
}

Status build(const Workshop& workshop, const LayerWish& wish, const Manifest& manifest,
             Layer& layer) {
    SLIPWAY_TRY([[maybe_unused]] auto swept, sweep(workshop));
    if (!workshop.cache.has_layer(manifest.base)) {
        auto start = Clock::now();
        tell(workshop.host, fmt::format("installing {}", wish.source.suite));
        SLIPWAY_CHECK(make_layer(workshop, manifest.base, [&](const std::string& directory) {
            return fill_base(workshop, wish, directory);
        }));
        layer.base_built = true;
        layer.base_seconds = seconds_since(start);
    }
    workshop.cache.touch(manifest.base);
    auto start = Clock::now();
    tell(workshop.host, fmt::format("applying the profile {}", wish.profile.name));
    SLIPWAY_CHECK(make_layer(workshop, manifest.layer, [&](const std::string& directory) {
        return fill_layer(workshop, wish, manifest, directory);
    }));
    layer.layer_built = true;
    layer.layer_seconds = seconds_since(start);
    return {};
}

} // namespace

Status check_no_mounts(const std::string& path) {
    std::error_code failed;
    auto real = std::filesystem::canonical(path, failed).string();
    if (failed)
        return {}; // nothing is there
    SLIPWAY_TRY(auto mounts, sys::mounts_below(real));
    if (mounts.empty())
        return {};
    return fail(Code::Busy, fmt::format("something is mounted at {}", mounts.back()),
                fmt::format("umount {}", shell_quote(mounts.back())));
}

Status remove_tree(const sys::Host& host, const std::string& path) {
    // --one-file-system does not see a bind mount of the same filesystem.
    SLIPWAY_CHECK(check_no_mounts(path));
    auto unstoppable = host;
    unstoppable.cancel = Cancel();
    return run_tool(unstoppable, {"rm", "-rf", "--one-file-system", "--", path},
                    fmt::format("removing {}", path));
}

Result<std::vector<std::string>> sweep(const Workshop& workshop) {
    auto paths = workshop.cache.leftovers();
    for (auto& path : workshop.cache.unused_layers(days_unused))
        paths.push_back(std::move(path));
    for (const auto& path : paths)
        SLIPWAY_CHECK(remove_tree(workshop.host, path));
    return paths;
}

Result<Layer> ensure_layer(const Workshop& workshop, const LayerWish& wish) {
    const auto& [host, cache] = workshop;
    Manifest manifest{.suite = wish.source.suite,
                      .distribution = wish.source.distribution,
                      .architecture = wish.source.architecture,
                      .snapshot = wish.source.snapshot,
                      .profile = wish.profile,
                      .added_packages = wish.added_packages};
    manifest.base = base_key(wish.source, wish.profile);
    manifest.layer = layer_key(manifest.base, wish.profile);
    Layer layer;
    layer.path = cache.layer(manifest.layer);
    SLIPWAY_TRY(layer.lock, cache.lock(sys::LockMode::Shared, host.cancel, host.log));
    while (!cache.has_layer(manifest.layer)) {
        SLIPWAY_CHECK(cache.wait(layer.lock, sys::LockMode::Alone, host.cancel, host.log));
        if (!cache.has_layer(manifest.layer)) // nobody else has made it meanwhile
            SLIPWAY_CHECK(build(workshop, wish, manifest, layer));
        // Not in one step: so look again.
        SLIPWAY_CHECK(cache.wait(layer.lock, sys::LockMode::Shared, host.cancel, host.log));
    }
    cache.touch(manifest.base);
    cache.touch(manifest.layer);
    SLIPWAY_TRY(auto root, sys::RootDir::open(layer.path));
    SLIPWAY_TRY(layer.manifest, read_manifest(root));
    return layer;
}

} // namespace slipway::rootfs
