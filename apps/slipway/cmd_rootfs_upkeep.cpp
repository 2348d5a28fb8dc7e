// SPDX-License-Identifier: Apache-2.0
// slipway rootfs: delete, list, export, import and profile.
#include <fmt/format.h>

#include "base/strings.hpp"
#include "cmd_rootfs.hpp"

namespace slipway::app {
namespace {

std::string users_of(const ops::TestRoot& root) {
    std::vector<std::string> names;
    for (const auto& user : root.users)
        names.push_back(user.name);
    return names.empty() ? "none" : join(names, ", ");
}

Result<int> list(Invocation& invocation) {
    SLIPWAY_TRY(auto list, ops::list_rootfs());
    std::string text;
    for (const auto& root : list.roots)
        text += fmt::format("{:<16} {:<12} {:<10} {}  {}\n", root.name, root.profile, root.suite,
                            root.created, root.path);
    for (const auto& name : list.broken)
        text += fmt::format("{:<16} broken: `slipway rootfs check {}` says how\n", printable(name),
                            shell_quote(name));
    SLIPWAY_CHECK(print_rootfs(invocation, ops::to_json(list), text));
    return 0;
}

Result<int> remove(Invocation& invocation, const ops::DeleteRootfsRequest& request, bool cache) {
    if (request.root.empty() != cache)
        return fail(Code::InvalidArgument, "name a root, or --cache");
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto path,
                cache ? ops::clear_rootfs_cache(context) : ops::delete_rootfs(context, request));
    SLIPWAY_CHECK(tell_rootfs(invocation, {{"deleted", path}}, fmt::format("deleted {}\n", path)));
    return 0;
}

Result<int> print_profile(Invocation& invocation, const std::string& name) {
    if (name.empty()) {
        auto names = ops::rootfs_profiles();
        SLIPWAY_CHECK(print_rootfs(invocation, {{"profiles", names}}, join(names, "\n") + "\n"));
        return 0;
    }
    SLIPWAY_TRY(auto text, ops::rootfs_profile(name));
    SLIPWAY_CHECK(print_rootfs(invocation, {{"name", name}, {"toml", text}}, text));
    return 0;
}

void declare_delete(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_rootfs_verb(rootfs, invocation, "delete", "Delete a root, or the cache");
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
    auto* verb =
        add_rootfs_verb(rootfs, invocation, "export", "Pack a root, with a checksum beside it");
    auto request = std::make_shared<ops::ExportRootfsRequest>();
    verb->add_option("ROOT", request->root, "Name, or path with a slash")->required();
    verb->add_option("FILE", request->file, ".tar, .tar.zst, .tar.xz or .tar.gz")->required();
    verb->add_flag("--force", request->force, "Replace the files");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto result, ops::export_rootfs(context, *request));
            SLIPWAY_CHECK(tell_rootfs(invocation, ops::to_json(result),
                                      fmt::format("{}  {} ({})\n", result.sha256, result.file,
                                                  format_size(result.size))));
            return 0;
        };
    });
}

void declare_import(CLI::App& rootfs, Invocation& invocation) {
    auto* verb = add_rootfs_verb(rootfs, invocation, "import", "Unpack an exported root");
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
            SLIPWAY_CHECK(tell_rootfs(invocation, ops::to_json(root),
                                      fmt::format("✓ {}\n\n{}", root.path, rootfs_facts(root))));
            return 0;
        };
    });
}

} // namespace

CLI::App* add_rootfs_verb(CLI::App& rootfs, Invocation& invocation, const char* name,
                          const char* help) {
    auto* verb = rootfs.add_subcommand(name, help);
    add_output_options(*verb, invocation);
    return verb;
}

// Names and releases may come from a root that a test ran in.
Status print_rootfs(Invocation& invocation, const Json& json, const std::string& text) {
    if (invocation.json)
        return invocation.terminal.out(render_json_pretty(json) + "\n");
    return invocation.terminal.out(printable(text));
}

Status tell_rootfs(Invocation& invocation, const Json& json, const std::string& text) {
    return invocation.quiet && !invocation.json ? Status{} : print_rootfs(invocation, json, text);
}

std::string rootfs_facts(const ops::TestRoot& root) {
    return fmt::format("Size: {}\nRelease: {}\nTest users: {}\n", format_size(root.size),
                       ops::release_of(root), users_of(root));
}

void declare_rootfs_upkeep(CLI::App& rootfs, Invocation& invocation) {
    declare_delete(rootfs, invocation);
    auto* all = add_rootfs_verb(rootfs, invocation, "list", "Tell of the roots that there are");
    all->callback(
        [&invocation] { invocation.action = [&invocation] { return list(invocation); }; });
    declare_export(rootfs, invocation);
    declare_import(rootfs, invocation);
    auto* profile =
        add_rootfs_verb(rootfs, invocation, "profile", "Print a profile that comes along");
    auto name = std::make_shared<std::string>();
    profile->add_option("NAME", *name, "fstests, minimal or selftests; a list without it");
    profile->callback([&invocation, name] {
        invocation.action = [&invocation, name] { return print_profile(invocation, *name); };
    });
}

} // namespace slipway::app
