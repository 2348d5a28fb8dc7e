// SPDX-License-Identifier: Apache-2.0
#include "storage/key_option.hpp"

#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::storage {
namespace {

constexpr auto forms = "WHICH:file:PATH, WHICH:fd:N or WHICH:prompt, where WHICH is a volume "
                       "(sda3, vg/lv), a LUKS UUID, or all";

struct Method {
    std::size_t at; ///< of the colon before it
    std::string_view name;
    bool has_value;
};

// Names of volumes hold colons themselves ("luks:sda3", "md:data"), so the method is looked for.
std::optional<Method> find_method(std::string_view text) {
    std::optional<Method> first;
    for (std::string_view name : {":file:", ":fd:", ":key:"}) {
        auto at = text.find(name);
        if (at != std::string_view::npos && (!first || at < first->at))
            first = Method{at, name, true};
    }
    constexpr std::string_view prompt = ":prompt";
    if (!first && text.ends_with(prompt))
        first = Method{text.size() - prompt.size(), prompt, false};
    return first;
}

} // namespace

Result<KeyOption> parse_key_option(std::string_view text) {
    auto method = find_method(text);
    // The text itself is not repeated: someone may have written the passphrase there.
    if (!method || method->at == 0)
        return fail(Code::InvalidArgument, "--key does not say which volume and where its key is",
                    forms);
    KeyOption option{.selector = std::string(text.substr(0, method->at))};
    auto value = text.substr(method->at + method->name.size());
    if (method->name == ":key:")
        return fail(
            Code::InvalidArgument,
            fmt::format("--key {}:key:… would show the secret to everybody on this machine",
                        printable(option.selector)),
            fmt::format("{0}:file:PATH, {0}:fd:N or {0}:prompt", printable(option.selector)));
    if (method->name == ":file:") {
        if (value.empty() || value.find('\0') != std::string_view::npos)
            return fail(Code::InvalidArgument, "--key names no file", forms);
        option.source = KeyOption::Source::File;
        option.path = value;
    } else if (method->name == ":fd:") {
        auto number = parse_number(value);
        if (!number || *number > std::numeric_limits<int>::max())
            return fail(Code::InvalidArgument, "--key names no descriptor behind fd:", forms);
        option.source = KeyOption::Source::Descriptor;
        option.descriptor = static_cast<int>(*number);
    }
    return option;
}

} // namespace slipway::storage
