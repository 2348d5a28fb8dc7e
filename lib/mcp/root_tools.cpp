// SPDX-License-Identifier: Apache-2.0
// create_test_rootfs, check_test_rootfs, delete_test_rootfs, list_test_rootfs.
#include <fmt/format.h>

#include "base/strings.hpp"
#include "mcp/tools.hpp"
#include "ops/rootfs.hpp"

namespace slipway::mcp {
namespace {

constexpr const char* default_root = "fstests";

bool is_path(const std::string& name_or_path) {
    return name_or_path.find('/') != std::string::npos;
}

struct UserRecord {
    std::string name;
    unsigned uid = 0;
    unsigned gid = 0;
    std::vector<std::string> groups{};
    static Shape<UserRecord> shape() {
        using R = UserRecord;
        return Shape<R>()
            .add("name", &R::name, "Login name")
            .add("uid", &R::uid, "User id")
            .add("gid", &R::gid, "Id of the main group")
            .add("groups", &R::groups, "Other groups");
    }
};

struct RootRecord {
    std::string name;
    std::string path;
    std::string profile;
    std::string suite;
    std::string release;
    std::uint64_t size = 0;
    std::string created;
    std::vector<UserRecord> users{};
    static Shape<RootRecord> shape() {
        using R = RootRecord;
        return Shape<R>()
            .add("name", &R::name, "Name of its directory")
            .add("path", &R::path, "Where it stands")
            .add("profile", &R::profile, "What it was made from")
            .add("suite", &R::suite, "Such as bookworm or jammy")
            .add("release", &R::release, "Name of its operating system")
            .add("size", &R::size, "Bytes on the disk; 0: not measured")
            .add("created", &R::created, "When, UTC")
            .add("users", &R::users, "Users that its profile asked for");
    }
};

RootRecord record_of(const ops::TestRoot& root) {
    RootRecord record{.name = root.name,
                      .path = root.path,
                      .profile = root.profile,
                      .suite = root.suite,
                      .release = root.release,
                      .size = root.size,
                      .created = root.created};
    for (const auto& user : root.users)
        record.users.push_back({user.name, user.uid, user.gid, user.groups});
    return record;
}

std::string facts_of(const ops::TestRoot& root) {
    std::vector<std::string> users;
    for (const auto& user : root.users)
        users.push_back(user.name);
    return printable(fmt::format("Size: {}\nRelease: {}\nTest users: {}\n",
                                 root.size == 0 ? "not measured" : format_size(root.size),
                                 ops::release_of(root),
                                 users.empty() ? "none" : join(users, ", ")));
}

struct CreateArguments : Waiting {
    std::string rootfs_path{};
    std::string ubuntu_release{};
    bool force = false;
    std::string profile = default_root;
    std::vector<std::string> packages{};
    std::string mirror{};
    std::string keyring{};
    static Shape<CreateArguments> shape() {
        using A = CreateArguments;
        return Shape<A>()
            .add("rootfs_path", &A::rootfs_path,
                 "Directory to make, or a name (no slash) in the default place; empty: the "
                 "profile's name",
                 {.is_path = true})
            .add("ubuntu_release", &A::ubuntu_release,
                 "Release of Ubuntu or Debian, such as jammy, noble or bookworm; empty: the "
                 "profile's, or else this host's")
            .add("force", &A::force, "Replace a root that is there")
            .add("profile", &A::profile, "fstests, minimal, selftests, or the path of a TOML file",
                 {.is_path = true})
            .add("packages", &A::packages, "Packages beside the profile's")
            .add("mirror", &A::mirror,
                 "URL of the archive; empty: the host's, or the distribution's")
            .add("keyring", &A::keyring, "File with the archive's keys; empty: the distribution's",
                 {.is_path = true})
            .with(Waiting::shape());
    }
};

struct CreatedRecord {
    RootRecord root{};
    bool packages_installed = false;
    std::vector<std::string> notes{};
    std::map<std::string, double> timings{};
    static Shape<CreatedRecord> shape() {
        using R = CreatedRecord;
        return Shape<R>()
            .add("root", &R::root, "The new root")
            .add("packages_installed", &R::packages_installed,
                 "Packages were installed; otherwise they came from the cache")
            .add("notes", &R::notes, "What else there is to know")
            .add("timings", &R::timings, "Seconds by step");
    }
};

Result<Told<CreatedRecord>> create(Job& job, const CreateArguments& arguments) {
    SLIPWAY_TRY(auto context, job.context());
    ops::CreateRootfsRequest request{.profile = arguments.profile,
                                     .release = arguments.ubuntu_release,
                                     .mirror = arguments.mirror,
                                     .keyring = arguments.keyring,
                                     .packages = arguments.packages,
                                     .force = arguments.force};
    (is_path(arguments.rootfs_path) ? request.path : request.name) = arguments.rootfs_path;
    SLIPWAY_TRY(auto result, ops::create_rootfs(context, request));
    job.add("report", render_json_pretty(ops::to_json(result)) + "\n");
    Told<CreatedRecord> told{.record = {.root = record_of(result.root),
                                        .packages_installed = result.base_built,
                                        .notes = result.notes,
                                        .timings = result.timings}};
    told.text = fmt::format("✓ {}\n\n{}", result.root.path, facts_of(result.root));
    for (const auto& note : result.notes)
        told.text += fmt::format("note: {}\n", printable(note));
    return told;
}

struct CheckArguments : Waiting {
    std::string rootfs_path = default_root;
    std::string profile{};
    static Shape<CheckArguments> shape() {
        using A = CheckArguments;
        return Shape<A>()
            .add("rootfs_path", &A::rootfs_path, "Name of a root, or its path (with a slash)",
                 {.is_path = true})
            .add("profile", &A::profile, "To compare with; empty: the one that it was made from",
                 {.is_path = true})
            .with(Waiting::shape());
    }
};

struct CheckedRecord {
    std::string state;
    RootRecord root{};
    std::vector<std::string> problems{};
    std::string remedy;
    static Shape<CheckedRecord> shape() {
        using R = CheckedRecord;
        return Shape<R>()
            .add("state", &R::state,
                 "ready; stale: usable, but out of date; partial: it lacks what its profile asks "
                 "for; broken",
                 {.choices = {"ready", "stale", "partial", "broken"}})
            .add("root", &R::root, "The root")
            .add("problems", &R::problems, "What is missing or has changed")
            .add("remedy", &R::remedy, "The command that mends it; may be empty");
    }
};

Result<Told<CheckedRecord>> check(Job& job, const CheckArguments& arguments) {
    SLIPWAY_TRY(auto context, job.context());
    SLIPWAY_TRY(auto result, ops::check_rootfs(context, {.root = arguments.rootfs_path,
                                                         .profile = arguments.profile}));
    job.add("report", render_json_pretty(ops::to_json(result)) + "\n");
    bool ready = result.state == ops::RootState::Ready;
    Told<CheckedRecord> told{.record = {.state = std::string(ops::name_of(result.state)),
                                        .root = record_of(result.root),
                                        .problems = result.problems,
                                        .remedy = result.remedy}};
    told.text = ready ? fmt::format("✓ Rootfs is configured and ready at {}\n", result.root.path)
                      : fmt::format("✗ Rootfs at {} is {}\n", result.root.path, told.record.state);
    for (const auto& problem : result.problems)
        told.text += fmt::format("  {}\n", printable(problem));
    told.text += "\n" + facts_of(result.root);
    if (!result.remedy.empty())
        told.text += fmt::format("\ntry: {}\n", result.remedy);
    return told;
}

struct DeleteArguments : Waiting {
    std::string rootfs_path = default_root;
    bool force = false;
    static Shape<DeleteArguments> shape() {
        using A = DeleteArguments;
        return Shape<A>()
            .add("rootfs_path", &A::rootfs_path, "Name of a root, or its path (with a slash)",
                 {.is_path = true})
            .add("force", &A::force, "By name: also one whose marker is missing")
            .with(Waiting::shape());
    }
};

struct DeletedRecord {
    std::string deleted;
    static Shape<DeletedRecord> shape() {
        return Shape<DeletedRecord>().add("deleted", &DeletedRecord::deleted, "Path of the root");
    }
};

Result<Told<DeletedRecord>> remove(Job& job, const DeleteArguments& arguments) {
    SLIPWAY_TRY(auto context, job.context());
    SLIPWAY_TRY(auto path, ops::delete_rootfs(
                               context, {.root = arguments.rootfs_path, .force = arguments.force}));
    return Told<DeletedRecord>{fmt::format("deleted {}\n", path), {path}};
}

struct RootsRecord {
    std::string directory;
    std::vector<RootRecord> roots{};
    static Shape<RootsRecord> shape() {
        using R = RootsRecord;
        return Shape<R>()
            .add("directory", &R::directory, "The default place")
            .add("roots", &R::roots, "By name; sizes are not measured");
    }
};

Result<Told<RootsRecord>> list(Job&, const Waiting&) {
    SLIPWAY_TRY(auto list, ops::list_rootfs());
    Told<RootsRecord> told{.record = {.directory = list.directory}};
    for (const auto& root : list.roots) {
        told.record.roots.push_back(record_of(root));
        told.text += printable(
            fmt::format("{}: {}, {}, {}\n", root.name, root.profile, root.suite, root.path));
    }
    for (const auto& name : list.broken)
        told.text += printable(fmt::format("{}: broken, check_test_rootfs says how\n", name));
    if (told.text.empty())
        told.text = fmt::format("no test roots in {}\n", list.directory);
    return told;
}

} // namespace

void add_root_tools(Tools& tools) {
    tools.push_back(job_tool<CreateArguments, CreatedRecord>(
        {.name = "create_test_rootfs",
         .title = "Make a test root",
         .description = "Makes a root directory with packages and users for kernel tests, as an "
                        "ordinary user. A second one of the same profile comes from the cache.",
         .effect = Effect::Changes, // with `force`
         .repeatable = false,
         .uses_network = true},
        create));
    tools.push_back(job_tool<CheckArguments, CheckedRecord>(
        {"check_test_rootfs", "Check a test root", "Says whether a test root is ready."}, check));
    tools.push_back(job_tool<DeleteArguments, DeletedRecord>(
        {"delete_test_rootfs", "Delete a test root",
         "Deletes a test root. A directory that Slipway did not make is refused.", Effect::Changes},
        remove));
    tools.push_back(job_tool<Waiting, RootsRecord>(
        {"list_test_rootfs", "List test roots", "The test roots of the default place."}, list));
}

} // namespace slipway::mcp
