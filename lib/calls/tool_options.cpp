// SPDX-License-Identifier: Apache-2.0
#include "calls/tool_options.hpp"

#include <optional>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::calls {
namespace {

using Kind = ToolOption::Kind;

// What stands for the argument, or nothing.
Result<std::optional<std::string>> value_of(const ToolOption& option, const Json& argument) {
    bool right = option.kind == Kind::Flag     ? argument.is_boolean()
                 : option.kind == Kind::Number ? argument.is_number_integer()
                                               : argument.is_string();
    if (!right)
        return fail(Code::InvalidArgument, "an argument has the wrong type");
    if (option.kind == Kind::Flag) {
        bool set = argument.get<bool>();
        if (!set && option.off.empty())
            return std::optional<std::string>{};
        return std::optional(std::string(set ? option.prefix : option.off));
    }
    if (option.kind == Kind::Text)
        return std::optional(std::string(option.prefix) + argument.get<std::string>());
    auto number = argument.get<std::int64_t>();
    if (number < option.least)
        return fail(Code::InvalidArgument,
                    fmt::format("{} is too small for the option {}{}", number, option.option,
                                option.prefix.empty() ? "" : fmt::format(" {}", option.prefix)));
    return std::optional(fmt::format("{}{}", option.prefix, number));
}

} // namespace

Result<std::vector<std::string>> words_of(std::span<const ToolOption> options,
                                          const Json& arguments, std::size_t first) {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < options.size(); ++i) {
        const auto& option = options[i];
        if (first + i >= arguments.size() || arguments[first + i].is_null() ||
            option.option.empty())
            continue;
        SLIPWAY_TRY(auto value, value_of(option, arguments[first + i]));
        if (!value)
            continue;
        if (option.prefix.empty()) {
            words.emplace_back(option.option);
            if (option.kind != Kind::Flag)
                words.push_back(std::move(*value));
            continue;
        }
        auto joined = false;
        for (std::size_t word = 0; word + 1 < words.size() && !joined; ++word)
            if (words[word] == option.option) {
                words[word + 1] += "," + *value;
                joined = true;
            }
        if (!joined)
            words.insert(words.end(), {std::string(option.option), std::move(*value)});
    }
    return words;
}

} // namespace slipway::calls
