// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests_watch.hpp"

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t longest_console = 64 << 10;

} // namespace

void FstestsWatch::hear_output(std::string_view bytes) {
    output_.feed(bytes);
    pass_on();
    if (output_.begun() == begun_)
        return;
    begun_ = output_.begun();
    began_ = Clock::now();
    if (marked_.empty())
        console_.clear();
}

void FstestsWatch::finish() {
    output_.finish();
    pass_on();
}

void FstestsWatch::pass_on() {
    for (; told_ < output_.verdicts().size(); ++told_)
        on_verdict_(output_.verdicts()[told_]);
}

void FstestsWatch::hear_console(std::string_view bytes) {
    lines_.feed(bytes, [this](std::string_view line) { see_line(line); });
}

// check writes "run fstests generic/001 at 2026-01-31 12:00:00" to the kernel's log, so that what
// the console says belongs to a test for certain, where the console shows it.
void FstestsWatch::see_line(std::string_view line) {
    constexpr std::string_view mark = "run fstests ";
    if (auto at = line.find(mark); at != std::string_view::npos)
        if (auto name = fstests::test_name_in(line.substr(at + mark.size())); !name.empty()) {
            marked_ = name;
            console_.clear();
        }
    reports_.see(line);
    while (report_tests_.size() < reports_.found().size())
        report_tests_.push_back(marked_.empty() ? output_.running() : marked_);
    console_ += printable(line) + "\n";
    if (console_.size() > longest_console + longest_console / 4)
        console_.erase(0, console_.size() - longest_console);
}

std::vector<fstests::KernelComplaint> FstestsWatch::complaints_of(const std::string& test) const {
    std::vector<fstests::KernelComplaint> complaints;
    for (std::size_t i = 0; i < report_tests_.size(); ++i)
        if (report_tests_[i] == test) {
            const auto& report = reports_.found()[i];
            complaints.push_back({report.kind, report.title, report.function, report.fatal});
        }
    return complaints;
}

} // namespace slipway::ops
