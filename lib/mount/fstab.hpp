// SPDX-License-Identifier: Apache-2.0
// /etc/fstab read and edited token by token: comments, spacing, octal escapes, line endings and
// missing last newlines stay as they are. Format: fstab(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::mount {

/// One line that mounts something, fields unescaped.
struct FstabLine {
    int line_no = 0; ///< from 1
    std::string spec;
    std::string mountpoint;
    std::string type;
    std::string options; ///< "" when the line has no fourth field
};

class Fstab {
public:
    /// Never fails: lines that make no sense are kept as they are and stand in `malformed()`.
    [[nodiscard]] static Fstab parse(std::string_view text);
    [[nodiscard]] const std::vector<FstabLine>& lines() const { return lines_; }
    [[nodiscard]] const std::vector<int>& malformed() const { return malformed_; }
    /// Replaces the first field of a line, escaping it as fstab(5) wants. No-op for unknown lines.
    void set_spec(int line_no, std::string_view spec);
    /// Puts "# " and a note before a line.
    void comment_out(int line_no, std::string_view note);
    [[nodiscard]] std::string render() const;

private:
    std::vector<std::string> raw_; ///< lines with their terminators
    std::vector<FstabLine> lines_;
    std::vector<int> malformed_;
};

/// A device by its place on a bus, which changes with the move: /dev/sd*, hd*, xvd*, vd*, nvme*,
/// mmcblk*, cciss, disk/by-path, and disk/by-id but for what names the contents (dm-*, md-*,
/// lvm-pv-uuid-*). Not removable drives (sr, fd, cdrom).
[[nodiscard]] bool is_bus_dependent(std::string_view spec);
/// What a device name such as /dev/sda2, /dev/vdb, /dev/nvme0n1p3 or /dev/cciss/c0d0p1 points at:
/// disk index from 0 and partition (0: whole disk).
struct DiskPartition {
    unsigned disk = 0;
    unsigned partition = 0;
};
[[nodiscard]] std::optional<DiskPartition> parse_device_name(std::string_view path);

} // namespace slipway::mount
