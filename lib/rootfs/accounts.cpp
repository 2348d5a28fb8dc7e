// SPDX-License-Identifier: Apache-2.0
#include "rootfs/accounts.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::rootfs {
namespace {

constexpr std::size_t longest_name = 32; // useradd(8)
constexpr std::size_t passwd_fields = 7, group_fields = 4;

void append_line(std::string& text, const std::string& line) {
    if (!text.empty() && !text.ends_with('\n'))
        text += '\n';
    text += line + '\n';
}

Error conflict(std::string what) {
    return {.code = Code::InvalidArgument,
            .what = std::move(what),
            .hint = "choose another name or number in the profile"};
}

const std::pair<const std::string, Account>* with_id(const std::map<std::string, Account>& accounts,
                                                     unsigned id) {
    for (const auto& each : accounts)
        if (each.second.id == id)
            return &each;
    return nullptr;
}

Status add_group(AccountFiles& files, const ProfileGroup& group) {
    auto groups = parse_group(files.group);
    if (auto same = groups.find(group.name); same != groups.end()) {
        if (same->second.id == group.gid)
            return {};
        return fail(conflict(fmt::format("the group {} has the gid {} in this release, not {}",
                                         group.name, same->second.id, group.gid)));
    }
    if (const auto* other = with_id(groups, group.gid))
        return fail(conflict(fmt::format("the gid {} of {} is {}'s in this release", group.gid,
                                         group.name, other->first)));
    append_line(files.group, fmt::format("{}:x:{}:", group.name, group.gid));
    append_line(files.gshadow, fmt::format("{}:!::", group.name));
    return {};
}

// Puts the user at the end of a member list, the last field of that group's line.
std::string with_member(std::string_view text, const std::string& group, const std::string& user) {
    std::string result;
    for (auto line : split_lines(text)) {
        std::string changed(line);
        if (line.starts_with(group + ":")) {
            auto members = split(line.substr(line.rfind(':') + 1), ',');
            if (std::find(members.begin(), members.end(), user) == members.end())
                changed += (line.ends_with(':') ? "" : ",") + user;
        }
        append_line(result, changed);
    }
    return result;
}

Status join_group(AccountFiles& files, const std::string& group, const std::string& user) {
    if (!parse_group(files.group).contains(group))
        return fail(conflict(
            fmt::format("the user {} is to be in the group {}, which is not there", user, group)));
    files.group = with_member(files.group, group, user);
    files.gshadow = with_member(files.gshadow, group, user);
    return {};
}

Status add_user(AccountFiles& files, const ProfileUser& user, long day) {
    if (with_id(parse_group(files.group), user.gid) == nullptr)
        SLIPWAY_CHECK(add_group(files, {user.name, user.gid}));
    auto users = parse_passwd(files.passwd);
    if (auto same = users.find(user.name); same != users.end()) {
        if (same->second.id != user.uid || same->second.gid != user.gid)
            return fail(conflict(fmt::format("the user {} has the ids {}:{} in this release",
                                             user.name, same->second.id, same->second.gid)));
    } else if (const auto* other = with_id(users, user.uid)) {
        return fail(conflict(fmt::format("the uid {} of {} is {}'s in this release", user.uid,
                                         user.name, other->first)));
    } else {
        append_line(files.passwd, fmt::format("{}:x:{}:{}::{}:{}", user.name, user.uid, user.gid,
                                              user.home, user.shell));
        append_line(files.shadow, fmt::format("{}:!:{}:0:99999:7:::", user.name, day));
    }
    for (const auto& group : user.groups)
        SLIPWAY_CHECK(join_group(files, group, user.name));
    return {};
}

Result<unsigned> id_of(std::string_view who, const std::map<std::string, Account>& accounts,
                       std::string_view kind) {
    if (auto number = parse_number(who); number && *number < 65536)
        return static_cast<unsigned>(*number);
    if (auto found = accounts.find(std::string(who)); found != accounts.end())
        return found->second.id;
    return fail(conflict(fmt::format("the {} {} of a file is not there", kind, who)));
}

} // namespace

bool is_account_name(std::string_view text) {
    return !text.empty() && text.size() <= longest_name && text[0] != '-' && text[0] != '.' &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.';
           });
}

std::map<std::string, Account> parse_passwd(std::string_view text) {
    std::map<std::string, Account> users;
    for (auto line : split_lines(text)) {
        auto fields = split(line, ':');
        if (fields.size() != passwd_fields)
            continue;
        auto uid = parse_number(fields[2]), gid = parse_number(fields[3]);
        if (uid && gid)
            users.emplace(fields[0], Account{.id = static_cast<unsigned>(*uid),
                                             .gid = static_cast<unsigned>(*gid),
                                             .home = std::string(fields[5])});
    }
    return users;
}

std::map<std::string, Account> parse_group(std::string_view text) {
    std::map<std::string, Account> groups;
    for (auto line : split_lines(text)) {
        auto fields = split(line, ':');
        auto gid = fields.size() == group_fields ? parse_number(fields[2]) : std::nullopt;
        if (!gid)
            continue;
        Account group{.id = static_cast<unsigned>(*gid)};
        for (auto member : split(fields[3], ','))
            if (!member.empty())
                group.members.emplace_back(member);
        groups.emplace(fields[0], std::move(group));
    }
    return groups;
}

Result<AccountFiles> add_accounts(AccountFiles files, const Profile& profile, long day) {
    for (const auto& group : profile.groups)
        SLIPWAY_CHECK(add_group(files, group));
    for (const auto& user : profile.users)
        SLIPWAY_CHECK(add_user(files, user, day));
    return files;
}

std::vector<std::string> missing_accounts(std::string_view passwd, std::string_view group,
                                          const Profile& profile) {
    std::vector<std::string> missing;
    auto users = parse_passwd(passwd);
    auto groups = parse_group(group);
    for (const auto& wanted : profile.groups) {
        auto found = groups.find(wanted.name);
        if (found == groups.end())
            missing.push_back(fmt::format("the group {} is missing", wanted.name));
        else if (found->second.id != wanted.gid)
            missing.push_back(fmt::format("the group {} has the gid {}, not {}", wanted.name,
                                          found->second.id, wanted.gid));
    }
    for (const auto& wanted : profile.users) {
        auto found = users.find(wanted.name);
        if (found == users.end()) {
            missing.push_back(fmt::format("the user {} is missing", wanted.name));
            continue;
        }
        if (found->second.id != wanted.uid || found->second.gid != wanted.gid)
            missing.push_back(fmt::format("the user {} has the ids {}:{}, not {}:{}", wanted.name,
                                          found->second.id, found->second.gid, wanted.uid,
                                          wanted.gid));
        for (const auto& name : wanted.groups) {
            auto members =
                groups.contains(name) ? groups[name].members : std::vector<std::string>{};
            if (std::find(members.begin(), members.end(), wanted.name) == members.end())
                missing.push_back(
                    fmt::format("the user {} is not in the group {}", wanted.name, name));
        }
    }
    return missing;
}

Result<Owner> find_owner(const std::string& owner, const AccountFiles& files) {
    auto colon = owner.find(':');
    SLIPWAY_TRY(auto uid, id_of(std::string_view(owner).substr(0, colon),
                                parse_passwd(files.passwd), "user"));
    SLIPWAY_TRY(auto gid, id_of(std::string_view(owner).substr(colon + 1), parse_group(files.group),
                                "group"));
    return Owner{uid, gid};
}

} // namespace slipway::rootfs
