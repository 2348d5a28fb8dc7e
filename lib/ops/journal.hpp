// SPDX-License-Identifier: Apache-2.0
// The journal of a change in place. The finished, synced overlay gets the name
// IMAGE.slipway-journal: that rename is the commit. Copying it into the image may then be
// interrupted and repeated as often as it happens; the journal goes when the image is whole and
// synced. So after recovery the image is as before or as after.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ops/open_image.hpp"

namespace slipway::ops {

/// The image's own name where `image` is a symbolic link to it: what replaces the image takes that
/// name, and the journal lies beside it, for every name that the image has.
[[nodiscard]] std::string file_behind(const std::string& image);
[[nodiscard]] std::string journal_path(const std::string& image);

/// How a file tells where another one is: by its bare name in the same directory, so that both can
/// move together, else by its full path. Nothing but printable ASCII. Both paths are full.
[[nodiscard]] std::string name_beside(std::string_view file, const std::string& other);
[[nodiscard]] std::string path_of_name(std::string_view file, std::string_view name);

/// What an overlay says about the image it belongs to, kept in its header as an unused name. A
/// journal is never replayed into another file.
struct JournalMark {
    std::string inode; ///< of the image's file; its size changes while a journal is copied in
    std::optional<JournalGroup> group{};
    bool operator==(const JournalMark&) const = default;
};
/// `image` is the full path of the image, beside which the journal lies.
[[nodiscard]] std::string to_text(const JournalMark& mark, std::string_view image);
[[nodiscard]] JournalMark parse_journal_mark(std::string_view text, std::string_view image);

/// InvalidArgument where the names are too long for a group.
[[nodiscard]] Result<image::OverlayMark>
overlay_mark(const image::Source& source, const std::optional<JournalGroup>& group = {});

/// If a journal lies beside the image, copies it into the image and removes it, with the other
/// images of its change. Nothing to do otherwise. Corrupt, with the remedy, if it belongs to
/// another file.
[[nodiscard]] Status finish_interrupted_fix(const Context& context, const std::string& image);

/// Commits the overlay of a disk that was opened in place: names it, copies, syncs, removes it.
[[nodiscard]] Status commit_through_journal(const Context& context, OpenDisk& disk);

// The steps of these, for groups.

/// A journal with its image, opened and locked to be written.
struct Journaled {
    image::Source source;
    image::Overlay overlay;
};
/// The journal beside an image, and what it says.
struct FoundJournal {
    sys::OwnedFd file;
    JournalMark mark;
    image::Format format; ///< of the image
};
/// Nothing where there is none.
[[nodiscard]] Result<std::optional<FoundJournal>> find_journal(const Context& context,
                                                               const std::string& image);
/// Nothing where another process has finished it between our look and our lock. The errors of
/// Source::open; Corrupt if it belongs to another file.
[[nodiscard]] Result<std::optional<Journaled>> open_journaled(FoundJournal found,
                                                              const std::string& image);
/// The image is whole and synced after it.
[[nodiscard]] Status copy_in(const Context& context, const image::Source& source,
                             const image::Overlay& overlay);
/// Unlinks it and syncs its directory.
[[nodiscard]] Status remove_durably(const std::string& path);

} // namespace slipway::ops
