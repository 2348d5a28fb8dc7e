// SPDX-License-Identifier: Apache-2.0
// mdadm.conf: arrays are told by their UUID, from any partition, and not from devices by name.
// Format: mdadm.conf(5).
#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/command_line.hpp"
#include "mount/fstab.hpp"
#include "repair/device_names.hpp"
#include "repair/initramfs_files.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;
using report::Severity;

constexpr std::array paths{"/etc/mdadm/mdadm.conf", "/etc/mdadm.conf"};
constexpr std::string_view devices_is = "devices=";
constexpr auto remedy = "let mdadm look at all partitions: DEVICE partitions";

/// One statement; the words are pieces of the file's text, the keyword first.
struct Statement {
    int line_no = 0;
    std::vector<std::string_view> words;
};

// A line that begins with a space goes on with the statement before it.
std::vector<Statement> parse_statements(std::string_view text) {
    std::vector<Statement> statements;
    int line_no = 0;
    for (auto line : split_lines(text)) {
        ++line_no;
        auto words = split_words(line.substr(0, line.find('#')));
        if (words.empty())
            continue;
        if (statements.empty() || words[0].data() == line.data())
            statements.push_back({line_no, {}});
        auto& all = statements.back().words;
        all.insert(all.end(), words.begin(), words.end());
    }
    return statements;
}

// Three letters are enough, in either case.
bool is_keyword(std::string_view word, std::string_view keyword) {
    return word.size() >= 3 && keyword.starts_with(to_lower(word));
}

bool is_by_bus(std::string_view word) {
    if (word.find_first_of("*?[") == std::string_view::npos)
        return mount::is_bus_dependent(word);
    constexpr std::array<std::string_view, 6> disks{"/dev/sd",  "/dev/hd",   "/dev/vd",
                                                    "/dev/xvd", "/dev/nvme", "/dev/disk/by-path/"};
    return std::any_of(disks.begin(), disks.end(),
                       [word](auto disk) { return word.starts_with(disk); });
}

bool names_by_bus(const Statement& statement) {
    const auto& words = statement.words;
    if (is_keyword(words[0], "device"))
        return std::find(words.begin(), words.end(), "partitions") == words.end() &&
               std::any_of(words.begin(), words.end(), is_by_bus);
    if (!is_keyword(words[0], "array"))
        return false;
    return std::any_of(words.begin(), words.end(), [](std::string_view word) {
        if (!to_lower(word).starts_with(devices_is))
            return false;
        auto names = split(word.substr(devices_is.size()), ',');
        return std::any_of(names.begin(), names.end(), is_by_bus);
    });
}

bool has_identity(const Statement& statement) {
    return std::any_of(statement.words.begin(), statement.words.end(), [](std::string_view word) {
        auto lower = to_lower(word);
        return lower.starts_with("uuid=") || lower.starts_with("name=");
    });
}

/// Collects the edits of one text.
struct Editor {
    std::string_view text;
    std::vector<guest::Edit> edits{};
    std::vector<report::Change> changes{};

    // With the space before it; a line of its own goes whole, for an empty one ends nothing.
    void take_out(std::string_view word) {
        auto begin = static_cast<std::size_t>(word.data() - text.data());
        auto end = begin + word.size();
        while (begin > 0 && (text[begin - 1] == ' ' || text[begin - 1] == '\t'))
            --begin;
        bool whole_line =
            begin > 0 && text[begin - 1] == '\n' && (end == text.size() || text[end] == '\n');
        edits.push_back({begin - (whole_line ? 1 : 0), end, ""});
    }

    void note(const Statement& statement, std::string_view word, std::string now) {
        changes.push_back(
            {guest::line_of(text, static_cast<std::size_t>(word.data() - text.data())),
             std::string(statement.words[0]), std::string(word), std::move(now),
             "the names depend on the bus, which changes with the move"});
    }

    void edit(const Statement& statement) {
        bool is_list = is_keyword(statement.words[0], "device");
        bool replaced = false;
        for (auto word : statement.words) {
            if (is_list ? !is_by_bus(word) : !to_lower(word).starts_with(devices_is))
                continue;
            if (is_list && !replaced) {
                auto begin = static_cast<std::size_t>(word.data() - text.data());
                edits.push_back({begin, begin + word.size(), "partitions"});
                note(statement, word, "partitions");
            } else {
                take_out(word);
                note(statement, word, "");
            }
            replaced = true;
        }
    }
};

report::Plan plan(const Inventory& inventory, const report::Policy& /*policy*/) {
    report::Plan result;
    for (const auto* path : paths) {
        const auto* text = inventory.file(path);
        if (text == nullptr)
            continue;
        auto edited = stabilize_mdadm_config(path, *text);
        std::move(edited.findings.begin(), edited.findings.end(),
                  std::back_inserter(result.findings));
        if (!edited.changes.empty())
            result.actions.push_back({.repair = "mdadm-config",
                                      .path = path,
                                      .reason = "arrays by UUID, whatever their members are called",
                                      .content = std::move(edited.content),
                                      .keep_backup = true,
                                      .changes = std::move(edited.changes)});
    }
    return result;
}

Detection detect(const Inventory& inventory) {
    return detection_of(plan(inventory, {}));
}

report::Findings verify(const sys::RootDir& root, const Inventory& /*before*/) {
    report::Findings findings;
    for (const auto* path : paths)
        if (auto text = root.read(sys::GuestPath(path)))
            report::add_new(findings, check_mdadm_config(path, *text));
    return findings;
}

} // namespace

EditedText stabilize_mdadm_config(const std::string& name, const std::string& text) {
    Editor editor{.text = text};
    report::Findings findings;
    for (const auto& statement : parse_statements(text)) {
        if (!names_by_bus(statement))
            continue;
        if (is_keyword(statement.words[0], "array") && !has_identity(statement))
            findings.push_back({"mdadm-array-unsure", Severity::Error,
                                fmt::format("{} line {}", name, statement.line_no),
                                "names the members of an array and not its UUID; kept as it is",
                                "name the array by the UUID that mdadm --examine shows"});
        else
            editor.edit(statement);
    }
    return {guest::apply_edits(text, std::move(editor.edits)), std::move(editor.changes),
            std::move(findings)};
}

report::Findings check_mdadm_config(std::string_view name, std::string_view text) {
    report::Findings findings;
    for (const auto& statement : parse_statements(text))
        if (names_by_bus(statement))
            findings.push_back({"mdadm-unstable-name", Severity::Error,
                                fmt::format("{} line {}", name, statement.line_no),
                                "names devices that may not exist after the move", remedy});
    return findings;
}

Repair mdadm_config_repair() {
    return {"mdadm-config", detect, plan, verify};
}

} // namespace slipway::repair
