// SPDX-License-Identifier: Apache-2.0
#include "rootfs/manifest.hpp"

#include <algorithm>

#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/package_texts.hpp"

namespace slipway::rootfs {
namespace {

constexpr std::size_t largest_manifest = 16 << 20;

} // namespace

Json to_json(const Manifest& manifest) {
    auto packages = Json::object();
    for (const auto& [name, version] : manifest.packages)
        packages[name] = version;
    return {{"schema", manifest_schema},
            {"recipe", manifest.recipe},
            {"layer", manifest.layer},
            {"base", manifest.base},
            {"suite", manifest.suite},
            {"distribution", manifest.distribution},
            {"release", manifest.release},
            {"architecture", manifest.architecture},
            {"snapshot", iso_date(manifest.snapshot)},
            {"snapshot_seconds", manifest.snapshot},
            {"profile_hash", hash_of(manifest.profile)},
            {"profile", to_json(manifest.profile)},
            {"added_packages", manifest.added_packages},
            {"packages", packages}};
}

Result<Manifest> manifest_from_json(const Json& json) {
    auto schema = json_get<std::string>(json, "schema");
    if (schema != manifest_schema)
        return fail(Code::Corrupt,
                    fmt::format("{} is no manifest of a test root of this version", manifest_path));
    Manifest manifest{.recipe = json_get<unsigned>(json, "recipe"),
                      .layer = json_get<std::string>(json, "layer"),
                      .base = json_get<std::string>(json, "base"),
                      .suite = json_get<std::string>(json, "suite"),
                      .distribution = json_get<std::string>(json, "distribution"),
                      .release = json_get<std::string>(json, "release"),
                      .architecture = json_get<std::string>(json, "architecture"),
                      .snapshot = json_get<long>(json, "snapshot_seconds"),
                      .profile = profile_from_json(json_at(json, "profile")),
                      .added_packages = json_get<std::vector<std::string>>(json, "added_packages")};
    for (const auto& [name, version] : json_at(json, "packages").items())
        if (version.is_string())
            manifest.packages[name] = version.get<std::string>();
    // These stand in commands that a user is advised to run, and a test may have written them.
    bool are_names = std::all_of(manifest.added_packages.begin(), manifest.added_packages.end(),
                                 [](const auto& name) { return is_package_name(name); });
    if (manifest.layer.empty() || !are_names || !is_root_name(manifest.suite) ||
        !is_root_name(manifest.profile.name))
        return fail(Code::Corrupt, fmt::format("{} is incomplete", manifest_path));
    return manifest;
}

Result<Manifest> read_manifest(const sys::RootDir& root) {
    auto text = root.read(sys::GuestPath(manifest_path), largest_manifest);
    if (!text)
        return fail(Code::InvalidArgument,
                    fmt::format("no test root of Slipway's: {} cannot be read ({})", manifest_path,
                                render_line(text.error())));
    SLIPWAY_TRY(auto json, parse_json(*text, manifest_path));
    return manifest_from_json(json);
}

bool has_marker(const sys::RootDir& root) {
    sys::GuestPath path(manifest_path);
    auto info = root.stat(path, false);
    auto text = info && S_ISREG(info->st_mode) ? root.read(path, largest_manifest)
                                               : Result<std::string>(fail(Code::NotFound, ""));
    return text && text->find("slipway.rootfs.") != std::string::npos;
}

Profile plain_profile(const Manifest& manifest) {
    auto profile = manifest.profile;
    std::erase_if(profile.packages, [&](const std::string& package) {
        const auto& added = manifest.added_packages;
        return std::find(added.begin(), added.end(), package) != added.end();
    });
    return profile;
}

std::map<std::string, std::string> parse_packages(std::string_view status) {
    std::map<std::string, std::string> packages;
    for (const auto& package : guest::parse_dpkg_status(status))
        packages[package.name] = report::full_version(package);
    return packages;
}

std::vector<std::string> missing_packages(const Profile& profile,
                                          const std::map<std::string, std::string>& installed) {
    std::vector<std::string> missing;
    for (const auto& package : profile.packages) {
        auto choices = split(package, '|');
        bool there = std::any_of(choices.begin(), choices.end(), [&](std::string_view choice) {
            return installed.contains(std::string(trim(choice)));
        });
        if (!there)
            missing.push_back(package);
    }
    return missing;
}

} // namespace slipway::rootfs
