// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"
#include "rootfs/mirror.hpp"
#include "rootfs/task.hpp"

namespace slipway::ops {
namespace {

// The profile to compare with: the one named, or the shipped one of that name.
Result<std::optional<rootfs::Profile>> expected_profile(const std::string& named,
                                                        const rootfs::Manifest& manifest) {
    auto plain = rootfs::plain_profile(manifest);
    if (named.empty() && !rootfs::shipped_profile(plain.name))
        return std::optional<rootfs::Profile>{};
    SLIPWAY_TRY(auto profile, load_profile(named.empty() ? plain.name : named));
    for (const auto& package : manifest.added_packages)
        profile.packages.push_back(package);
    return std::optional(std::move(profile));
}

// What is remembered of the mirror; nobody is asked.
long known_snapshot(const sys::Host& host, const rootfs::Manifest& manifest) {
    auto cache = rootfs::Cache::open();
    if (!cache)
        return 0;
    auto found = rootfs::find_source(host, *cache, manifest.profile,
                                     {.suite = manifest.suite, .offline = true});
    return found ? found->source.snapshot : 0;
}

std::string remedy_for(const std::string& path, const CheckRootfsRequest& request,
                       const std::optional<rootfs::Manifest>& manifest) {
    auto directory = default_root_directory();
    bool standard = directory && dirname_of(path) == *directory;
    std::string command = "slipway rootfs create";
    command += standard ? fmt::format(" {}", basename_of(path))
                        : fmt::format(" --path {}", shell_quote(path));
    if (!request.profile.empty())
        command += fmt::format(" --profile {}", shell_quote(request.profile));
    else {
        auto profile = manifest ? manifest->profile.name : std::string(basename_of(path));
        command +=
            fmt::format(" --profile {}", rootfs::shipped_profile(profile) ? profile : "PROFILE");
    }
    if (manifest) {
        command += fmt::format(" --release {}", manifest->suite);
        if (!manifest->added_packages.empty())
            command += fmt::format(" --packages {}", join(manifest->added_packages, ","));
        return command + " --force";
    }
    return fmt::format("slipway rootfs delete {} --force; {}",
                       standard ? std::string(basename_of(path)) : shell_quote(path), command);
}

} // namespace

Judgement judge_root(const rootfs::Facts& facts, const std::optional<rootfs::Profile>& expected,
                     long snapshot) {
    if (!facts.manifest || !facts.unusable.empty()) {
        auto problems = facts.unusable;
        if (!facts.manifest)
            problems.insert(problems.begin(), render_line(facts.manifest_error));
        return {RootState::Broken, problems};
    }
    if (!facts.missing.empty())
        return {RootState::Partial, facts.missing};
    const auto& manifest = *facts.manifest;
    Judgement judgement{.state = RootState::Ready};
    if (manifest.recipe != rootfs::recipe_version)
        judgement.problems.push_back(fmt::format("it was made by recipe {}, now it is {}",
                                                 manifest.recipe, rootfs::recipe_version));
    if (expected && hash_of(*expected) != hash_of(manifest.profile))
        judgement.problems.push_back(
            fmt::format("the profile {} has changed since", manifest.profile.name));
    if (snapshot > manifest.snapshot)
        judgement.problems.push_back(fmt::format("the mirror has packages of {}, the root of {}",
                                                 rootfs::iso_date(snapshot),
                                                 rootfs::iso_date(manifest.snapshot)));
    if (!judgement.problems.empty())
        judgement.state = RootState::Stale;
    return judgement;
}

Result<CheckRootfsResult> check_rootfs(const Context& context, const CheckRootfsRequest& request) {
    SLIPWAY_TRY(auto path, root_path(request.root));
    auto marked = root_manifest(path);
    bool named = request.root.find('/') == std::string::npos;
    // What stands under a name of ours was a root once.
    if (!marked && marked.error().code != Code::Corrupt &&
        !(named && marked.error().code == Code::InvalidArgument))
        return fail(std::move(marked).error());
    SLIPWAY_TRY(auto own, enter_own_namespace(context));
    SLIPWAY_TRY(auto facts, rootfs::look_by_worker(own.host, path));
    std::optional<rootfs::Profile> expected;
    long snapshot = 0;
    CheckRootfsResult result;
    result.root = {.name = std::string(basename_of(path)), .path = path};
    if (facts.manifest) {
        SLIPWAY_TRY(expected, expected_profile(request.profile, *facts.manifest));
        snapshot = known_snapshot(context.host, *facts.manifest);
        result.root = describe_root(path, *facts.manifest);
    }
    auto judgement = judge_root(facts, expected, snapshot);
    result.state = judgement.state;
    result.problems = std::move(judgement.problems);
    result.root.size = facts.size;
    if (!facts.release.empty())
        result.root.release = facts.release;
    if (result.state != RootState::Ready)
        result.remedy = remedy_for(path, request, facts.manifest);
    return result;
}

} // namespace slipway::ops
