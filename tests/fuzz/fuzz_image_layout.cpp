// SPDX-License-Identifier: Apache-2.0
// Partition tables and superblocks as we take them from libblkid: the first megabyte of a disk.
#include <unistd.h>

#include "fuzz_text.hpp"
#include "image/layout.hpp"

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::uint64_t disk_size = 8 << 20;
    static auto file = sys::make_memfd("fuzz");
    fuzz::must(file && ::ftruncate(file->raw(), 0) == 0 &&
               ::ftruncate(file->raw(), disk_size) == 0);
    fuzz::must(
        sys::write_all_at(*file, fuzz::text_of(data, std::min<std::size_t>(size, 1 << 20)), 0)
            .has_value());
    auto layout = image::probe_layout(*file, "sda", disk_size);
    if (layout)
        for (const auto& volume : layout->volumes)
            fuzz::must(volume.start <= disk_size && volume.size <= disk_size - volume.start);
    return 0;
}
