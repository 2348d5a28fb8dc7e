// SPDX-License-Identifier: Apache-2.0
// The archive that is appended to an initramfs, and its encoding.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "archive/compression.hpp"
#include "archive/initramfs_reader.hpp"
#include "base/error.hpp"
#include "guest/module_tree.hpp"
#include "repair/segment_stage.hpp"
#include "repair/segment_survey.hpp"

namespace slipway::repair {

/// What goes into a segment.
struct SegmentParts {
    std::string kernel;
    std::vector<std::string> modules{};         ///< staged ones, by path below VERSION
    std::map<std::string, std::string> index{}; ///< the files that depmod made, by name
    std::vector<std::string> to_load{};         ///< names for the generator's own list
    std::map<std::string, std::string> files{}; ///< others that are replaced, by path
};

/// A newc archive with modules and index where this initramfs has its own, and with the generator's
/// list of modules to load, as it was, and the new names.
[[nodiscard]] Result<std::string>
build_segment(const SegmentParts& parts, const SegmentSurvey& survey, const SegmentStage& stage);

struct EncodedSegment {
    archive::Compression compression = archive::Compression::None;
    std::string bytes; ///< to be put directly after the last byte of the file
};
[[nodiscard]] Result<EncodedSegment> encode_segment(std::string cpio,
                                                    const archive::InitramfsLayout& layout);

} // namespace slipway::repair
