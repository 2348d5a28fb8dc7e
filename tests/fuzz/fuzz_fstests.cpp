// SPDX-License-Identifier: Apache-2.0
#include "fstests/baseline.hpp"
#include "fstests/check_output.hpp"
#include "fstests/check_time.hpp"
#include "fstests/evidence.hpp"
#include "fstests/groups.hpp"
#include "fstests/junit.hpp"
#include "fstests/needs.hpp"
#include "fstests/sections.hpp"
#include "fstests/xunit.hpp"
#include "fuzz_text.hpp"

using namespace slipway;

namespace {

fstests::CheckOutput read_in_pieces(std::string_view text, std::size_t piece) {
    fstests::CheckOutput output;
    for (std::size_t at = 0; at < text.size(); at += piece)
        output.feed(text.substr(at, piece));
    output.finish();
    return output;
}

// What check prints means the same however it comes, and every verdict can be shown.
void output_is_the_same_in_pieces(std::string_view text) {
    auto whole = read_in_pieces(text, text.size() + 1);
    auto pieces = read_in_pieces(text, 5);
    fuzz::must(whole.begun() == pieces.begun() && whole.running() == pieces.running() &&
               whole.verdicts().size() == pieces.verdicts().size());
    fstests::Run run{.id = "run", .fstype = "ext4"};
    for (const auto& verdict : whole.verdicts())
        run.tests.push_back({.section = verdict.section,
                             .name = verdict.name,
                             .attempts = {fstests::attempt_of(verdict, nullptr)}});
    run.needs = fstests::needs_of(run.tests);
    auto again = fstests::run_from_json(fstests::to_json(run));
    fuzz::must(again && again->tests.size() == run.tests.size());
    fuzz::must(!fstests::render_html(run).empty() && !fstests::render_junit(run).empty());
    fuzz::must(fstests::compare(fstests::make_baseline(run, "", ""), run).regressions.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    output_is_the_same_in_pieces(text);
    (void)fstests::parse_xunit(text);
    (void)fstests::parse_check_time(text);
    if (auto config = fstests::parse_config(text, {}))
        for (const auto& section : config->sections)
            (void)fstests::render_shell(section.settings);
    (void)fstests::parse_expunged(text);
    (void)fstests::need_in(text);
    fstests::Suite suite;
    fstests::add_group_list(suite, "generic", text);
    fstests::add_test(suite, "generic", "001", text);
    return 0;
}
