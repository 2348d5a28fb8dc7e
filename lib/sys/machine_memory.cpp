// SPDX-License-Identifier: Apache-2.0
#include "sys/machine_memory.hpp"

#include <string_view>

#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {
namespace {

std::uint64_t kib_of(std::string_view meminfo, std::string_view name) {
    for (auto line : split_lines(meminfo))
        if (line.starts_with(name))
            if (auto words = split_words(line.substr(name.size())); !words.empty())
                return parse_number(words[0]).value_or(0);
    return 0;
}

} // namespace

Memory machine_memory() {
    auto text = read_file("/proc/meminfo").value_or("");
    return {.total = kib_of(text, "MemTotal:") << 10,
            .available = kib_of(text, "MemAvailable:") << 10};
}

} // namespace slipway::sys
