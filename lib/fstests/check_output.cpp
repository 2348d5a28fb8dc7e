// SPDX-License-Identifier: Apache-2.0
#include "fstests/check_output.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

constexpr std::size_t most_detail = 200;
constexpr std::size_t most_other = 50;
constexpr std::size_t longest_line = 64 << 10;
constexpr std::string_view not_run = "[not run]";
constexpr std::array<std::string_view, 5> trailers{"Ran: ", "Not run: ", "Failures: ", "Failed ",
                                                   "Passed all "};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

// "12s" as 12.
std::optional<double> seconds_in(std::string_view text) {
    if (!text.ends_with('s'))
        return std::nullopt;
    auto number = parse_number(text.substr(0, text.size() - 1));
    return number ? std::optional(static_cast<double>(*number)) : std::nullopt;
}

// Takes " 5s ... " off the front of what follows a name.
std::optional<double> take_last_time(std::string_view& rest) {
    constexpr std::string_view mark = "s ...";
    auto text = trim(rest);
    auto at = text.find(mark);
    if (at == std::string_view::npos)
        return std::nullopt;
    auto seconds = seconds_in(text.substr(0, at + 1));
    if (seconds)
        rest = trim(text.substr(at + mark.size()));
    return seconds;
}

// The name, where a line begins with it and goes on.
std::string_view test_of(std::string_view line) {
    auto name = test_name_in(line);
    return !name.empty() && name.size() < line.size() && line[name.size()] == ' '
               ? name
               : std::string_view();
}

} // namespace

std::string_view test_name_in(std::string_view line) {
    std::size_t at = 0;
    while (at < line.size() && is_word(line[at]))
        ++at;
    if (at == 0 || at >= line.size() || line[at] != '/')
        return {};
    auto digits = at + 1;
    auto end = digits;
    while (end < line.size() && is_word(line[end]))
        ++end;
    if (end - digits < 3 ||
        !std::all_of(line.begin() + static_cast<std::ptrdiff_t>(digits),
                     line.begin() + static_cast<std::ptrdiff_t>(digits) + 3, is_digit))
        return {};
    return line.substr(0, end);
}

void CheckOutput::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        auto end = bytes.find('\n');
        line_ +=
            bytes.substr(0, end).substr(0, longest_line - std::min(longest_line, line_.size()));
        if (end == std::string_view::npos)
            break;
        bytes.remove_prefix(end + 1);
        take_line(std::exchange(line_, {}));
        line_has_begun_ = false;
    }
    auto name = test_of(line_);
    if (line_has_begun_ || name.empty())
        return;
    begin(name);
    line_has_begun_ = true;
}

void CheckOutput::finish() {
    if (!line_has_begun_ && !line_.empty())
        take_line(line_);
    line_.clear();
    if (open_ && judged_)
        close();
}

std::string CheckOutput::running() const {
    bool ended = !open_ || (judged_ && open_->status == TestStatus::NotRun);
    return ended ? "" : open_->name;
}

std::string CheckOutput::heading(std::string_view name) const {
    auto found = headings_.find(name);
    return found == headings_.end() ? "" : found->second;
}

void CheckOutput::begin(std::string_view name) {
    close();
    open_ = Verdict{.section = section_, .name = std::string(name)};
    judged_ = false;
    complete_ = false;
    ++begun_;
}

// A test without a verdict was interrupted.
void CheckOutput::close() {
    if (open_ && judged_)
        verdicts_.push_back(*std::move(open_));
    open_.reset();
}

void CheckOutput::judge(std::string_view rest) {
    judged_ = true;
    open_->last_seconds = take_last_time(rest);
    rest = trim(rest);
    open_->seconds = seconds_in(rest);
    if (open_->seconds) {
        open_->status = TestStatus::Passed;
        return close();
    }
    if (rest == "[expunged]") {
        open_->status = TestStatus::Expunged;
        return close();
    }
    if (rest.starts_with(not_run)) {
        open_->status = TestStatus::NotRun;
        rest = trim(rest.substr(not_run.size()));
    } else if (rest == "- no such test?") {
        open_->status = TestStatus::NotRun;
    }
    open_->message = rest;
}

void CheckOutput::take_line(std::string_view line) {
    if (auto name = test_of(line); !name.empty()) {
        if (!line_has_begun_)
            begin(name);
        auto rest = line.substr(name.size());
        // Where check is interrupted, the list follows in the line of the test.
        if (trim(rest).starts_with(trailers.front())) {
            close();
            return;
        }
        return judge(rest);
    }
    if (take_trailer(line) || take_heading(line))
        return;
    if (open_) {
        if (open_->detail.size() < most_detail)
            open_->detail.emplace_back(line);
        return;
    }
    if (trim(line).empty())
        return;
    if (other_.size() >= most_other)
        other_.erase(other_.begin());
    other_.emplace_back(line);
}

bool CheckOutput::take_trailer(std::string_view line) {
    if (line == "Interrupted!") {
        interrupted_ = true;
        return true;
    }
    bool is_trailer = std::any_of(trailers.begin(), trailers.end(),
                                  [line](auto trailer) { return line.starts_with(trailer); });
    if (!is_trailer)
        return false;
    close();
    complete_ = complete_ || line.starts_with("Failed ") || line.starts_with("Passed ");
    return true;
}

// "SECTION       -- name", "FSTYP         -- ext4".
bool CheckOutput::take_heading(std::string_view line) {
    constexpr std::string_view mark = " -- ";
    auto at = line.find(mark);
    if (at == std::string_view::npos || open_)
        return false;
    auto name = trim(line.substr(0, at));
    bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || c == '_';
    });
    if (!is_name)
        return false;
    auto value = std::string(trim(line.substr(at + mark.size())));
    if (name == "SECTION")
        section_ = value;
    headings_.insert_or_assign(std::string(name), std::move(value));
    return true;
}

} // namespace slipway::fstests
