// SPDX-License-Identifier: Apache-2.0
// Which disk image format a file has, told by its content, never by its name; and the references to
// other files that its header holds. Headers are read only as far as safety needs: the formats
// themselves are QEMU's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::image {

enum class Format { Raw, Qcow2, Vmdk, Vpc, Vhdx, Vdi };

/// QEMU's driver name: raw, qcow2, vmdk, vpc (VHD), vhdx, vdi.
[[nodiscard]] std::string_view name_of(Format format);
/// Accepts QEMU's names and "vhd".
[[nodiscard]] Result<Format> parse_format(std::string_view name);

/// One line of a VMDK descriptor's extent table.
struct VmdkExtent {
    std::string access;        ///< RW, RDONLY, NOACCESS
    std::uint64_t sectors = 0; ///< of 512 bytes
    std::string type;          ///< FLAT, SPARSE, VMFS, ZERO, …
    std::string file;          ///< plain name beside the descriptor; "" for ZERO
    std::uint64_t offset = 0;  ///< sectors, FLAT and VMFS only
};

/// What a file says of itself.
struct Probe {
    Format format = Format::Raw;
    std::string subformat{};    ///< of VMDK: monolithicSparse, streamOptimized, descriptor, …
    std::string backing_file{}; ///< named inside the image; "" without
    std::string data_file{};    ///< qcow2's external data file; "" without
    std::vector<VmdkExtent> extents{}; ///< of a VMDK text descriptor
    std::string create_type{};         ///< of a VMDK text descriptor
    /// Its writer can follow "as before or as after": see ops/fix.
    bool rewritable = true;
};

/// Reads the headers. Corrupt for a header that contradicts itself. `forced` skips the guess of the
/// format but still reads what the header refers to.
[[nodiscard]] Result<Probe> probe_format(sys::BorrowedFd file, std::optional<Format> forced = {});

/// Parses the text of a VMDK descriptor (VMware Virtual Disk Format 5.0, "The Descriptor File").
/// Corrupt for malformed extent lines; InvalidArgument for extents that are no plain names.
[[nodiscard]] Result<Probe> parse_vmdk_descriptor(std::string_view text);

} // namespace slipway::image
