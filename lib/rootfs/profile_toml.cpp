// SPDX-License-Identifier: Apache-2.0
// TOML to Profile. What is in a file and not understood is an error.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "base/strings.hpp"
#include "rootfs/accounts.hpp"
#include "rootfs/manifest.hpp"
#include "rootfs/profile.hpp"
#include "sys/root_dir.hpp"

namespace slipway::rootfs {
namespace {

constexpr std::int64_t highest_id = 65533; // 65534 is nobody, and no more are mapped

/// A table that is read key by key; `finish` tells of those that nobody asked for. Of several
/// mistakes the first is told.
class Table {
public:
    Table(const toml::table& table, std::string where, std::string name)
        : table_(table), where_(std::move(where)), name_(std::move(name)) {}

    void text(const char* key, std::string& into) {
        read(key, "a string", [&](const toml::node& node) {
            auto value = node.value_exact<std::string>();
            if (value)
                into = *value;
            return value.has_value();
        });
    }
    void number(const char* key, unsigned& into) {
        read(key, fmt::format("a number from 0 to {}", highest_id).c_str(),
             [&](const toml::node& node) {
                 auto value = node.value_exact<std::int64_t>();
                 if (!value || *value < 0 || *value > highest_id)
                     return false;
                 into = static_cast<unsigned>(*value);
                 return true;
             });
    }
    // "0755": as chmod(1) has it.
    void mode(const char* key, unsigned& into) {
        read(key, "a string of octal digits, such as \"0644\"", [&](const toml::node& node) {
            auto value = node.value_exact<std::string>();
            if (!value || value->empty() || value->size() > 5 ||
                value->find_first_not_of("01234567") != std::string::npos)
                return false;
            into = static_cast<unsigned>(std::stoul(*value, nullptr, 8));
            return into <= 07777;
        });
    }
    void texts(const char* key, std::vector<std::string>& into) {
        read(key, "a list of strings", [&](const toml::node& node) {
            const auto* list = node.as_array();
            if (list == nullptr)
                return false;
            for (const auto& element : *list) {
                auto value = element.value_exact<std::string>();
                if (!value)
                    return false;
                into.push_back(*value);
            }
            return true;
        });
    }
    /// Calls `take` for each table of [[key]].
    template <class Take> void tables(const char* key, Take take) {
        read(key, fmt::format("tables [[{}]]", key).c_str(), [&](const toml::node& node) {
            const auto* list = node.as_array();
            if (list == nullptr)
                return false;
            for (const auto& element : *list) {
                if (!element.is_table())
                    return false;
                Table inner(*element.as_table(), where_, key);
                take(inner);
                inner.finish();
                if (!error_)
                    error_ = inner.error_;
            }
            return true;
        });
    }
    void require(const char* key, bool good, const std::string& rule) {
        if (!good)
            complain(line_of(key), fmt::format("{}: {}", key, rule));
    }
    void finish() {
        for (const auto& [key, node] : table_)
            if (!known_.contains(std::string(key.str())))
                complain(key.source().begin.line,
                         fmt::format("'{}' is no key of {}; they are {}", key.str(), name_,
                                     join({known_.begin(), known_.end()}, ", ")));
    }
    [[nodiscard]] Status status() const {
        if (error_)
            return fail(*error_);
        return {};
    }

private:
    template <class Use> void read(const char* key, const char* type, Use use) {
        known_.insert(key);
        if (const auto* node = table_.get(key); node != nullptr && !use(*node))
            complain(node->source().begin.line, fmt::format("{} is not {}", key, type));
    }
    [[nodiscard]] toml::source_index line_of(const char* key) const {
        const auto* node = table_.get(key);
        return node != nullptr ? node->source().begin.line : table_.source().begin.line;
    }
    void complain(toml::source_index line, const std::string& what) {
        if (!error_)
            error_ = Error{.code = Code::InvalidArgument,
                           .what = fmt::format("{}, line {}: {}", where_, line, what),
                           .hint = "`slipway rootfs profile fstests` prints an example"};
    }

