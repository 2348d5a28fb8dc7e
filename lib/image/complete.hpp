// SPDX-License-Identifier: Apache-2.0
// Whether an image has all the data that its own tables speak of. QEMU reads zeros where a file was
// cut off, so a truncated image would otherwise be copied without a word.
#pragma once

#include "image/source.hpp"

namespace slipway::image {

/// Corrupt for an image that is cut off or whose tables contradict each other. Reads the tables,
/// not the data; what is missing from the last cluster of a qcow2 or the last grain of a sparse
/// VMDK is not noticed. Of a raw image it is noticed where its GPT names sectors beyond the end;
/// VHD images have no such tables, and those of VHDX are checked when they are opened. Backing
/// files are checked as well.
[[nodiscard]] Status check_complete(const sys::Host& host, const Source& source);

/// The part for VDI, whose header says how many blocks there are.
[[nodiscard]] Status check_vdi_length(sys::BorrowedFd file);

} // namespace slipway::image
