// SPDX-License-Identifier: Apache-2.0
// Any file as each of rpm's databases, and any value as a header.
#include "fuzz_text.hpp"
#include "guest/rpm_database.hpp"

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto file = sys::make_memfd("fuzz", fuzz::text_of(data, size));
    if (!file)
        return 0;
    for (auto* visit : {guest::visit_sqlite, guest::visit_berkeley, guest::visit_ndb}) {
        std::size_t seen = 0;
        [[maybe_unused]] auto visited = visit(*file, [&](guest::HeaderBlob& blob) -> Status {
            if (auto package = guest::parse_rpm_header(blob))
                fuzz::must(!package->name.empty());
            if (++seen > 1000)
                return fail(Code::Corrupt, "enough");
            return {};
        });
    }
    return 0;
}