    const toml::table& table_;
    std::string where_;
    std::string name_;
    std::set<std::string> known_;
    std::optional<Error> error_;
};

void check_path(Table& table, const char* key, const std::string& path) {
    auto parsed = sys::GuestPath::parse(path);
    table.require(key, path.starts_with('/') && parsed && path != "/",
                  "an absolute path without \"..\" is needed");
}

// What a root is emptied of when it is made, or what a machine hides by its own.
void check_file_path(Table& table, const std::string& path) {
    check_path(table, "path", path);
    auto parsed = sys::GuestPath::parse(path);
    auto clean = parsed ? parsed->str() : path;
    for (const std::string folder : {"/run", "/tmp", "/dev", "/proc", "/sys"})
        table.require("path", clean != folder && !clean.starts_with(folder + "/"),
                      fmt::format("what is in {} does not stay in a root", folder));
    table.require("path", clean != manifest_path,
                  fmt::format("{} is Slipway's own file", manifest_path));
}

// "libaio1 | libaio1t64"
void check_packages(Table& table, const char* key, const std::vector<std::string>& packages) {
    for (const auto& package : packages)
        for (auto choice : split(package, '|'))
            table.require(key, is_package_name(trim(choice)),
                          fmt::format("'{}' is no name of a package", package));
}

void read_group(Table& table, Profile& profile) {
    ProfileGroup group;
    table.text("name", group.name);
    table.number("gid", group.gid);
    table.require("name", is_account_name(group.name), "a name for the group is needed");
    table.require("gid", group.gid != 0, "a number above 0 is needed");
    for (const auto& other : profile.groups)
        table.require("name", other.name != group.name && other.gid != group.gid,
                      fmt::format("{} ({}) is there already", other.name, other.gid));
    profile.groups.push_back(std::move(group));
}

void read_user(Table& table, Profile& profile) {
    ProfileUser user;
    table.text("name", user.name);
    table.number("uid", user.uid);
    user.gid = user.uid;
    table.number("gid", user.gid);
    table.texts("groups", user.groups);
    user.home = "/home/" + user.name;
    table.text("home", user.home);
    table.text("shell", user.shell);
    table.require("name", is_account_name(user.name), "a name for the user is needed");
    table.require("uid", user.uid != 0, "a number above 0 is needed");
    check_path(table, "home", user.home);
    check_path(table, "shell", user.shell);
    for (const auto* text : {&user.home, &user.shell})
        table.require("home", text->find_first_of(":\n") == std::string::npos,
                      "no colon may be in it");
    for (const auto& group : user.groups)
        table.require("groups", is_account_name(group), fmt::format("'{}' is no group", group));
    for (const auto& other : profile.users)
        table.require("name", other.name != user.name && other.uid != user.uid,
                      fmt::format("{} ({}) is there already", other.name, other.uid));
    profile.users.push_back(std::move(user));
}

void read_file(Table& table, Profile& profile) {
    ProfileFile file;
    table.text("path", file.path);
    table.mode("mode", file.mode);
    table.text("owner", file.owner);
    table.text("content", file.content);
    check_file_path(table, file.path);
    auto owner = split(file.owner, ':');
    table.require("owner",
                  owner.size() == 2 && is_account_name(owner[0]) && is_account_name(owner[1]),
                  "USER:GROUP is needed, names or numbers");
    profile.files.push_back(std::move(file));
}

} // namespace

Result<Profile> parse_profile(std::string_view text, const std::string& where) {
    auto parsed = toml::parse(text, where);
    if (!parsed) {
        const auto& error = parsed.error();
        return fail(
            Code::InvalidArgument,
            fmt::format("{}, line {}: {}", where, error.source().begin.line, error.description()),
            "see https://toml.io for the syntax");
    }
    Profile profile;
    Table table(parsed.table(), where, "a profile");
    table.text("name", profile.name);
    table.text("description", profile.description);
    table.text("suite", profile.suite);
    table.text("variant", profile.variant);
    table.texts("packages", profile.packages);
    table.texts("optional_packages", profile.optional_packages);
    table.tables("groups", [&](Table& inner) { read_group(inner, profile); });
    table.tables("users", [&](Table& inner) { read_user(inner, profile); });
    table.tables("files", [&](Table& inner) { read_file(inner, profile); });
    table.texts("commands", profile.commands);
    table.texts("checks", profile.checks);
    table.require("name", is_root_name(profile.name),
                  "a name of letters, digits, '.', '_' and '-' is needed");
    table.require("suite", profile.suite.empty() || is_root_name(profile.suite),
                  fmt::format("'{}' is no suite", profile.suite));
    static const std::set<std::string> variants{"minbase", "apt", "buildd", "important",
                                                "standard"};
    table.require("variant", variants.contains(profile.variant),
                  "one of " + join({variants.begin(), variants.end()}, ", ") + " is needed");
    check_packages(table, "packages", profile.packages);
    check_packages(table, "optional_packages", profile.optional_packages);
    for (const auto& check : profile.checks)
        table.require("checks",
                      !check.empty() && (check[0] == '/' || check.find('/') == std::string::npos),
                      "names of programs, or absolute paths, are needed");
    table.finish();
    SLIPWAY_CHECK(table.status());
    return profile;
}

} // namespace slipway::rootfs
