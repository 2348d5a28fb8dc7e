// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/strings.hpp"
#include "invocation.hpp"
#include "ops/fstests.hpp"

namespace slipway::app {
namespace {

// Names come from files that others may have written.
Status print(Invocation& invocation, const Json& json, const std::string& text) {
    return invocation.terminal.out(invocation.json ? render_json_pretty(json) + "\n"
                                                   : printable(text));
}

CLI::App* add_verb(CLI::App& parent, Invocation& invocation, const char* name, const char* help) {
    auto* verb = parent.add_subcommand(name, help);
    add_output_options(*verb, invocation);
    return verb;
}

void declare_groups(CLI::App& fstests, Invocation& invocation) {
    auto* verb = add_verb(fstests, invocation, "groups", "List the groups of tests");
    struct Options {
        std::string directory, fstype;
    };
    auto options = std::make_shared<Options>();
    verb->add_option("--fstests", options->directory, "Directory of fstests")->required();
    verb->add_option("--fstype", options->fstype, "Only generic tests and those of this type");
    verb->callback([&invocation, options] {
        invocation.action = [&invocation, options]() -> Result<int> {
            SLIPWAY_TRY(auto groups, ops::fstests_groups(options->directory, options->fstype));
            SLIPWAY_CHECK(print(invocation, ops::to_json(groups), ops::render_text(groups)));
            return 0;
        };
    });
}

void declare_setup(CLI::App& fstests, Invocation& invocation) {
    auto* verb =
        add_verb(fstests, invocation, "setup", "Say what is missing here to build and run fstests");
    auto directory = std::make_shared<std::string>();
    verb->add_option("--fstests", *directory, "Look at this directory of fstests too");
    verb->callback([&invocation, directory] {
        invocation.action = [&invocation, directory]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto setup, ops::fstests_setup(context, *directory));
            SLIPWAY_CHECK(print(invocation, ops::to_json(setup), ops::render_text(setup)));
            return setup.is_ready() ? 0 : 1;
        };
    });
}

struct BaselineOptions {
    std::string name, run;
    bool force = false;
};

Result<int> save(Invocation& invocation, const BaselineOptions& options) {
    SLIPWAY_CHECK(ops::check_new_baseline(options.name, options.force));
    SLIPWAY_TRY(auto run, ops::load_run(options.run));
    SLIPWAY_TRY(auto baseline, ops::save_baseline(options.name, run, options.force));
    SLIPWAY_CHECK(print(invocation, fstests::to_json(baseline), fstests::render_line(baseline)));
    return 0;
}

Result<int> list(Invocation& invocation) {
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto baselines, ops::list_baselines(context));
    std::string text;
    for (const auto& baseline : baselines)
        text += fstests::render_line(baseline);
    SLIPWAY_CHECK(print(invocation, ops::to_json(baselines), text));
    return 0;
}

Result<int> show(Invocation& invocation, const BaselineOptions& options) {
    SLIPWAY_TRY(auto baseline, ops::show_baseline(options.name));
    auto text = fstests::render_line(baseline);
    for (const auto& [name, test] : baseline.tests)
        text += fmt::format("  {:<16} {}{}{}\n", name, fstests::name_of(test.status),
                            test.flaky ? ", flaky" : "",
                            test.reason.empty() ? "" : "   " + test.reason);
    SLIPWAY_CHECK(print(invocation, fstests::to_json(baseline), text));
    return 0;
}

Result<int> compare(Invocation& invocation, const BaselineOptions& options) {
    SLIPWAY_TRY(auto run, ops::load_run(options.run));
    SLIPWAY_TRY(auto comparison, ops::compare_baseline(options.name, run));
    SLIPWAY_CHECK(
        print(invocation, fstests::to_json(comparison), fstests::render_text(comparison)));
    return comparison.regressions.empty() ? 0 : 1;
}

void declare_baseline(CLI::App& fstests, Invocation& invocation) {
    auto* baseline = fstests.add_subcommand("baseline", "Keep results, and compare with them");
    baseline->require_subcommand(1);
    auto add = [&](const char* name, const char* help, auto action, bool takes_run) {
        auto* verb = add_verb(*baseline, invocation, name, help);
        auto options = std::make_shared<BaselineOptions>();
        verb->add_option("NAME", options->name, "Of the baseline")->required();
        if (takes_run)
            verb->add_option("RUN", options->run,
                             "Directory or result.json of a run; the newest without it");
        verb->callback([&invocation, options, action] {
            invocation.action = [&invocation, options, action] {
                return action(invocation, *options);
            };
        });
        return std::pair(verb, options);
    };
    auto [saving, options] = add("save", "Keep the results of a run", save, true);
    saving->add_flag("--force", options->force, "Replace a baseline of that name");
    add("show", "Print one", show, false);
    add("compare", "Say what has changed; exit code 1: there are regressions", compare, true);
    auto* all = add_verb(*baseline, invocation, "list", "List them");
    all->callback(
        [&invocation] { invocation.action = [&invocation] { return list(invocation); }; });
}

} // namespace

void declare_fstests(CLI::App& app, Invocation& invocation) {
    auto* fstests = app.add_subcommand("fstests", "Test file systems of a kernel with fstests");
    fstests->require_subcommand(1);
    declare_fstests_run(*fstests, invocation);
    declare_groups(*fstests, invocation);
    declare_baseline(*fstests, invocation);
    declare_setup(*fstests, invocation);
}

} // namespace slipway::app
