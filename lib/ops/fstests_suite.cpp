// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests_suite.hpp"

#include <algorithm>
#include <filesystem>

#include <dirent.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/fstests_job.hpp"
#include "sys/root_dir.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t largest_test = 1 << 20;

bool is_there(const std::string& directory, const char* name, int mode) {
    return ::access(fmt::format("{}/{}", directory, name).c_str(), mode) == 0;
}

Status read_folder(fstests::Suite& suite, const sys::RootDir& root, const std::string& folder) {
    auto at = sys::GuestPath("/tests") / folder;
    if (auto list = root.read(at / "group.list", largest_test)) {
        fstests::add_group_list(suite, folder, *list);
        return {};
    }
    SLIPWAY_TRY(auto entries, root.list(at));
    for (const auto& entry : entries)
        if (entry.type == DT_REG && entry.name.find('.') == std::string::npos)
            if (auto text = root.read(at / entry.name, largest_test))
                fstests::add_test(suite, folder, entry.name, *text);
    return {};
}

} // namespace

Result<std::string> find_suite(const std::string& directory) {
    std::error_code failed;
    auto path = std::filesystem::canonical(directory, failed).string();
    if (failed)
        return fail_errno(fmt::format("looking at {}", directory), failed.value());
    if (!is_there(path, "check", X_OK) || !is_there(path, "tests", R_OK | X_OK))
        return fail(Code::NotFound,
                    fmt::format("{} is no fstests: it has no check or no tests", path),
                    "give the directory of a built fstests with --fstests");
    return path;
}

Status check_built(const std::string& directory) {
    if (is_there(directory, "ltp", R_OK) && !is_there(directory, "ltp/fsstress", X_OK))
        return fail(
            Code::NotFound, fmt::format("the fstests in {} is not built", directory),
            fmt::format("`slipway fstests setup --fstests {}` says what is missing", directory));
    return {};
}

Result<fstests::Suite> read_suite(const std::string& directory) {
    SLIPWAY_TRY(auto root, sys::RootDir::open(directory));
    SLIPWAY_TRY(auto folders, root.list(sys::GuestPath("/tests")));
    fstests::Suite suite;
    for (const auto& folder : folders)
        if (root.is_dir(sys::GuestPath("/tests") / folder.name))
            SLIPWAY_CHECK(read_folder(suite, root, folder.name));
    if (suite.empty())
        return fail(Code::NotFound, fmt::format("there are no tests in {}/tests", directory));
    return suite;
}

Result<FstestsGroups> fstests_groups(const std::string& fstests, const std::string& fstype) {
    if (!fstype.empty())
        SLIPWAY_CHECK(check_fstype(fstype));
    SLIPWAY_TRY(auto path, find_suite(fstests));
    SLIPWAY_TRY(auto suite, read_suite(path));
    FstestsGroups found{.fstests = path, .fstype = fstype};
    found.groups = fstests::groups_of(suite, fstype);
    found.tests = fstests::count_tests(suite, fstype);
    return found;
}

Json to_json(const FstestsGroups& groups) {
    Json json{{"schema", "slipway.fstests-groups.v1"},
              {"fstests", groups.fstests},
              {"fstype", groups.fstype},
              {"tests", groups.tests},
              {"groups", Json::array()}};
    for (const auto& group : groups.groups)
        json["groups"].push_back({{"name", group.name}, {"tests", group.tests}});
    return json;
}

std::string render_text(const FstestsGroups& groups) {
    std::string text;
    for (const auto& group : groups.groups)
        text += fmt::format("{:<22} {:>5}\n", group.name, group.tests);
    return text + fmt::format("{:<22} {:>5}\n", "all", groups.tests);
}

} // namespace slipway::ops
