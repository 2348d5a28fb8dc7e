// SPDX-License-Identifier: Apache-2.0
#include "guest/grub_env.hpp"

#include <algorithm>

namespace slipway::guest {
namespace {

constexpr std::string_view signature = "# GRUB Environment Block\n";

// Where the padding begins: it is the run of '#' at the end, after the last newline.
std::size_t end_of_variables(std::string_view block) {
    auto last = block.find_last_not_of('#');
    return last == std::string_view::npos ? 0 : last + 1;
}

// A newline after a backslash belongs to the value.
std::size_t end_of_line(std::string_view block, std::size_t at) {
    while (at < block.size() && block[at] != '\n')
        at += block[at] == '\\' ? 2 : 1;
    return std::min(at, block.size());
}

} // namespace

std::vector<GrubVariable> parse_grub_env(std::string_view block) {
    std::vector<GrubVariable> variables;
    if (!block.starts_with(signature))
        return variables;
    auto stop = end_of_variables(block);
    for (std::size_t at = signature.size(); at < stop;) {
        auto end = std::min(end_of_line(block, at), stop);
        auto line = block.substr(at, end - at);
        auto equals = line.find('=');
        if (equals != std::string_view::npos && equals > 0 && line.front() != '#')
            variables.push_back({std::string(line.substr(0, equals)), at + equals + 1, end});
        at = end + 1;
    }
    return variables;
}

std::optional<std::string_view> grub_variable(std::string_view block, std::string_view name) {
    for (const auto& variable : parse_grub_env(block))
        if (variable.name == name)
            return block.substr(variable.begin, variable.end - variable.begin);
    return std::nullopt;
}

Result<std::string> pad_grub_env(std::string_view edited, std::size_t size) {
    auto used = end_of_variables(edited);
    if (used > size)
        return fail(Code::NoSpace, "the variables no longer fit into GRUB's environment block",
                    "shorten kernelopts in grubenv");
    std::string block(edited.substr(0, used));
    block.resize(size, '#');
    return block;
}

} // namespace slipway::guest
