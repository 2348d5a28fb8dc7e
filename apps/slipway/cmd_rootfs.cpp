// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/strings.hpp"
#include "invocation.hpp"
#include "ops/rootfs.hpp"

namespace slipway::app {
namespace {

// Each verb below `rootfs`: options, then what it does.
CLI::App* add_verb(CLI::App& parent, Invocation& invocation, const char* name, const char* help) {
    auto* verb = parent.add_subcommand(name, help);
    add_output_options(*verb, invocation);
    return verb;
}

// Names and releases may come from a root that a test ran in.
Status print(Invocation& invocation, const Json& json, const std::string& text) {
    if (invocation.json)
        return invocation.terminal.out(render_json_pretty(json) + "\n");
    return invocation.terminal.out(printable(text));
}

std::string users_of(const ops::TestRoot& root) {
    std::vector<std::string> names;
    for (const auto& user : root.users)
        names.push_back(user.name);
    return names.empty() ? "none" : join(names, ", ");
}

std::string facts_text(const ops::TestRoot& root) {
    return fmt::format("Size: {}\nRelease: {} ({})\nTest users: {}\n", format_size(root.size),
                       root.suite, root.release, users_of(root));
}

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
                            format_seconds(seconds_since(start)), how, facts_text(result.root));
    SLIPWAY_CHECK(print(invocation, ops::to_json(result), text));
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
    text += "\n" + facts_text(root);
    if (!result.remedy.empty())
        text += fmt::format("\ntry: {}\n", result.remedy);
    SLIPWAY_CHECK(print(invocation, ops::to_json(result), text));
    constexpr int stale = 1, not_usable = 4;
    return result.state == ops::RootState::Ready   ? 0
           : result.state == ops::RootState::Stale ? stale
                                                   : not_usable;
}

Result<int> list(Invocation& invocation) {
    SLIPWAY_TRY(auto list, ops::list_rootfs());
    std::string text;
    for (const auto& root : list.roots)
        text += fmt::format("{:<16} {:<12} {:<10} {}  {}\n", root.name, root.profile, root.suite,
                            root.created, root.path);
    SLIPWAY_CHECK(print(invocation, ops::to_json(list), text));
    return 0;
}

Result<int> remove(Invocation& invocation, const ops::DeleteRootfsRequest& request, bool cache) {
    if (request.root.empty() != cache)
        return fail(Code::InvalidArgument, "name a root, or --cache");
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto path, cache ? ops::clear_rootfs_cache(context)
                                 : ops::delete_rootfs(context, request));
    SLIPWAY_CHECK(
        print(invocation, {{"deleted", path}}, fmt::format("deleted {}\n", path)));
    return 0;
}

Result<int> print_profile(Invocation& invocation, const std::string& name) {
    if (name.empty()) {
        auto names = ops::rootfs_profiles();
        SLIPWAY_CHECK(print(invocation, {{"profiles", names}}, join(names, "\n") + "\n"));
        return 0;
    }
    SLIPWAY_TRY(auto text, ops::rootfs_profile(name));
    SLIPWAY_CHECK(print(invocation, {{"name", name}, {"toml", text}}, text));
    return 0;
}

void declare_create(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_verb(rootfs, invocation, "create", "Make a test root");
    auto request = std::make_shared<ops::CreateRootfsRequest>();
    auto format = std::make_shared<std::string>("dir");
    verb->add_option("NAME", request->name, "Name of the root; the profile's without it");
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
    auto* verb = add_verb(rootfs, invocation, "check", "Say whether a root is ready");
    auto request = std::make_shared<ops::CheckRootfsRequest>();
    verb->add_option("ROOT", request->root, "Name, or path with a slash")->capture_default_str();
    verb->add_option("--profile", request->profile, "Profile to compare it with");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request] { return check(invocation, *request); };
    });
}

void declare_delete(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_verb(rootfs, invocation, "delete", "Delete a root, or the cache");
    auto request = std::make_shared<ops::DeleteRootfsRequest>();
    auto cache = std::make_shared<bool>(false);
    verb->add_option("ROOT", request->root, "Name, or path with a slash");
    verb->add_flag("--force", request->force, "By name: also what has lost its manifest");
    verb->add_flag("--cache", *cache, "The cache of layers and packages instead of a root");
    verb->callback([&invocation, request, cache] {
        invocation.action = [&invocation, request, cache] {
            return remove(invocation, *request, *cache);
        };
    });
}

void declare_export(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_verb(rootfs, invocation, "export", "Pack a root, with a checksum beside it");
    auto request = std::make_shared<ops::ExportRootfsRequest>();
    verb->add_option("ROOT", request->root, "Name, or path with a slash")->required();
    verb->add_option("FILE", request->file, ".tar, .tar.zst, .tar.xz or .tar.gz")->required();
    verb->add_flag("--force", request->force, "Replace the files");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto result, ops::export_rootfs(context, *request));
            SLIPWAY_CHECK(print(invocation, ops::to_json(result),
                                fmt::format("{}  {} ({})\n", result.sha256, result.file,
                                            format_size(result.size))));
            return 0;
        };
    });
}

void declare_import(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_verb(rootfs, invocation, "import", "Unpack an exported root");
    auto request = std::make_shared<ops::ImportRootfsRequest>();
    verb->add_option("FILE", request->file, "What `rootfs export` wrote")->required();
    verb->add_option("NAME", request->name, "Name of the root; the file's without it");
    verb->add_option("--path", request->path, "Directory to make");
    verb->add_option("--sha256", request->sha256, "Checksum, instead of that in FILE.sha256");
    verb->add_flag("--force", request->force, "Replace a root that is there");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto root, ops::import_rootfs(context, *request));
            SLIPWAY_CHECK(print(invocation, ops::to_json(root),
                                fmt::format("✓ {}\n\n{}", root.path, facts_text(root))));
            return 0;
        };
    });
}

} // namespace

void declare_rootfs(CLI::App& app, Invocation& invocation) {
    auto* rootfs = app.add_subcommand("rootfs", "Make, check and delete roots for kernel tests");
    rootfs->require_subcommand(1);
    declare_create(*rootfs, invocation);
    declare_check(*rootfs, invocation);
    declare_delete(*rootfs, invocation);
    auto* all = add_verb(*rootfs, invocation, "list", "Tell of the roots that there are");
    all->callback([&invocation] { invocation.action = [&invocation] { return list(invocation); }; });
    declare_export(*rootfs, invocation);
    declare_import(*rootfs, invocation);
    auto* profile = add_verb(*rootfs, invocation, "profile", "Print a profile that comes along");
    auto name = std::make_shared<std::string>();
    profile->add_option("NAME", *name, "fstests, minimal or selftests; a list without it");
    profile->callback([&invocation, name] {
        invocation.action = [&invocation, name] { return print_profile(invocation, *name); };
    });
}

} // namespace slipway::app
