// SPDX-License-Identifier: Apache-2.0
#include "fstests/check_time.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "fstests/check_output.hpp"

namespace slipway::fstests {

Durations parse_check_time(std::string_view text) {
    Durations durations;
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        if (words.size() != 2 || test_name_in(words[0]) != words[0])
            continue;
        if (auto seconds = parse_number(words[1]))
            durations[std::string(words[0])] = static_cast<double>(*seconds);
    }
    return durations;
}

std::string render_check_time(const Durations& durations) {
    std::string text;
    for (const auto& [test, seconds] : durations)
        text += fmt::format("{} {}\n", test, std::lround(seconds));
    return text;
}

std::vector<std::vector<std::string>> split_by_duration(const std::vector<std::string>& tests,
                                                        const Durations& durations,
                                                        std::size_t parts) {
    parts = std::clamp<std::size_t>(parts, 1, std::max<std::size_t>(tests.size(), 1));
    std::vector<double> known;
    for (const auto& test : tests)
        if (auto found = durations.find(test); found != durations.end())
            known.push_back(found->second);
    std::sort(known.begin(), known.end());
    double usual = known.empty() ? 1 : known[known.size() / 2];
    auto seconds = [&](std::size_t index) {
        auto found = durations.find(tests[index]);
        // Starting a test takes time too, so that tests of 0 s do not all go to one part.
        return 0.5 + (found == durations.end() ? usual : found->second);
    };
    std::vector<std::size_t> order(tests.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return seconds(a) > seconds(b); });
    std::vector<double> load(parts);
    std::vector<std::vector<std::size_t>> taken(parts);
    for (auto index : order) {
        auto least = std::min_element(load.begin(), load.end()) - load.begin();
        load[static_cast<std::size_t>(least)] += seconds(index);
        taken[static_cast<std::size_t>(least)].push_back(index);
    }
    std::vector<std::vector<std::string>> split(parts);
    for (std::size_t part = 0; part < parts; ++part) {
        std::sort(taken[part].begin(), taken[part].end());
        for (auto index : taken[part])
            split[part].push_back(tests[index]);
    }
    return split;
}

} // namespace slipway::fstests
