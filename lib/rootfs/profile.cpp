// SPDX-License-Identifier: Apache-2.0
#include "rootfs/profile.hpp"

#include <algorithm>
#include <set>

#include "archive/digest.hpp"
#include "base/strings.hpp"

namespace slipway::rootfs {
namespace {

constexpr std::size_t longest_name = 64;

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool consists_of(std::string_view text, std::string_view marks) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return is_alphanumeric(c) || marks.find(c) != std::string_view::npos;
    });
}

Json content_of(const Profile& profile) {
    auto json = to_json(profile);
    json.erase("name");
    json.erase("description");
    return json;
}

} // namespace

bool is_root_name(std::string_view text) {
    return !text.empty() && text.size() <= longest_name && is_alphanumeric(text[0]) &&
           consists_of(text, "._-");
}

bool is_package_name(std::string_view text) {
    return text.size() >= 2 && is_alphanumeric(text[0]) && consists_of(text, "+.-") &&
           to_lower(text) == text;
}

Json to_json(const Profile& profile) {
    auto groups = Json::array(), users = Json::array(), files = Json::array();
    for (const auto& group : profile.groups)
        groups.push_back({{"name", group.name}, {"gid", group.gid}});
    for (const auto& user : profile.users)
        users.push_back({{"name", user.name},
                         {"uid", user.uid},
                         {"gid", user.gid},
                         {"groups", user.groups},
                         {"home", user.home},
                         {"shell", user.shell}});
    for (const auto& file : profile.files)
        files.push_back({{"path", file.path},
                         {"mode", file.mode},
                         {"owner", file.owner},
                         {"content", file.content}});
    return {{"name", profile.name},
            {"description", profile.description},
            {"suite", profile.suite},
            {"variant", profile.variant},
            {"packages", profile.packages},
            {"optional_packages", profile.optional_packages},
            {"groups", groups},
            {"users", users},
            {"files", files},
            {"commands", profile.commands},
            {"checks", profile.checks}};
}

Profile profile_from_json(const Json& json) {
    using Words = std::vector<std::string>;
    Profile profile{.name = json_get<std::string>(json, "name"),
                    .description = json_get<std::string>(json, "description"),
                    .suite = json_get<std::string>(json, "suite"),
                    .variant = json_get<std::string>(json, "variant", "minbase"),
                    .packages = json_get<Words>(json, "packages"),
                    .optional_packages = json_get<Words>(json, "optional_packages"),
                    .commands = json_get<Words>(json, "commands"),
                    .checks = json_get<Words>(json, "checks")};
    for (const auto& group : json_at(json, "groups"))
        profile.groups.push_back(
            {json_get<std::string>(group, "name"), json_get<unsigned>(group, "gid")});
    for (const auto& user : json_at(json, "users"))
        profile.users.push_back({.name = json_get<std::string>(user, "name"),
                                 .uid = json_get<unsigned>(user, "uid"),
                                 .gid = json_get<unsigned>(user, "gid"),
                                 .groups = json_get<Words>(user, "groups"),
                                 .home = json_get<std::string>(user, "home"),
                                 .shell = json_get<std::string>(user, "shell")});
    for (const auto& file : json_at(json, "files"))
        profile.files.push_back({.path = json_get<std::string>(file, "path"),
                                 .mode = json_get<unsigned>(file, "mode"),
                                 .owner = json_get<std::string>(file, "owner"),
                                 .content = json_get<std::string>(file, "content")});
    return profile;
}

std::string hash_of(const Profile& profile) {
    auto digest = archive::open_digest("sha256");
    if (!digest)
        return {};
    (*digest)->add(render_json(content_of(profile)));
    return (*digest)->finish();
}

} // namespace slipway::rootfs
