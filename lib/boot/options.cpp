// SPDX-License-Identifier: Apache-2.0
#include "boot/options.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "loading/digests.hpp"

namespace slipway::boot {
namespace {

constexpr std::uint64_t longest_wait = 365UL * 24 * 3600; // seconds

std::string without_quotes(std::string_view text) {
    if (text.starts_with('"'))
        text.remove_prefix(1);
    if (text.ends_with('"'))
        text.remove_suffix(1);
    return std::string(text);
}

// "90", "90s", "15m", "2h".
std::optional<std::chrono::seconds> parse_wait(std::string_view text) {
    std::uint64_t unit = 1;
    if (!text.empty() && std::isdigit(static_cast<unsigned char>(text.back())) == 0) {
        unit = text.back() == 'h' ? 3600 : text.back() == 'm' ? 60 : text.back() == 's' ? 1 : 0;
        text.remove_suffix(1);
    }
    auto number = parse_number(text);
    if (!number || unit == 0 || *number > longest_wait / unit)
        return std::nullopt;
    return std::chrono::seconds(*number * unit);
}

// Takes values; false where one makes no sense.
using Taker = std::function<bool(const std::string&)>;

std::map<std::string, Taker, std::less<>> takers_of(BootOptions& options) {
    auto text = [](std::string& into) -> Taker {
        return [&into](const std::string& value) {
            into = value;
            return !value.empty();
        };
    };
    auto texts = [](std::vector<std::string>& into) -> Taker {
        return [&into](const std::string& value) {
            into.push_back(value);
            return !value.empty();
        };
    };
    return {
        {"image_url", text(options.image_url)},
        {"slipway.mirror", texts(options.mirrors)},
        {"image_sha256",
         [&options](const std::string& value) {
             options.image_sha256 = to_lower(value);
             return loading::is_sha256(value);
         }},
        {"slipway.entry",
         [&options](const std::string& value) {
             auto entry = loading::entry_named(value);
             options.entry = entry.value_or(loading::Entry::Contained);
             return entry.has_value();
         }},
        {"slipway.images", text(options.images)},
        {"slipway.from", text(options.from)},
        {"slipway.persist", text(options.persist)},
        {"slipway.cache", text(options.cache)},
        {"slipway.cache_size",
         [&options](const std::string& value) {
             if (auto size = parse_size(value))
                 options.cache_size = *size;
             return options.cache_size.has_value();
         }},
        {"slipway.server", text(options.server)},
        {"slipway.ip", text(options.network.address)},
        {"slipway.gateway", text(options.network.gateway)},
        {"slipway.dns", texts(options.network.name_servers)},
        {"slipway.interface", text(options.network.interface)},
        {"slipway.ntp", text(options.ntp)},
        {"slipway.return_after",
         [&options](const std::string& value) {
             options.return_after = parse_wait(value);
             return options.return_after.has_value();
         }},
        {"slipway.deadline",
         [&options](const std::string& value) {
             auto wait = parse_wait(value);
             options.deadline = wait.value_or(options.deadline);
             return wait.has_value();
         }},
    };
}

} // namespace

std::vector<Parameter> parse_command_line(std::string_view text) {
    std::vector<Parameter> parameters;
    while (true) {
        while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
            text.remove_prefix(1);
        if (text.empty())
            return parameters;
        bool quoted = false;
        std::size_t end = 0, equals = std::string_view::npos;
        for (; end < text.size(); ++end) {
            if (text[end] == '"')
                quoted = !quoted;
            else if (text[end] == '=' && equals == std::string_view::npos)
                equals = end;
            else if (!quoted && std::isspace(static_cast<unsigned char>(text[end])) != 0)
                break;
        }
        auto word = text.substr(0, end);
        text.remove_prefix(end);
        if (equals == std::string_view::npos) {
            parameters.push_back({without_quotes(word)});
            continue;
        }
        // "name=a b" may be quoted as a whole, or its value alone.
        auto name = word.substr(0, equals);
        auto value = word.substr(equals + 1);
        if (name.starts_with('"'))
            name.remove_prefix(1);
        parameters.push_back({std::string(name), without_quotes(value)});
    }
}

BootOptions read_boot_options(std::string_view command_line) {
    BootOptions options;
    auto takers = takers_of(options);
    for (const auto& [name, value] : parse_command_line(command_line)) {
        if (name == "bootstrap_debug")
            options.debug = options.network.debug = value.value_or("1") != "0";
        else if (name == "slipway.insecure")
            options.insecure = value.value_or("1") != "0";
        else if (name == "slipway.lazy")
            options.lazy = value.value_or("1") != "0";
        else if (name == "console" && value) {
            auto console = value->substr(0, value->find(','));
            auto& known = options.consoles;
            if (!console.empty() && std::find(known.begin(), known.end(), console) == known.end())
                known.push_back(console);
        } else if (auto taker = takers.find(name); taker != takers.end()) {
            if (!taker->second(value.value_or("")))
                options.complaints.push_back(fmt::format("{}={} on the kernel's command line makes "
                                                         "no sense",
                                                         name, printable(value.value_or(""))));
        } else if (name.starts_with("slipway."))
            options.complaints.push_back(
                fmt::format("{} on the kernel's command line is not known", printable(name)));
    }
    return options;
}

} // namespace slipway::boot
