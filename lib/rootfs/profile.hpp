// SPDX-License-Identifier: Apache-2.0
// What a test root is to have, as a small TOML file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace slipway::rootfs {

struct ProfileGroup {
    std::string name;
    unsigned gid = 0;
    bool operator==(const ProfileGroup&) const = default;
};
struct ProfileUser {
    std::string name;
    unsigned uid = 0;
    unsigned gid = 0;                  ///< a group of the user's name is made where no group has it
    std::vector<std::string> groups{}; ///< beside that of gid
    std::string home;                  ///< made, and the user's own
    std::string shell = "/bin/bash";
    bool operator==(const ProfileUser&) const = default;
};
struct ProfileFile {
    std::string path; ///< absolute, in the root
    unsigned mode = 0644;
    std::string owner = "root:root"; ///< USER:GROUP, names or numbers
    std::string content;
    bool operator==(const ProfileFile&) const = default;
};
struct Profile {
    std::string name;
    std::string description{};
    std::string suite{};                          ///< "": that of this host
    std::string variant = "minbase";              ///< of mmdebstrap
    std::vector<std::string> packages{};          ///< "a", or "a | b": the one that the suite has
    std::vector<std::string> optional_packages{}; ///< left out where the suite lacks them
    std::vector<ProfileGroup> groups{};
    std::vector<ProfileUser> users{};
    std::vector<ProfileFile> files{};
    std::vector<std::string> commands{}; ///< for the root's /bin/sh, in it, without network
    std::vector<std::string> checks{};   ///< programs in its PATH, and absolute paths
    bool operator==(const Profile&) const = default;
};

/// Reads a profile and looks whether it makes sense. InvalidArgument with `where` and the line:
/// syntax, an unknown key, a wrong type, a name that no system takes, two users of one name or uid.
[[nodiscard]] Result<Profile> parse_profile(std::string_view text, const std::string& where);

/// Every field, in a fixed order: equal profiles give equal text.
[[nodiscard]] Json to_json(const Profile& profile);
[[nodiscard]] Profile profile_from_json(const Json& json);
/// 64 hexadecimal digits of all that decides what is in the root; not of name and description.
[[nodiscard]] std::string hash_of(const Profile& profile);

/// Names of roots and profiles: letters, digits, "." "_" "-", at most 64, a letter or digit first.
[[nodiscard]] bool is_root_name(std::string_view text);
/// As Debian Policy 5.6.1 has it.
[[nodiscard]] bool is_package_name(std::string_view text);

/// The profiles that come with the program, by name.
[[nodiscard]] std::vector<std::string> shipped_profiles();
/// The TOML text of one of them.
[[nodiscard]] std::optional<std::string_view> shipped_profile(std::string_view name);

} // namespace slipway::rootfs
