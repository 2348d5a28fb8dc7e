// SPDX-License-Identifier: Apache-2.0
// Whole plans of guests of several distributions; see tests/fixtures/repair/README.md.
// SLIPWAY_ACCEPT=1 writes what comes out as what is expected.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "repair/repair.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

namespace fs = std::filesystem;

const fs::path fixtures = fs::path(SLIPWAY_SOURCE_DIR) / "tests/fixtures/repair";

std::string read_file(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

std::map<std::string, std::string> read_tree(const fs::path& top) {
    std::map<std::string, std::string> files;
    if (fs::exists(top))
        for (const auto& entry : fs::recursive_directory_iterator(top))
            if (entry.is_regular_file())
                files["/" + entry.path().lexically_relative(top).string()] =
                    read_file(entry.path());
    return files;
}

void write_file(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

report::Inventory read_guest(const fs::path& directory) {
    auto json = parse_json(read_file(directory / "inventory.json"), "inventory.json");
    EXPECT_TRUE(json);
    auto guest = report::inventory_from_json(*json);
    guest.files = read_tree(directory / "files");
    if (guest.file("/etc/fstab") != nullptr)
        test::set_fstab(guest, guest.files["/etc/fstab"]);
    return guest;
}

report::Policy read_policy(const fs::path& directory) {
    auto path = directory / "policy.json";
    return fs::exists(path) ? report::policy_from_json(*parse_json(read_file(path), "policy.json"))
                            : report::Policy{};
}

/// What the plan leaves: its text, and every file that it writes.
std::map<std::string, std::string> render(const report::Plan& plan) {
    std::map<std::string, std::string> result{{"/plan.txt", report::render_text(plan)}};
    for (const auto& action : plan.actions)
        if (action.kind == report::ActionKind::WriteFile)
            result["/files" + action.path] = action.content;
    return result;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, PlanAndFilesAreAsAccepted) {
    auto directory = fixtures / GetParam();
    auto actual = render(plan_all(read_guest(directory), read_policy(directory)));
    if (std::getenv("SLIPWAY_ACCEPT") != nullptr) {
        fs::remove_all(directory / "expected");
        for (const auto& [path, text] : actual)
            write_file(directory / "expected" / path.substr(1), text);
    }
    EXPECT_EQ(actual, read_tree(directory / "expected"));
}

TEST_P(Golden, EachFileIsWrittenOnce) {
    auto directory = fixtures / GetParam();
    std::map<std::string, int> writes;
    for (const auto& action : plan_all(read_guest(directory), read_policy(directory)).actions)
        if (action.kind == report::ActionKind::WriteFile) {
            EXPECT_EQ(++writes[action.path], 1) << action.path;
        }
}

TEST_P(Golden, Trap7_SecondRunChangesNoText) {
    auto directory = fixtures / GetParam();
    auto guest = read_guest(directory);
    auto policy = read_policy(directory);
    for (const auto& action : plan_all(guest, policy).actions) {
        if (action.kind == report::ActionKind::WriteFile)
            guest.files[action.path] = action.content;
        else if (action.kind == report::ActionKind::RemoveFile)
            guest.files.erase(action.path);
    }
    if (guest.file("/etc/fstab") != nullptr)
        test::set_fstab(guest, guest.files["/etc/fstab"]);
    for (auto& kernel : guest.kernels) {
        kernel.virtio_in_initramfs = true;
        kernel.missing_modules.clear();
    }
    for (const auto& action : plan_all(guest, policy).actions)
        EXPECT_TRUE(action.kind == report::ActionKind::RunTool ||
                    action.path.ends_with("zz-slipway-modules"))
            << report::render_text(action);
}

std::vector<std::string> cases() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(fixtures))
        if (entry.is_directory())
            names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
    auto name = info.param;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Guests, Golden, testing::ValuesIn(cases()), test_name);

} // namespace
} // namespace slipway::repair
