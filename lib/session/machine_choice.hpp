// SPDX-License-Identifier: Apache-2.0
// Which machine a sandbox is: User-mode Linux or QEMU.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "appliance/kernel.hpp"
#include "sys/host.hpp"
#include "vm/accelerator.hpp"

namespace slipway::session {

enum class Machine { Auto, Uml, Qemu };
[[nodiscard]] std::string_view name_of(Machine machine);
/// "auto", "uml", "qemu". InvalidArgument.
[[nodiscard]] Result<Machine> parse_machine(std::string_view text);

struct MachineOptions {
    Machine machine = Machine::Auto;
    appliance::KernelChoice kernel{}; ///< of QEMU
    unsigned memory_mib = 1024;
    std::chrono::seconds patience{60}; ///< with a machine that shows no sign of life
    bool raid6 = false;                ///< see vm::UmlSpec
};

struct MachineChoice {
    Machine machine = Machine::Uml; ///< not Auto
    std::string reason;             ///< one line
    appliance::Kernel kernel{};     ///< of QEMU
    vm::Accelerator accelerator{};  ///< of QEMU
};

/// User-mode Linux where it is installed, unless KVM is known to work and there is a kernel to run
/// under it; QEMU otherwise. Unsupported or Permission, with the remedies, where neither is there.
[[nodiscard]] Result<MachineChoice> choose_machine(const sys::Host& host,
                                                   const MachineOptions& options);

} // namespace slipway::session
