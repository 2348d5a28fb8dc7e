// SPDX-License-Identifier: Apache-2.0
// result.xml, which `check -R xunit` writes anew before each test and at the end; see doc/xunit.xsd
// of fstests. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fstests/records.hpp"

namespace slipway::fstests {

struct XunitCase {
    std::string section; ///< "" for fstests' "global"
    std::string name;
    double seconds = 0;
    TestStatus status = TestStatus::Passed; ///< Passed, Failed or NotRun
    std::string message{};                  ///< of the failure, or why it was not run
    std::string output{};                   ///< its .full
    std::string kernel_log{};               ///< its .dmesg
    std::string diff{};                     ///< of the expected output and its own
};

/// Also of a file that is cut off: the cases that are whole. Corrupt where it is no such file.
/// fstests does not escape the messages of failures, so that this is no XML now and then; a message
/// ends at the quote that a further attribute or the end of the tag follows.
[[nodiscard]] Result<std::vector<XunitCase>> parse_xunit(std::string_view text);

} // namespace slipway::fstests
