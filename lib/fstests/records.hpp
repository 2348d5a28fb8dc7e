// SPDX-License-Identifier: Apache-2.0
// What a run of fstests comes to: a record for each test, and one for the whole. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace slipway::fstests {

/// From the best to the worst.
enum class TestStatus {
    Passed,
    Expunged,   ///< excluded by name or group, never started
    NotRun,     ///< it found that it cannot run here
    NotReached, ///< the run ended before it
    Failed,     ///< wrong output, exit status, file system or kernel log
    TimedOut,   ///< it took longer than a test may, and its machine was ended
    Crashed     ///< the kernel or the machine ended while it ran
};
/// "passed", "expunged", "not run", "not reached", "failed", "timed out", "crashed".
[[nodiscard]] std::string_view name_of(TestStatus status);
[[nodiscard]] std::optional<TestStatus> status_named(std::string_view name);
/// Failed, timed out or crashed.
[[nodiscard]] bool is_bad(TestStatus status);

/// A complaint of the kernel while a test ran.
struct KernelComplaint {
    std::string kind;  ///< "panic", "oops", "lockdep", …: see vm::KernelReport
    std::string title; ///< its first line
    std::string function{};
    bool fatal = false;
};

/// What one test came to, once.
struct Attempt {
    TestStatus status = TestStatus::NotReached;
    std::optional<double> seconds{};
    std::string reason{};  ///< why it failed, was not run or crashed, one line; "" if it passed
    std::string diff{};    ///< of the expected output and its own, at most 64 KiB
    std::string console{}; ///< of a test that crashed or timed out: the console's last lines
    std::vector<KernelComplaint> complaints{};
    std::string full{}; ///< its own log, a path below the run's directory; "" if there is none
};

struct Test {
    std::string section;             ///< of the configuration; "" without sections
    std::string name;                ///< "generic/001"
    std::vector<Attempt> attempts{}; ///< at least one; several with `repeat`

    /// The worst of the attempts.
    [[nodiscard]] const Attempt& worst() const;
    /// It passed at one attempt and went wrong at another.
    [[nodiscard]] bool is_flaky() const;
    /// "section:generic/001", or just the name.
    [[nodiscard]] std::string id() const;
};

/// A program, user, kernel option or device that tests miss.
struct Need {
    std::string kind;    ///< "program", "user", "group", "kernel", "device", "fstests"
    std::string name;    ///< "fio", "fsgqa", "dm-flakey", "LOGWRITES_DEV"
    std::string package; ///< of Debian that has the program, or ""
    std::string remedy;  ///< one sentence
    std::vector<std::string> tests{};
};

struct Summary {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t not_run = 0;
    std::size_t expunged = 0;
    std::size_t crashed = 0;
    std::size_t timed_out = 0;
    std::size_t not_reached = 0;
    std::size_t flaky = 0; ///< counted above too, by their worst attempt
};

/// A boot of the kernel under test.
struct Machine {
    unsigned shard = 0; ///< counted from 1
    std::string section;
    std::string end;             ///< "exited", "panicked", "timed out", "died", "stopped" by us
    std::size_t tests = 0;       ///< that began in it
    double seconds_to_check = 0; ///< from its start to the start of check
    double seconds = 0;          ///< in all
};

/// A whole run.
struct Run {
    std::string id;      ///< of the run, and the name of its directory
    std::string started; ///< UTC, "2026-01-31T12:00:00Z"
    double seconds = 0;
    std::string kernel;         ///< as given
    std::string kernel_release; ///< as the machine says
    std::string machine;        ///< "uml" or "qemu", with the accelerator
    std::string root;
    std::string fstests;
    std::string fstype;
    std::string selection; ///< words that selected the tests and sections, as check has them
    std::string directory; ///< all files of the run: results of check, consoles
    std::vector<Test> tests{};
    std::vector<Need> needs{};
    std::vector<Machine> machines{};
    std::vector<std::string> notes{}; ///< what the user should know: options that were left out, …
    std::optional<Error> error{};     ///< why the run ended early

    [[nodiscard]] Summary summary() const;
};

[[nodiscard]] Json to_json(const Summary& summary);
[[nodiscard]] Json to_json(const Need& need);
[[nodiscard]] Json to_json(const Test& test);
/// slipway.fstests.v1
[[nodiscard]] Json to_json(const Run& run);
/// Reads `to_json`; unknown fields are ignored. Corrupt where it is no run.
[[nodiscard]] Result<Run> run_from_json(const Json& json);
/// One line: "generic/001      failed  3 s   output mismatch".
[[nodiscard]] std::string render_text(const Test& test);
[[nodiscard]] std::string render_text(const Run& run);

} // namespace slipway::fstests
