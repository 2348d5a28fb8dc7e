// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

namespace slipway {

Result<std::uint64_t> parse_size(std::string_view text) {
    double number = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    auto suffix = std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end));
    double factor = 1;
    if (!suffix.empty()) {
        constexpr std::string_view letters = "KMGTP";
        auto power = letters.find(static_cast<char>(suffix[0] & ~0x20));
        auto rest = suffix.substr(1);
        if (power == std::string_view::npos || !(rest.empty() || rest == "iB" || rest == "B"))
            error = std::errc::invalid_argument;
        factor = std::pow(1024.0, static_cast<double>(power) + 1);
    }
    auto bytes = number * factor;
    if (error != std::errc{} || text.empty() || number < 0 || bytes >= 9.2e18)
        return fail(Code::InvalidArgument, fmt::format("'{}' is not a size", text),
                    "write a number with K, M, G or T, such as 10G");
    return static_cast<std::uint64_t>(std::llround(bytes));
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    if (unit == 0)
        return fmt::format("{} B", bytes);
    // Three digits, and not 1e+03 of those that have four.
    return fmt::format("{:.{}g} {}", value, value >= 999.5 ? 4 : 3, units[unit]);
}

std::string format_seconds(double seconds) {
    if (seconds < 60)
        return fmt::format("{:.2f} s", seconds);
    auto whole = static_cast<long>(seconds);
    return fmt::format("{} min {} s", whole / 60, whole % 60);
}

std::string format_utc(std::int64_t seconds) {
    std::tm parts{};
    auto time = static_cast<std::time_t>(seconds);
    std::array<char, 64> text{};
    ::gmtime_r(&time, &parts);
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

} // namespace slipway
