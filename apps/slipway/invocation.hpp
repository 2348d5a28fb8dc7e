// SPDX-License-Identifier: Apache-2.0
// One call of the program: the options that every verb has, the terminal, and how verbs are
// declared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "ops/open_image.hpp"
#include "report/plan.hpp"
#include "report/report.hpp"
#include "sys/output_file.hpp"
#include "terminal.hpp"

namespace slipway::app {

struct Invocation {
    std::vector<std::string> argv;
    Terminal& terminal;
    Cancel cancel{};
    std::vector<std::string> guest_argv{}; ///< what stood after "--"
    bool verbose = false;
    bool quiet = false;
    bool json = false;
    ops::ImageOptions image{};
    std::string source_format{};
    std::vector<std::string> keys{}; ///< --key, as given
    std::unique_ptr<session::SupervisedRunner> runner{};
    /// What the chosen verb does; returns the exit code or an error.
    std::function<Result<int>()> action{};

    /// To standard error, as -v and -q want it.
    [[nodiscard]] Log log();
    /// Starts the supervisor on first use.
    [[nodiscard]] Result<ops::Context> context();
    /// Says what is wrong with the options, for verbs whose exit codes are those of a program that
    /// they run. Returns the exit code.
    [[nodiscard]] int say_usage(const Error& error) const;
    /// The image options after --source-format and --key were understood.
    [[nodiscard]] Result<ops::ImageOptions> image_options() const;
};

/// Adds IMAGE, --root, --source-format, --allow-backing, --engine, --sandbox, --sandbox-kernel,
/// --untrusted, --key, -v, -q and --json.
void add_image_options(CLI::App& command, Invocation& invocation);
/// The same and --disk, for all verbs but migrate and prove.
void add_machine_options(CLI::App& command, Invocation& invocation);
/// Adds -v, -q and --json.
void add_output_options(CLI::App& command, Invocation& invocation);
/// Adds --fstab-mode, --regen-initramfs and --update-grub.
void add_policy_options(CLI::App& command, report::Policy& policy, std::string& fstab_mode);
[[nodiscard]] Status parse_fstab_mode(const std::string& text, report::Policy& policy);

/// Writes the report where asked, prints it, and turns it into an exit code: 0, or 1 when something
/// remains that keeps the guest from booting, or the error.
[[nodiscard]] Result<int> finish(Invocation& invocation, const ops::Context& context,
                                 report::Report& report, Status status,
                                 std::optional<sys::OutputFile> file);
/// The file of --report, which replaces an earlier report and no other file; none for "".
[[nodiscard]] Result<std::optional<sys::OutputFile>> open_report(const std::string& path);
/// A file that is written at the end, replacing what is there, but opened before the long work;
/// none for "".
[[nodiscard]] Result<std::optional<sys::OutputFile>> open_page(const std::string& path);
[[nodiscard]] Status publish_page(std::optional<sys::OutputFile>& file, std::string_view text);

/// The actions of a dry run, with their changes.
[[nodiscard]] std::string plan_text(const report::Report& report);

// One file per verb.
void declare_inspect(CLI::App& app, Invocation& invocation);
void declare_migrate(CLI::App& app, Invocation& invocation);
void declare_fix(CLI::App& app, Invocation& invocation);
void declare_run(CLI::App& app, Invocation& invocation);
void declare_prove(CLI::App& app, Invocation& invocation);
void declare_ls(CLI::App& app, Invocation& invocation);
void declare_cat(CLI::App& app, Invocation& invocation);
void declare_get(CLI::App& app, Invocation& invocation);
void declare_put(CLI::App& app, Invocation& invocation);
void declare_mount(CLI::App& app, Invocation& invocation);
void declare_boot(CLI::App& app, Invocation& invocation);
void declare_mcp(CLI::App& app, Invocation& invocation);
void declare_doctor(CLI::App& app, Invocation& invocation);
void declare_rootfs(CLI::App& app, Invocation& invocation);
void declare_fstests(CLI::App& app, Invocation& invocation);
void declare_fstests_run(CLI::App& fstests, Invocation& invocation); ///< a verb below it
void declare_netboot(CLI::App& app, Invocation& invocation);
void declare_cleanup(CLI::App& app, Invocation& invocation);

/// The whole program, for main and for tests: parses, acts, prints.
[[nodiscard]] int run_program(const std::vector<std::string>& argv, Terminal& terminal,
                              const Cancel& cancel);

} // namespace slipway::app
