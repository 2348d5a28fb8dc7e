// SPDX-License-Identifier: Apache-2.0
// Any bytes as an initramfs: segments, decoders, cpio, and what is concluded from the members.
#include <cstddef>
#include <cstdint>

#include "archive/initramfs_reader.hpp"
#include "guest/initramfs_contents.hpp"
#include "sys/fd.hpp"

// libarchive 3.6 asks for as much memory as a header claims for its name, and takes a refusal well;
// the reader lets it fill 64 KiB.
extern "C" const char* __asan_default_options() {
    return "allocator_may_return_null=1:max_allocation_size_mb=512";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace slipway;
    auto memory = sys::make_memfd("fuzz", {reinterpret_cast<const char*>(data), size});
    if (!memory)
        return 0;
    guest::ContentsCollector collector("");
    auto visitor = [&](const archive::InitramfsEntry& entry,
                       archive::EntryContent& content) -> Status {
        SLIPWAY_CHECK(collector.visit(entry, content));
        // Where the collector has read it, there is nothing left.
        if (auto rest = content.read(1 << 16); !rest && rest.error().code == Code::Internal)
            __builtin_trap();
        return {};
    };
    auto layout =
        archive::read_initramfs(*memory, visitor, {.entries = 1000, .unpacked_size = 4 << 20});
    std::uint64_t end = 0;
    if (layout)
        for (const auto& segment : layout->segments) {
            // Segments lie in the file, in order, and do not overlap.
            if (segment.offset < end || segment.size == 0 ||
                segment.offset + segment.size > layout->size)
                __builtin_trap();
            end = segment.offset + segment.size;
        }
    [[maybe_unused]] auto contents = collector.finish();
    return 0;
}
