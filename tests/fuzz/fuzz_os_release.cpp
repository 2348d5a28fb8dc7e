// SPDX-License-Identifier: Apache-2.0
#include "fuzz_text.hpp"
#include "guest/os_release.hpp"

using namespace slipway;

namespace {

std::string in_quotes(std::string_view value) {
    std::string out = "\"";
    for (char c : value) {
        if (std::string_view("\\\"$`").find(c) != std::string_view::npos)
            out += '\\';
        out += c;
    }
    return out + "\"";
}

} // namespace

// What was read, written again as os-release(5) wants it, reads the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto first = guest::parse_os_release(fuzz::text_of(data, size));
    std::string text;
    for (const auto& [name, value] : first)
        text += name + "=" + in_quotes(value) + "\n";
    fuzz::must(guest::parse_os_release(text) == first);
    return 0;
}
