// SPDX-License-Identifier: Apache-2.0
// What must be known of an initramfs before a segment can be appended to it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "archive/initramfs_reader.hpp"
#include "base/error.hpp"
#include "guest/initramfs_contents.hpp"
#include "repair/segment_stage.hpp"
#include "sys/root_dir.hpp"

namespace slipway::repair {

struct SegmentSurvey {
    archive::InitramfsLayout layout{};
    guest::InitramfsContents contents{};
    guest::InitramfsStyle style = guest::InitramfsStyle::Unknown;
    std::map<std::string, std::string> config{}; ///< conf/modules and config, by path
    /// Of the places where a segment writes: directories that are there, and files with several
    /// names.
    std::set<std::string> directories{};
    std::set<std::string> hard_linked{};
    /// Modules inside whose names end in .gz, by their path below VERSION: they were staged without
    /// it, since not every depmod knows such names.
    std::vector<std::string> renamed{};
};

/// The guest's own /lib/modules/VERSION.
struct GuestModules {
    const sys::RootDir& root;
    const sys::GuestPath& directory;
};

/// Reads the initramfs once and puts the modules of its kernel into the stage, unpacked, together
/// with what depmod wants beside them. From `modules` comes content that the archive does not hold.
[[nodiscard]] Result<SegmentSurvey> survey_initramfs(sys::BorrowedFd file,
                                                     const std::string& kernel,
                                                     const GuestModules& modules,
                                                     SegmentStage& stage);

/// Path of a module as it is staged: a compression's suffix falls away.
[[nodiscard]] std::string without_compression(std::string_view path);
/// Content of a module of the guest, unpacked.
[[nodiscard]] Result<std::string> read_module(const sys::RootDir& root, const sys::GuestPath& path);

} // namespace slipway::repair
