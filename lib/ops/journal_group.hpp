// SPDX-License-Identifier: Apache-2.0
// One change of several images, whole or not at all. Beside the first image a list of the others
// (IMAGE.slipway-group) is made, then the journals of the others get their names, then that of the
// first: this is the commit. All are copied in; then the first one's journal goes, then the others,
// then the list. So:
// - a list with the first image's journal: every journal is there, and all are copied in again;
// - a list without it: nothing was changed yet, or all is whole. The other journals are removed;
// - a journal of a group always has its list, unless somebody moved one of them.
// Whoever does a step holds the list by flock(2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/journal.hpp"

namespace slipway::ops {

[[nodiscard]] std::string full_path(const std::string& image);
/// Of the list beside the first image.
[[nodiscard]] std::string group_path(const std::string& image);

/// What stands in the list: text, a line each, so that a person can take out an image that is lost.
struct GroupList {
    std::string id;
    std::vector<std::string> others{}; ///< full paths of the images but the first
};
[[nodiscard]] std::string to_text(const GroupList& list, std::string_view path);
/// Corrupt.
[[nodiscard]] Result<GroupList> parse_group_list(std::string_view text, std::string_view path);

/// A new group of what is kept; nothing where that is less than two disks.
[[nodiscard]] std::optional<JournalGroup> group_of(const OpenImage& opened);
/// Commits the overlays of all that is kept; `opened.group` is in their marks.
[[nodiscard]] Status commit_group(const Context& context, OpenImage& opened);
/// Finishes what was interrupted; nothing to do where there is no list. NotFound, naming it, where
/// one of the images or journals is not there; Busy while another process does it.
[[nodiscard]] Status finish_group(const Context& context, const std::string& list);

} // namespace slipway::ops
