// SPDX-License-Identifier: Apache-2.0
// What was given in place of a disk image, as a volume: a directory of this machine, or an archive,
// which is unpacked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "image/attach.hpp"
#include "mount/volumes.hpp"
#include "report/finding.hpp"
#include "sys/host.hpp"

namespace slipway::work {

/// "disks" of the arguments of "open". Protocol where there are none.
[[nodiscard]] Result<std::vector<image::DiskSpec>> disk_specs(const Json& arguments);

class GivenTree {
public:
    /// Takes what is no disk out of `specs`; nothing if all are. To be called before the mount
    /// namespace is left: a directory is known by a descriptor of that.
    [[nodiscard]] static Result<std::optional<GivenTree>>
    take_from(std::vector<image::DiskSpec>& specs);

    /// Makes the tree below `workspace`, a private tmpfs. Its node is a directory. Findings are
    /// about what could not be unpacked.
    [[nodiscard]] Result<mount::MountableVolume>
    make_volume(const sys::Host& host, const std::string& workspace, report::Findings& findings);
    /// What was written is to be dropped with the session.
    [[nodiscard]] bool writable() const { return spec_.writable; }
    /// Lets go. The volume must be unmounted.
    [[nodiscard]] Status close();

private:
    // NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
    GivenTree() = default;
    [[nodiscard]] Status show_directory();
    [[nodiscard]] Status unpack(const sys::Host& host, const std::string& workspace,
                                report::Findings& findings);
    [[nodiscard]] Status make_place(const sys::Host& host, const std::string& workspace);

    image::DiskSpec spec_;
    std::optional<image::DiskSpec> scratch_spec_;
    sys::OwnedFd directory_; ///< a mount that is nowhere yet
    std::optional<image::AttachedDisk> scratch_;
    std::string place_; ///< where the tree is, or "" before
};

} // namespace slipway::work
