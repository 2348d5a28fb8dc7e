// SPDX-License-Identifier: Apache-2.0
// Headers of image formats, and the text of VMDK descriptors.
#include "fuzz_text.hpp"
#include "image/format.hpp"

#include <unistd.h>

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto bytes = fuzz::text_of(data, size);
    if (auto descriptor = image::parse_vmdk_descriptor(bytes))
        for (const auto& extent : descriptor->extents)
            fuzz::must(extent.file.find('/') == std::string::npos && extent.file != "..");
    static auto file = sys::make_memfd("fuzz");
    fuzz::must(file && ::ftruncate(file->raw(), 0) == 0 && sys::write_all_at(*file, bytes, 0));
    (void)image::probe_format(*file);
    for (auto format : {image::Format::Qcow2, image::Format::Vmdk, image::Format::Vhdx})
        (void)image::probe_format(*file, format);
    return 0;
}
