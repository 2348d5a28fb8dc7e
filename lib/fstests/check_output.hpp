// SPDX-License-Identifier: Apache-2.0
// What `check` of fstests prints, read as it comes. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fstests/records.hpp"

namespace slipway::fstests {

/// The verdict on one test.
struct Verdict {
    std::string section; ///< "" without sections
    std::string name;
    TestStatus status = TestStatus::Failed; ///< Passed, Failed, NotRun or Expunged
    std::optional<double> seconds{};        ///< it took; only of a test that passed
    std::optional<double> last_seconds{};   ///< it took the last time
    std::string message{}; ///< "[failed, exit status 1]", "- output mismatch (see …)", the reason
    std::vector<std::string> detail{}; ///< the lines below it, at most 200
};

/// `check` prints a test's name, without the end of the line, when the test starts, and its verdict
/// when it has ended.
class CheckOutput {
public:
    void feed(std::string_view bytes);
    /// The output has ended: a last line without its end counts.
    void finish();

    /// Of tests that have ended, in order. A failed one may still print, and comes with the next.
    [[nodiscard]] const std::vector<Verdict>& verdicts() const { return verdicts_; }
    /// The test that has begun and not ended, or "".
    [[nodiscard]] std::string running() const;
    /// How many tests have begun, expunged ones too.
    [[nodiscard]] std::size_t begun() const { return begun_; }
    /// The last test has ended, and the lists of all were printed.
    [[nodiscard]] bool is_complete() const { return complete_; }
    [[nodiscard]] bool was_interrupted() const { return interrupted_; }
    /// "FSTYP         -- ext4" and its like: "FSTYP" → "ext4"; "" where there is none.
    [[nodiscard]] std::string heading(std::string_view name) const;
    /// Lines that belong to no test, the last 50.
    [[nodiscard]] const std::vector<std::string>& other() const { return other_; }

private:
    void take_line(std::string_view line);
    [[nodiscard]] bool take_heading(std::string_view line);
    [[nodiscard]] bool take_trailer(std::string_view line);
    void begin(std::string_view name);
    void judge(std::string_view rest);
    void close();

    std::string line_;            ///< that has not ended
    bool line_has_begun_ = false; ///< a test, with `line_`
    std::vector<Verdict> verdicts_;
    std::optional<Verdict> open_; ///< a test that has begun
    bool judged_ = false;         ///< and its first line has ended
    std::string section_;
    std::size_t begun_ = 0;
    bool complete_ = false;
    bool interrupted_ = false;
    std::map<std::string, std::string, std::less<>> headings_;
    std::vector<std::string> other_;
};

/// The name of a test that a line begins with ("generic/001", "ext4/001-name"), or "".
[[nodiscard]] std::string_view test_name_in(std::string_view line);

} // namespace slipway::fstests
