// SPDX-License-Identifier: Apache-2.0
#include "fstests/evidence.hpp"

#include "base/excerpt.hpp"
#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

constexpr std::size_t longest_diff = 64 << 10;

// The excerpt of the difference that check prints, four spaces to the right.
std::string printed_diff(const Verdict& verdict) {
    std::string diff;
    for (const auto& line : verdict.detail) {
        if (line.starts_with("    (Run 'diff "))
            break;
        if (line.starts_with("    "))
            diff += line.substr(4) + "\n";
    }
    return std::string(trim(diff));
}

// "- output mismatch (see /work/generic/001.out.bad)" names a place in the machine that has gone.
std::string without_place(std::string_view message) {
    if (auto at = message.find(" (see /"); at != std::string_view::npos && message.ends_with(')'))
        message = message.substr(0, at);
    if (message.starts_with("- "))
        message.remove_prefix(2);
    return std::string(trim(message));
}

// The exit status comes before what else was wrong, in one line.
std::string reason_of(const Verdict& verdict, const XunitCase* reported) {
    std::string text = verdict.message;
    if (verdict.status == TestStatus::NotRun) {
        for (const auto& line : verdict.detail)
            if (!trim(line).empty())
                text += " " + std::string(trim(line));
        return text;
    }
    if (text.empty())
        for (const auto& line : verdict.detail)
            if (text.empty())
                text = trim(line);
    auto bracket = text.find(']');
    if (text.starts_with("[failed, ") && bracket != std::string::npos) {
        auto status = text.substr(1, bracket - 1);
        auto further = without_place(std::string_view(text).substr(bracket + 1));
        return further.empty() ? status : status + "; " + further;
    }
    if (text.empty() && reported != nullptr)
        text = reported->message;
    return without_place(text);
}

} // namespace

Attempt attempt_of(const Verdict& verdict, const XunitCase* reported) {
    Attempt attempt{.status = verdict.status, .seconds = verdict.seconds};
    if (reported != nullptr) {
        attempt.status = std::max(attempt.status, reported->status);
        if (!attempt.seconds)
            attempt.seconds = reported->seconds;
    }
    if (attempt.status == TestStatus::Expunged)
        attempt.seconds.reset();
    if (attempt.status == TestStatus::Passed || attempt.status == TestStatus::Expunged)
        return attempt;
    attempt.reason = printable(reason_of(verdict, reported));
    if (attempt.status == TestStatus::Failed) {
        attempt.diff = excerpt(
            reported != nullptr && !reported->diff.empty() ? reported->diff : printed_diff(verdict),
            longest_diff);
        if (attempt.reason.empty())
            attempt.reason = "it failed without a reason";
    }
    return attempt;
}

} // namespace slipway::fstests
