// SPDX-License-Identifier: Apache-2.0
// Any text as each of the package databases that are text.
#include "fuzz_text.hpp"
#include "guest/package_texts.hpp"

using namespace slipway;

namespace {

void check(const report::Package& package) {
    constexpr std::size_t longest = 3 * 256; // of 256 bytes each may be replaced by three
    fuzz::must(!package.name.empty());
    for (const auto* field : {&package.name, &package.version, &package.release, &package.arch})
        fuzz::must(field->size() <= longest && field->find('\n') == std::string::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    for (const auto& package : guest::parse_dpkg_status(text))
        check(package);
    for (const auto& package : guest::parse_apk_installed(text))
        check(package);
    if (auto package = guest::parse_pacman_desc(text))
        check(*package);
    return 0;
}
