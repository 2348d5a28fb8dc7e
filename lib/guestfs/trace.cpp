// SPDX-License-Identifier: Apache-2.0
#include "guestfs/trace.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::guestfs {
namespace {

constexpr std::size_t longest_result = 256;

std::string text_of(const Parameter& parameter, const Json& value) {
    if (parameter.type == Type::Key)
        return "***";
    if (parameter.type == Type::Bytes)
        return fmt::format("<{} bytes>",
                           value.is_string() ? value.get_ref<const std::string&>().size() : 0);
    return render_json(value);
}

std::string text_of(const Json& value, Type type) {
    if (type == Type::None)
        return "0";
    if (value.is_boolean())
        return value.get<bool>() ? "1" : "0";
    if (!value.is_string())
        return render_json(value);
    const auto& text = value.get_ref<const std::string&>();
    if (type == Type::Bytes)
        return fmt::format("<{} bytes>", text.size());
    return render_json(text.substr(0, longest_result)); // it may have gigabytes
}

} // namespace

std::string trace_of_call(const Signature& signature, const Json& arguments) {
    std::string line(signature.name);
    for (std::size_t i = 0; i < arguments.size() && i < signature.parameters.size(); ++i) {
        const auto& parameter = signature.parameters[i];
        if (arguments[i].is_null() && parameter.optional)
            continue;
        auto text = text_of(parameter, arguments[i]);
        if (parameter.optional)
            text = fmt::format("\"{}:{}\"", parameter.name, replace_all(text, "\"", ""));
        line += ' ' + text;
    }
    return line;
}

std::string trace_of_result(const Signature& signature, const Result<Json>& result) {
    auto text = result ? text_of(*result, signature.result) : "-1 (error)";
    if (text.size() > longest_result)
        text = printable(text.substr(0, longest_result)) + "<truncated>"; // a cut letter
    return fmt::format("{} = {}", signature.name, text);
}

} // namespace slipway::guestfs
