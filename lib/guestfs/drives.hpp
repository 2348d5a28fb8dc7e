// SPDX-License-Identifier: Apache-2.0
// The drives of a handle, opened together. Private to the module.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ops/in_place.hpp"

namespace slipway::guestfs {

struct Drive {
    std::string path;
    bool readonly = false; ///< what is written is dropped
    std::optional<image::Format> format{};
    bool allow_backing = false; ///< it may name a backing file
    std::string label{};        ///< the name by which a client knows it
    std::uint64_t scratch = 0;  ///< bytes: an empty disk that ends with the handle; no path then
    unsigned block_size = 0;    ///< bytes; 0: 512
};

struct LaunchOptions {
    std::string engine = "auto";
    unsigned memory_mib = 0; ///< of a sandbox; 0: as it likes
    bool network = false;    ///< commands of the guest may use it
};

/// Drives with their session. The destructor drops what was written.
class OpenDrives {
public:
    /// The errors of ops::InPlace::open, before anything is written.
    [[nodiscard]] static Result<std::unique_ptr<OpenDrives>> open(const ops::Context& context,
                                                                  const std::vector<Drive>& drives,
                                                                  const LaunchOptions& options);

    /// ops::OpenImage::call.
    [[nodiscard]] Result<Json> call(const std::string& operation, Json arguments,
                                    const session::CallHooks& hooks) const;
    /// False once the worker has died.
    [[nodiscard]] bool is_alive() const { return disks_.opened().session->is_alive(); }
    /// Ends the session and brings all changes into the drives, or none.
    [[nodiscard]] Status commit(const ops::Context& context);

private:
    OpenDrives(std::vector<sys::OwnedFd> scratch, ops::InPlace disks)
        : scratch_(std::move(scratch)), disks_(std::move(disks)) {}
    std::vector<sys::OwnedFd> scratch_; ///< of drives without a file
    ops::InPlace disks_;
};

} // namespace slipway::guestfs
