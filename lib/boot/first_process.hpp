// SPDX-License-Identifier: Apache-2.0
// PID 1, and the bootstrap as its child.
//
// In the native way an image's init is the machine's PID 1: this process becomes it, and the
// bootstrap stays beside it. systemd's shutdown gives PID 1 back, as it does to every initramfs
// that leaves /run/initramfs/shutdown behind (systemd's "exitrd"): that is this program again.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "boot/target.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

/// What the bootstrap has of PID 1: a socket that it listens at.
class FirstProcess {
public:
    /// CAP_SYS_ADMIN, and nobody else listens there.
    [[nodiscard]] static Result<FirstProcess> listen();

    /// Ready to read when PID 1 is there again.
    [[nodiscard]] sys::BorrowedFd fd() const { return listening_; }
    /// It becomes the image's init. Errors: what PID 1 could not do; Timeout.
    [[nodiscard]] Status become(const TargetSpec& spec);
    /// What it says now that it is there again: how the image's system ended. Nothing: it is not.
    [[nodiscard]] std::optional<std::string> hear();

private:
    sys::OwnedFd listening_;
    sys::OwnedFd connection_;
};

/// Only for images with systemd: another init would switch the machine off at its end.
[[nodiscard]] Result<std::unique_ptr<RunningSystem>> start_native(const TargetSpec& spec,
                                                                  FirstProcess& first);

/// As PID 1: starts `bootstrap` as a child, again if it ends, and does what it asks for. `name`:
/// argv[0], which the child changes so that systemd spares it.
[[noreturn]] void run_first_process(const std::function<void()>& bootstrap, char* name);
/// As PID 1 again, started by systemd as /shutdown: unmounts the image and goes on as before.
/// `verb`: "poweroff", "reboot", "halt", "kexec". `keeper`: the bootstrap's process, "" to look for
/// it; it comes with the second start, of this program from its own root.
[[noreturn]] void come_back_as_first_process(std::string_view verb,
                                             const std::function<void()>& bootstrap, char* name,
                                             std::string_view keeper = "");

} // namespace slipway::boot
