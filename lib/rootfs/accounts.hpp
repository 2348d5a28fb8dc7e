// SPDX-License-Identifier: Apache-2.0
// Users and groups in the files of /etc. Pure: text in, text out.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/profile.hpp"

namespace slipway::rootfs {

/// passwd(5), group(5), shadow(5), gshadow(5).
struct AccountFiles {
    std::string passwd, group, shadow, gshadow;
    bool operator==(const AccountFiles&) const = default;
};

/// A name, or number, of a user or group: no colon, no white space, nothing that a shell or file
/// system would stumble over. May begin with a digit.
[[nodiscard]] bool is_account_name(std::string_view text);

/// Adds the profile's groups and users, in its order, without passwords: nobody can log in by one.
/// What is there with the same ids stays. `day`: of the last change of password, since 1970.
/// InvalidArgument: a name or id that something else has, or a group that is not there.
[[nodiscard]] Result<AccountFiles> add_accounts(AccountFiles files, const Profile& profile,
                                                long day);

struct Account {
    unsigned id = 0;
    unsigned gid = 0;                   ///< of a user
    std::string home;                   ///< of a user
    std::vector<std::string> members{}; ///< of a group
};
/// By name. Lines that make no sense are passed over.
[[nodiscard]] std::map<std::string, Account> parse_passwd(std::string_view text);
[[nodiscard]] std::map<std::string, Account> parse_group(std::string_view text);

/// What of the profile's users and groups is missing or otherwise, one line each.
[[nodiscard]] std::vector<std::string>
missing_accounts(std::string_view passwd, std::string_view group, const Profile& profile);

struct Owner {
    unsigned uid = 0;
    unsigned gid = 0;
};
/// "USER:GROUP", names or numbers, by these files. InvalidArgument.
[[nodiscard]] Result<Owner> find_owner(const std::string& owner, const AccountFiles& files);

} // namespace slipway::rootfs
