// SPDX-License-Identifier: Apache-2.0
// The tests of a suite, their groups, and what a user selects of them. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace slipway::fstests {

/// The groups of each test: "generic/001" → {"auto", "quick", …}.
using Suite = std::map<std::string, std::set<std::string>>;

/// Reads a group.list, which the build of fstests makes in each folder of tests/.
void add_group_list(Suite& suite, std::string_view folder, std::string_view text);
/// Reads the groups of a test from its own text (`_begin_fstest auto quick`), for folders without
/// a group.list.
void add_test(Suite& suite, std::string_view folder, std::string_view name, std::string_view text);

/// What a user asks for, as the options of check: -g GROUPS, -x GROUPS, -e TESTS, -E FILE (by its
/// text), and names or patterns of tests.
struct Selection {
    std::vector<std::string> groups{};         ///< "quick", "xfs/quick", "all"
    std::vector<std::string> without_groups{}; ///< -x
    std::vector<std::string> tests{};          ///< "generic/001", "generic/*"
    std::vector<std::string> expunged{};       ///< -e, -E: names
    std::vector<std::string> expunge_files{};  ///< -E, not yet read
};
/// InvalidArgument for an option that is none of these.
[[nodiscard]] Result<Selection> parse_selection(const std::vector<std::string>& words);
/// The names in an exclude file: a test in each line, comments from # on.
[[nodiscard]] std::vector<std::string> parse_expunged(std::string_view text);

struct Selected {
    std::vector<std::string> tests;    ///< to be run, in check's order
    std::vector<std::string> expunged; ///< selected, but excluded by name
};
/// As check does for this type of file system: groups are looked for in generic/ and FSTYPE/ (ext4/
/// for ext2 and ext3). Without tests and groups the group auto is taken. NotFound for a group or
/// test that is not there.
[[nodiscard]] Result<Selected> select(const Suite& suite, const Selection& selection,
                                      std::string_view fstype);

struct Group {
    std::string name;
    std::size_t tests = 0;
};
/// Groups of generic/ and FSTYPE/ ("": of all folders) with the number of their tests, by name.
[[nodiscard]] std::vector<Group> groups_of(const Suite& suite, std::string_view fstype);

/// How many tests there are of these folders.
[[nodiscard]] std::size_t count_tests(const Suite& suite, std::string_view fstype);

} // namespace slipway::fstests
