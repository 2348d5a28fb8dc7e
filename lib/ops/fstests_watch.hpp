// SPDX-License-Identifier: Apache-2.0
// What a machine of a run says while it goes: on standard output, and on its console. Pure but for
// the clock.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "fstests/check_output.hpp"
#include "vm/console.hpp"
#include "vm/kernel_reports.hpp"

namespace slipway::ops {

class FstestsWatch {
public:
    /// `on_verdict` is called for each test that has ended.
    explicit FstestsWatch(std::function<void(const fstests::Verdict&)> on_verdict)
        : on_verdict_(std::move(on_verdict)) {}

    void hear_output(std::string_view bytes);
    void hear_console(std::string_view bytes);
    /// The machine has ended.
    void finish();

    [[nodiscard]] const fstests::CheckOutput& output() const { return output_; }
    /// How long the test that runs has been running, or nothing has come where none does.
    [[nodiscard]] double seconds_in_test() const { return seconds_since(began_); }
    /// What the kernel complained of while the test ran.
    [[nodiscard]] std::vector<fstests::KernelComplaint>
    complaints_of(const std::string& test) const;
    /// The console since the last test began, its last 64 KiB.
    [[nodiscard]] const std::string& console() const { return console_; }

private:
    void see_line(std::string_view line);
    void pass_on();

    std::function<void(const fstests::Verdict&)> on_verdict_;
    fstests::CheckOutput output_;
    std::size_t begun_ = 0;
    std::size_t told_ = 0; ///< verdicts that were passed on
    Clock::time_point began_ = Clock::now();
    vm::Console lines_;
    vm::KernelReports reports_;
    std::vector<std::string> report_tests_; ///< which test each report belongs to
    std::string marked_; ///< the test that check announced in the kernel's log, if it did
    std::string console_;
};

} // namespace slipway::ops
