// SPDX-License-Identifier: Apache-2.0
#include "guest/boot_arguments.hpp"

#include <algorithm>

#include "guest/command_line.hpp"

namespace slipway::guest {
namespace {

/// Counts lines on from one offset to the next, for a hostile file has many of both.
class LineCounter {
public:
    explicit LineCounter(std::string_view text) : text_(text) {}
    int line_of(std::size_t offset) {
        line_ += guest::line_of(text_.substr(at_), offset - at_) - 1;
        at_ = offset;
        return line_;
    }

private:
    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
};

} // namespace

std::vector<BootArgument> find_boot_arguments(BootFileKind kind, std::string_view text) {
    std::vector<BootArgument> found;
    auto sites = argument_sites(kind, text);
    std::sort(sites.begin(), sites.end(),
              [](const auto& a, const auto& b) { return a.begin < b.begin; });
    LineCounter lines(text);
    for (const auto& site : sites) {
        auto inside = text.substr(site.begin, site.end - site.begin);
        if (!site.bare_key.empty()) {
            found.push_back(
                {lines.line_of(site.begin), site.bare_key, std::string(inside), site.read_at_boot});
            continue;
        }
        for (const auto& argument : parse_command_line(inside))
            if (argument.has_value && (argument.key == "root" || argument.key == "resume"))
                found.push_back({lines.line_of(site.begin + argument.begin), argument.key,
                                 argument.value, site.read_at_boot});
    }
    return found;
}

} // namespace slipway::guest
