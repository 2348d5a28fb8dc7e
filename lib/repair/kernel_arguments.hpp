// SPDX-License-Identifier: Apache-2.0
// root= and resume= by names that survive the move.
#pragma once

#include <string>
#include <vector>

#include "guest/boot_files.hpp"
#include "report/inventory.hpp"
#include "report/plan.hpp"

namespace slipway::repair {

struct EditedText {
    std::string content;
    std::vector<report::Change> changes; ///< none: `content` is the text as it was
    report::Findings findings;           ///< names that are kept, and why
};
/// Edits the argument sites of a text of this kind; `name` stands for the file in findings. Pure.
[[nodiscard]] EditedText stabilize_arguments(const report::Inventory& inventory,
                                             guest::BootFileKind kind, const std::string& name,
                                             const std::string& text);

} // namespace slipway::repair
