// SPDX-License-Identifier: Apache-2.0
// Being root in namespaces of one's own: how an ordinary user makes and shows a root whose files
// belong to many users.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "sys/process.hpp"

namespace slipway::sys {

/// Subordinate ids: `count` from `first` on.
struct IdRange {
    unsigned first = 0;
    unsigned count = 0;
};

/// Ids in a namespace of ours: 0 is the user, 1 to 65535 are the first subordinate ones.
constexpr unsigned mapped_ids = 65536;

/// The first range of a user in /etc/subuid or /etc/subgid (subuid(5)) with enough ids for
/// `mapped_ids`; the user is named or stands as a number. Pure.
[[nodiscard]] std::optional<IdRange> parse_subordinate_ids(std::string_view text,
                                                           std::string_view user, unsigned uid);

/// Whether this user can be root of a namespace with many users: Unsupported or Permission, with
/// the remedy. Root always can.
[[nodiscard]] Status own_namespaces_requirements();

/// Moves the calling process, which must have one thread, into namespaces of its own: mounts and
/// processes, and, unless it is root, users, where it is root then. Returns in a child that is
/// PID 1, with its own /proc; the caller waits for that and ends as it does. All in them ends
/// with either. Errors are those of the requirements, and ToolFailed of newuidmap.
[[nodiscard]] Status enter_own_namespaces();

} // namespace slipway::sys
