// SPDX-License-Identifier: Apache-2.0
// A look into a root that nobody trusts: a test ran in it.
#include <array>
#include <set>

#include <dirent.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/os_release.hpp"
#include "rootfs/accounts.hpp"
#include "rootfs/tree.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::rootfs {
namespace {

using sys::GuestPath;
constexpr std::size_t most_of_a_file = 64 << 20;

std::string read_or_nothing(const sys::RootDir& root, const char* path) {
    return root.read(GuestPath(path), most_of_a_file).value_or("");
}

bool is_program(const sys::RootDir& root, const std::string& path) {
    auto parsed = GuestPath::parse(path);
    if (!parsed)
        return false;
    auto info = root.stat(*parsed);
    return info && S_ISREG(info->st_mode) && (info->st_mode & 0111) != 0;
}

bool is_there(const sys::RootDir& root, const std::string& check) {
    if (check.starts_with('/')) {
        auto path = GuestPath::parse(check);
        return path && root.exists(*path);
    }
    for (const auto* folder :
         {"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"})
        if (is_program(root, fmt::format("{}/{}", folder, check)))
            return true;
    return false;
}

Result<std::uint64_t> size_of(const sys::RootDir& root) {
    constexpr std::uint64_t block = 512;
    std::uint64_t blocks = 0;
    std::set<std::pair<dev_t, ino_t>> linked;
    SLIPWAY_TRY(auto top, root.open_path(GuestPath("/"), O_RDONLY | O_DIRECTORY));
    sys::TreeVisitor visitor;
    visitor.enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
        struct stat info {};
        if (::fstatat(entry.directory.raw(), entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            (info.st_nlink == 1 || S_ISDIR(info.st_mode) ||
             linked.emplace(info.st_dev, info.st_ino).second))
            blocks += static_cast<std::uint64_t>(info.st_blocks);
        return entry.type == DT_DIR;
    };
    SLIPWAY_CHECK(sys::walk_tree(top, visitor));
    return blocks * block;
}

void look_for_wishes(const sys::RootDir& root, const Profile& profile, Facts& facts) {
    auto& missing = facts.missing;
    for (auto& line : missing_accounts(read_or_nothing(root, "/etc/passwd"),
                                       read_or_nothing(root, "/etc/group"), profile))
        missing.push_back(std::move(line));
    for (const auto& user : profile.users)
        if (auto home = GuestPath::parse(user.home); !home || !root.is_dir(*home))
            missing.push_back(fmt::format("{}, the home of {}, is missing", user.home, user.name));
    for (const auto& file : profile.files)
        if (auto path = GuestPath::parse(file.path); !path || !root.exists(*path))
            missing.push_back(fmt::format("the file {} is missing", file.path));
    auto installed = parse_packages(read_or_nothing(root, "/var/lib/dpkg/status"));
    for (const auto& package : missing_packages(profile, installed))
        missing.push_back(fmt::format("the package {} is not installed", package));
    for (const auto& check : profile.checks)
        if (!is_there(root, check))
            missing.push_back(fmt::format(
                "{} {} is missing", check.starts_with('/') ? "the file" : "the program", check));
}

} // namespace

Facts look(const sys::RootDir& root) {
    Facts facts;
    auto manifest = read_manifest(root);
    if (manifest)
        facts.manifest = std::move(*manifest);
    else
        facts.manifest_error = std::move(manifest.error());
    for (const auto* path : {"/etc/os-release", "/usr/lib/os-release"})
        if (facts.release.empty())
            facts.release = guest::parse_os_release(read_or_nothing(root, path))["PRETTY_NAME"];
    facts.size = size_of(root).value_or(0);
    for (const auto* path :
         {"/bin/sh", "/etc/passwd", "/etc/group", "/var/lib/dpkg/status", "/usr/bin/env"})
        if (auto info = root.stat(GuestPath(path)); !info)
            facts.unusable.push_back(fmt::format("{} is missing", path));
        else if (!S_ISREG(info->st_mode))
            facts.unusable.push_back(fmt::format("{} is no regular file", path));
    if (!root.is_dir(GuestPath("/lib")))
        facts.unusable.emplace_back("the directory /lib is missing");
    if (facts.manifest)
        look_for_wishes(root, facts.manifest->profile, facts);
    return facts;
}

Json to_json(const Facts& facts) {
    return {{"manifest", facts.manifest ? to_json(*facts.manifest) : Json()},
            {"manifest_error", error_to_json(facts.manifest_error)},
            {"release", facts.release},
            {"size", facts.size},
            {"missing", facts.missing},
            {"unusable", facts.unusable}};
}

Facts facts_from_json(const Json& json) {
    using Words = std::vector<std::string>;
    Facts facts{.manifest_error = error_from_json(json_at(json, "manifest_error")),
                .manifest = std::nullopt,
                .release = json_get<std::string>(json, "release"),
                .size = json_get<std::uint64_t>(json, "size"),
                .missing = json_get<Words>(json, "missing"),
                .unusable = json_get<Words>(json, "unusable")};
    if (auto manifest = manifest_from_json(json_at(json, "manifest")))
        facts.manifest = std::move(*manifest);
    return facts;
}

} // namespace slipway::rootfs
