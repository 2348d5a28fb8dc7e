// SPDX-License-Identifier: Apache-2.0
// The journal of a fix in place. The finished, synced overlay gets the name IMAGE.slipway-journal:
// that rename is the commit. Copying it into the image may then be interrupted and repeated as
// often as it happens; the journal goes when the image is whole and synced. So after recovery the
// image is as before or as after.
#pragma once

#include <string>

#include "image/qemu_img.hpp"
#include "ops/open_image.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {

/// The image's own name where `image` is a symbolic link to it: what replaces the image takes that
/// name, and the journal lies beside it, for every name that the image has.
[[nodiscard]] std::string file_behind(const std::string& image);
[[nodiscard]] std::string journal_path(const std::string& image);

/// What an overlay says about the image it belongs to, kept in its header as an unused name: the
/// inode of the image's file (its size changes while a journal is copied in). A journal is never
/// replayed into another file.
[[nodiscard]] image::OverlayMark overlay_mark(const image::Source& source);

/// If a journal lies beside the image, copies it into the image and removes it. Nothing to do
/// otherwise. Corrupt, with the remedy, if it belongs to another file.
[[nodiscard]] Status finish_interrupted_fix(const Context& context, const std::string& image);

/// Commits an overlay of `opened`, whose file is `journal`: names it, copies, syncs, removes it.
/// `opened.source` must have been opened in place.
[[nodiscard]] Status commit_through_journal(const Context& context, OpenImage& opened,
                                            sys::OutputFile journal);

} // namespace slipway::ops
