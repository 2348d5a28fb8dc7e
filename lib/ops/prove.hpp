// SPDX-License-Identifier: Apache-2.0
// prove: boots a throw-away overlay in QEMU, and says which stage the boot reached.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ops/open_image.hpp"
#include "vm/qemu_spec.hpp"
#include "vm/stage.hpp"

namespace slipway::ops {

/// One boot of one disk.
struct ProveRequest {
    image::BlockGraph disk; ///< writable, of an overlay that is dropped
    vm::Bus bus = vm::Bus::Virtio;
    vm::Firmware firmware = vm::Firmware::Bios;
    std::chrono::seconds timeout{300};
    unsigned memory_mib = 1024;
    std::string arch{}; ///< of the guest, "" unknown; x86 only
    /// Typed where the guest asks for passphrases at its console; may be null.
    std::shared_ptr<const std::vector<storage::Key>> keys{};
    bool until_kernel = false; ///< ends once the boot loader has handed over, or falls silent

    /// QEMU loads the kernel itself. The descriptors are lent.
    struct DirectBoot {
        sys::BorrowedFd kernel;
        sys::BorrowedFd initrd; ///< not valid: none
        std::string cmdline;
    };
    std::optional<DirectBoot> direct{};
};

struct StageEvidence {
    vm::Stage stage = vm::Stage::None;
    double seconds = 0; ///< since the machine started
    std::string evidence;
    std::string method; ///< "serial", "direct-kernel", or "disk-reads" for a boot loader that
                        ///< prints nothing
};

struct ProveResult {
    vm::Stage reached = vm::Stage::None;
    bool login = false;
    std::vector<StageEvidence> stages;
    std::string console_tail;         ///< the last lines
    std::string likely_cause;         ///< "" with login
    std::string waits_for_passphrase; ///< of this volume, by the guest's name for it, or ""
    std::string accelerator;
    std::string accelerator_reason;
    std::string method_reason; ///< why there was a direct boot, or none where it may have been
                               ///< needed, or ""
    double seconds = 0;
};

struct ProveOptions {
    vm::Bus bus = vm::Bus::Virtio;
    std::optional<vm::Firmware> firmware{}; ///< unset: what the disk was installed for
    std::chrono::seconds timeout{300};      ///< of each boot
};

/// Ends at a login prompt, three seconds after a definite failure or a question for a passphrase
/// that no key answers, or at the timeout, which is no error. Unsupported where QEMU or UEFI
/// firmware is missing or the guest is no x86; Cancelled within 200 ms of the request.
[[nodiscard]] Result<ProveResult> prove_graph(const Context& context, const ProveRequest& request);

/// The whole verb. A guest without a serial console is booted twice: as it is, for firmware and
/// boot loader, and with its own kernel, initramfs and command line plus a console given by QEMU.
/// What Slipway cannot inspect is booted as it is. The errors of open_disk and prove_graph.
[[nodiscard]] Result<ProveResult> prove(const Context& context, const ImageOptions& image,
                                        const ProveOptions& options);

[[nodiscard]] Json to_json(const ProveResult& result);
[[nodiscard]] std::string render_text(const ProveResult& result);

} // namespace slipway::ops
