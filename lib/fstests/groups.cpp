// SPDX-License-Identifier: Apache-2.0
#include "fstests/groups.hpp"

#include <algorithm>
#include <array>

#include <fnmatch.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "fstests/check_output.hpp"

namespace slipway::fstests {
namespace {

// Folders besides generic/ that check looks for groups in.
std::string folder_of(std::string_view fstype) {
    return fstype == "ext2" || fstype == "ext3" ? "ext4" : std::string(fstype);
}

std::string_view folder_in(std::string_view test) {
    return test.substr(0, test.find('/'));
}

bool is_for(std::string_view test, std::string_view fstype) {
    auto folder = folder_in(test);
    return fstype.empty() || folder == "generic" || folder == folder_of(fstype);
}

// "quick" of generic/ and FSTYPE/, "xfs/quick" of xfs/ alone.
Result<std::set<std::string>> tests_of_group(const Suite& suite, const std::string& group,
                                             std::string_view fstype) {
    auto slash = group.find('/');
    auto folder = slash == std::string::npos ? "" : group.substr(0, slash);
    auto name = slash == std::string::npos ? group : group.substr(slash + 1);
    std::set<std::string> found;
    for (const auto& [test, groups] : suite) {
        bool in_place = folder.empty() ? is_for(test, fstype) : folder_in(test) == folder;
        if (in_place && (name == "all" || groups.contains(name)))
            found.insert(test);
    }
    if (found.empty())
        return fail(Code::NotFound, fmt::format("no test for {} is in a group {}", fstype, group),
                    "`slipway fstests groups` lists them");
    return found;
}

Result<std::set<std::string>> tests_named(const Suite& suite, const std::string& pattern) {
    auto name = pattern.starts_with("tests/") ? pattern.substr(6) : pattern;
    std::set<std::string> found;
    for (const auto& [test, groups] : suite)
        if (::fnmatch(name.c_str(), test.c_str(), FNM_PATHNAME) == 0)
            found.insert(test);
    if (found.empty())
        return fail(Code::NotFound, fmt::format("there is no test {}", pattern),
                    "a test is named FOLDER/NUMBER, such as generic/001; * and ? stand for others");
    return found;
}

void add_words(std::vector<std::string>& words, std::string_view list) {
    for (auto part : split(list, ','))
        for (auto word : split_words(part))
            words.emplace_back(word);
}

} // namespace

void add_group_list(Suite& suite, std::string_view folder, std::string_view text) {
    for (auto line : split_lines(text)) {
        auto words = split_words(line.substr(0, line.find('#')));
        if (words.empty())
            continue;
        auto name = fmt::format("{}/{}", folder, words.front());
        if (test_name_in(name) != name)
            continue;
        suite[name].insert(words.begin() + 1, words.end());
    }
}

void add_test(Suite& suite, std::string_view folder, std::string_view name, std::string_view text) {
    auto full = fmt::format("{}/{}", folder, name);
    if (test_name_in(full) != full)
        return;
    for (auto line : split_lines(text)) {
        auto words = split_words(line.substr(0, line.find('#')));
        if (!words.empty() && words.front() == "_begin_fstest") {
            suite[full].insert(words.begin() + 1, words.end());
            return;
        }
    }
}

Result<Selection> parse_selection(const std::vector<std::string>& words) {
    Selection selection;
    const std::array<std::pair<std::string_view, std::vector<std::string>*>, 4> options{
        {{"-g", &selection.groups},
         {"-x", &selection.without_groups},
         {"-e", &selection.expunged},
         {"-E", &selection.expunge_files}}};
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto& word = words[i];
        if (!word.starts_with('-')) {
            add_words(selection.tests, word);
            continue;
        }
        auto found = std::find_if(options.begin(), options.end(),
                                  [&word](const auto& option) { return option.first == word; });
        if (found == options.end())
            return fail(Code::InvalidArgument, fmt::format("'{}' selects no tests", word),
                        "use -g GROUPS, -x GROUPS, -e TESTS, -E FILE and names of tests");
        if (++i == words.size())
            return fail(Code::InvalidArgument, fmt::format("something must follow {}", word));
        if (word == "-E")
            selection.expunge_files.push_back(words[i]);
        else
            add_words(*found->second, words[i]);
    }
    return selection;
}

std::vector<std::string> parse_expunged(std::string_view text) {
    std::vector<std::string> tests;
    for (auto line : split_lines(text)) {
        auto words = split_words(line.substr(0, line.find('#')));
        if (!words.empty())
            tests.emplace_back(words.front());
    }
    return tests;
}

Result<Selected> select(const Suite& suite, const Selection& selection, std::string_view fstype) {
    std::set<std::string> tests;
    for (const auto& pattern : selection.tests) {
        SLIPWAY_TRY(auto found, tests_named(suite, pattern));
        tests.merge(found);
    }
    auto groups = selection.groups;
    if (groups.empty() && selection.tests.empty())
        groups = {"auto"};
    for (const auto& group : groups) {
        SLIPWAY_TRY(auto found, tests_of_group(suite, group, fstype));
        tests.merge(found);
    }
    // check goes on where a group that is excluded is not there.
    for (const auto& group : selection.without_groups)
        if (auto found = tests_of_group(suite, group, fstype))
            for (const auto& test : *found)
                tests.erase(test);
    std::set<std::string> expunged(selection.expunged.begin(), selection.expunged.end());
    Selected selected;
    for (const auto& test : tests)
        (expunged.contains(test) ? selected.expunged : selected.tests).push_back(test);
    return selected;
}

std::vector<Group> groups_of(const Suite& suite, std::string_view fstype) {
    std::map<std::string, std::size_t> counts;
    for (const auto& [test, groups] : suite)
        if (is_for(test, fstype))
            for (const auto& group : groups)
                ++counts[group];
    std::vector<Group> found;
    for (const auto& [name, tests] : counts)
        found.push_back({name, tests});
    return found;
}

std::size_t count_tests(const Suite& suite, std::string_view fstype) {
    return static_cast<std::size_t>(
        std::count_if(suite.begin(), suite.end(),
                      [fstype](const auto& test) { return is_for(test.first, fstype); }));
}

} // namespace slipway::fstests
