// SPDX-License-Identifier: Apache-2.0
// slipway rootfs: create and check.
#include <fmt/format.h>

#include "base/strings.hpp"
#include "cmd_rootfs.hpp"

namespace slipway::app {
namespace {

Result<int> create(Invocation& invocation, const ops::CreateRootfsRequest& request) {
    SLIPWAY_TRY(auto context, invocation.context());
    auto start = Clock::now();
    SLIPWAY_TRY(auto result, ops::create_rootfs(context, request));
    for (const auto& note : result.notes)
        context.host.log.info("note: {}", printable(note));
    auto how = result.base_built    ? "packages were installed"
               : result.layer_built ? "packages came from the cache, the profile is new"
                                    : "a copy from the cache";
    auto text = fmt::format("✓ {} in {}: {}\n\n{}", result.root.path,
                            format_seconds(seconds_since(start)), how, rootfs_facts(result.root));
    SLIPWAY_CHECK(tell_rootfs(invocation, ops::to_json(result), text));
    return 0;
}

Result<int> check(Invocation& invocation, const ops::CheckRootfsRequest& request) {
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto result, ops::check_rootfs(context, request));
    const auto& root = result.root;
    std::string text;
    switch (result.state) {
    case ops::RootState::Ready:
        text = fmt::format("✓ Rootfs is configured and ready at {}\n", root.path);
        break;
    case ops::RootState::Stale:
        text = fmt::format("! Rootfs at {} works, and is out of date\n", root.path);
        break;
    case ops::RootState::Partial:
        text = fmt::format("✗ Rootfs at {} lacks what its profile asks for\n", root.path);
        break;
    case ops::RootState::Broken:
        text = fmt::format("✗ Rootfs at {} is broken\n", root.path);
        break;
    }
    for (const auto& problem : result.problems)
        text += fmt::format("  {}\n", problem);
    text += "\n" + rootfs_facts(root);
    if (!result.remedy.empty())
        text += fmt::format("\ntry: {}\n", result.remedy);
    SLIPWAY_CHECK(print_rootfs(invocation, ops::to_json(result), text));
    constexpr int stale = 1, not_usable = 4;
    return result.state == ops::RootState::Ready   ? 0
           : result.state == ops::RootState::Stale ? stale
                                                   : not_usable;
}

void declare_create(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_rootfs_verb(rootfs, invocation, "create", "Make a test root");
    auto request = std::make_shared<ops::CreateRootfsRequest>();
    auto format = std::make_shared<std::string>("dir");
    verb->add_option("NAME", request->name, "Name of the root; the profile's without it")
        ->check([](const std::string& name) { return name.empty() ? "it is empty" : ""; });
    verb->add_option("--profile", request->profile, "fstests, minimal, selftests, or a TOML file")
        ->capture_default_str();
    verb->add_option("--release", request->release,
                     "Debian or Ubuntu release, such as bookworm or jammy; this host's without it");
    verb->add_option("--path", request->path, "Directory to make, or file with --format");
    verb->add_option("--mirror", request->mirror, "URL of the archive to install from");
    verb->add_option("--keyring", request->keyring, "File with the archive's keys");
    verb->add_option("--packages", request->packages, "Further packages: a,b")->delimiter(',');
    verb->add_option("--format", *format, "dir, tar, squashfs, erofs or qcow2")
        ->capture_default_str();
    verb->add_flag("--force", request->force, "Replace a root that is there");
    verb->add_flag("--refresh", request->refresh, "Ask the mirror what is new, not once a day");
    verb->callback([&invocation, request, format] {
        invocation.action = [&invocation, request, format]() -> Result<int> {
            SLIPWAY_TRY(request->format, ops::parse_root_format(*format));
            return create(invocation, *request);
        };
    });
}

void declare_check(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_rootfs_verb(rootfs, invocation, "check", "Say whether a root is ready");
    auto request = std::make_shared<ops::CheckRootfsRequest>();
    verb->add_option("ROOT", request->root, "Name, or path with a slash")->capture_default_str();
    verb->add_option("--profile", request->profile, "Profile to compare it with");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request] { return check(invocation, *request); };
    });
}

} // namespace

void declare_rootfs(CLI::App& app, Invocation& invocation) {
    auto* rootfs = app.add_subcommand("rootfs", "Make, check and delete roots for kernel tests");
    rootfs->require_subcommand(1);
    declare_create(*rootfs, invocation);
    declare_check(*rootfs, invocation);
    declare_rootfs_upkeep(*rootfs, invocation);
}

} // namespace slipway::app
