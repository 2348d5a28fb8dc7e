// SPDX-License-Identifier: Apache-2.0
// Finding, listing and deleting roots, and their profiles.
#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;

// When the directory was made; the manifest has no time, so that equal roots are equal.
std::string time_of_birth(const std::string& path) {
    struct statx info {};
    if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME, &info) != 0)
        return {};
    bool known = (info.stx_mask & STATX_BTIME) != 0;
    return rootfs::iso_date(known ? info.stx_btime.tv_sec : info.stx_ctime.tv_sec);
}

// A manifest that is broken, but was one.
bool has_marker(const std::string& path) {
    auto root = sys::RootDir::open(path);
    return root && rootfs::has_marker(*root);
}

} // namespace

TestRoot describe_root(const std::string& path, const rootfs::Manifest& manifest) {
    TestRoot root{.name = std::string(basename_of(path)),
                  .path = path,
                  .profile = manifest.profile.name,
                  .distribution = manifest.distribution,
                  .suite = manifest.suite,
                  .release = manifest.release,
                  .architecture = manifest.architecture,
                  .snapshot = rootfs::iso_date(manifest.snapshot),
                  .created = time_of_birth(path),
                  .recipe = manifest.layer,
                  .packages = manifest.packages,
                  .added_packages = manifest.added_packages};
    for (const auto& user : manifest.profile.users)
        root.users.push_back({user.name, user.uid, user.gid, user.groups});
    return root;
}

Result<rootfs::Profile> load_profile(const std::string& name_or_file) {
    if (auto text = rootfs::shipped_profile(name_or_file))
        return rootfs::parse_profile(*text, name_or_file);
    if (name_or_file.find('/') == std::string::npos && !name_or_file.ends_with(".toml"))
        return fail(Code::NotFound,
                    fmt::format("there is no profile '{}'", printable(name_or_file)),
                    fmt::format("there are {}; a file's name has a slash or ends with .toml",
                                join(rootfs::shipped_profiles(), ", ")));
    auto text_of_file = sys::read_file(name_or_file);
    if (!text_of_file) {
        auto error =
            std::move(text_of_file.error()).in(fmt::format("the profile {}", name_or_file));
        if (error.hint.empty())
            error.hint = fmt::format("name a TOML file, or one of {}",
                                     join(rootfs::shipped_profiles(), ", "));
        return fail(std::move(error));
    }
    const auto& text = *text_of_file;
    SLIPWAY_TRY(auto profile, rootfs::parse_profile(text, name_or_file));
    // By its name a root's profile is found again.
    if (auto shipped = rootfs::shipped_profile(profile.name)) {
        SLIPWAY_TRY(auto other, rootfs::parse_profile(*shipped, profile.name));
        if (hash_of(other) != hash_of(profile))
            return fail(Code::InvalidArgument,
                        fmt::format("{} is called '{}', as a profile that comes with Slipway and "
                                    "is another",
                                    name_or_file, profile.name),
                        "give it a name of its own");
    }
    return profile;
}

Result<std::string> rootfs_profile(const std::string& name) {
    if (auto text = rootfs::shipped_profile(name))
        return std::string(*text);
    return fail(Code::NotFound, fmt::format("no profile '{}' comes with Slipway", printable(name)),
                fmt::format("there are {}", join(rootfs::shipped_profiles(), ", ")));
}

std::vector<std::string> rootfs_profiles() {
    return rootfs::shipped_profiles();
}

Result<std::string> find_rootfs(const std::string& name_or_path) {
    SLIPWAY_TRY(auto path, root_path(name_or_path));
    auto manifest = root_manifest(path);
    if (manifest)
        return path;
    auto error = std::move(manifest).error();
    if (error.code == Code::NotFound && rootfs::shipped_profile(name_or_path))
        error.hint = fmt::format("slipway rootfs create --profile {}", name_or_path);
    return fail(std::move(error));
}

Result<RootfsList> list_rootfs() {
    RootfsList list;
    SLIPWAY_TRY(list.directory, default_root_directory());
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(list.directory, failed)) {
        auto path = entry.path().string();
        if (!rootfs::is_root_name(basename_of(path)))
            continue;
        if (auto manifest = root_manifest(path))
            list.roots.push_back(describe_root(path, *manifest));
        else if (entry.is_directory(failed))
            list.broken.emplace_back(basename_of(path));
    }
    if (failed && failed != std::errc::no_such_file_or_directory)
        return fail_errno(fmt::format("looking into {}", list.directory), failed.value());
    std::sort(list.roots.begin(), list.roots.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    std::sort(list.broken.begin(), list.broken.end());
    return list;
}

Result<std::string> delete_rootfs(const Context& context, const DeleteRootfsRequest& request) {
    SLIPWAY_TRY(auto path, root_path(request.root));
    auto manifest = root_manifest(path);
    bool named = request.root.find('/') == std::string::npos;
    struct stat info {};
    // Of a directory elsewhere at least the marker must be there.
    bool is_directory = ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    bool was_root = manifest || (is_directory && (named || has_marker(path)));
    if (!manifest && !(request.force && was_root)) {
        auto error = std::move(manifest).error();
        if (error.code != Code::NotFound)
            error.hint = was_root ? fmt::format("slipway rootfs delete {} --force",
                                                shell_quote(request.root))
                                  : "only roots of Slipway's are deleted";
        return fail(std::move(error));
    }
    SLIPWAY_TRY(auto own, enter_own_namespace(context));
    SLIPWAY_TRY(auto place, RootPlace::open(own.host, path));
    SLIPWAY_CHECK(place.sweep(own.host));
    SLIPWAY_CHECK(place.remove(own.host));
    return path;
}

Result<std::string> clear_rootfs_cache(const Context& context) {
    SLIPWAY_TRY(auto directory, rootfs::Cache::directory());
    std::error_code ignored;
    if (!fs::exists(directory, ignored))
        return directory;
    SLIPWAY_TRY(auto own, enter_own_namespace(context));
    SLIPWAY_TRY(auto cache, rootfs::Cache::open());
    SLIPWAY_TRY(auto lock, cache.lock(sys::LockMode::Alone, own.host.cancel, own.host.log));
    for (const auto* part : {"layers", "packages", "mirrors", "tmp"})
        SLIPWAY_CHECK(rootfs::remove_tree(own.host, fmt::format("{}/{}", directory, part)));
    return directory;
}

} // namespace slipway::ops
