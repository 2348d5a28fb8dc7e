// SPDX-License-Identifier: Apache-2.0
#include "session/machine_choice.hpp"

#include <fmt/format.h>

#include "vm/sandbox.hpp"

namespace slipway::session {
namespace {

Result<MachineChoice> choose_qemu(const sys::Host& host, const MachineOptions& options,
                                  std::string reason) {
    SLIPWAY_CHECK(vm::Sandbox::qemu_requirements());
    MachineChoice choice{.machine = Machine::Qemu, .reason = std::move(reason)};
    SLIPWAY_TRY(choice.kernel, appliance::find_kernel(options.kernel));
    SLIPWAY_TRY(choice.accelerator, vm::choose_accelerator(host));
    choice.reason += fmt::format("; {}: {}; kernel {}", choice.accelerator.name,
                                 choice.accelerator.reason, choice.kernel.file);
    return choice;
}

} // namespace

std::string_view name_of(Machine machine) {
    constexpr std::string_view names[] = {"auto", "uml", "qemu"};
    return names[static_cast<std::size_t>(machine)];
}

Result<Machine> parse_machine(std::string_view text) {
    for (auto machine : {Machine::Auto, Machine::Uml, Machine::Qemu})
        if (name_of(machine) == text)
            return machine;
    return fail(Code::InvalidArgument, fmt::format("'{}' is no sandbox", text),
                "use auto, uml or qemu");
}

Result<MachineChoice> choose_machine(const sys::Host& host, const MachineOptions& options) {
    if (options.machine == Machine::Qemu)
        return choose_qemu(host, options, "asked for");
    auto uml = vm::Sandbox::uml_requirements();
    if (options.machine == Machine::Uml) {
        SLIPWAY_CHECK(std::move(uml));
        return MachineChoice{.machine = Machine::Uml, .reason = "asked for"};
    }
    // Proving KVM may take seconds, which User-mode Linux does not need.
    if (uml && !vm::is_kvm_known_to_work())
        return MachineChoice{.machine = Machine::Uml, .reason = "it is installed"};
    auto qemu =
        choose_qemu(host, options, uml ? "KVM works here" : "User-mode Linux cannot be used here");
    if (qemu)
        return qemu;
    if (uml)
        return MachineChoice{.machine = Machine::Uml,
                             .reason = fmt::format("it is installed; no QEMU, although KVM works: "
                                                   "{}",
                                                   qemu.error().what)};
    if (qemu.error().code != Code::Unsupported && qemu.error().code != Code::Permission)
        return qemu;
    return fail(
        qemu.error().code,
        fmt::format("no sandbox here: {}; and for QEMU: {}", uml.error().what, qemu.error().what),
        fmt::format("{}; or, for QEMU: {}", uml.error().hint, qemu.error().hint));
}

} // namespace slipway::session
