// SPDX-License-Identifier: Apache-2.0
#include "ops/doctor.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

#include <fmt/format.h>

#include "appliance/kernel.hpp"
#include "base/strings.hpp"
#include "rootfs/suites.hpp"
#include "session/machine_choice.hpp"
#include "sys/confine.hpp"
#include "sys/mount.hpp"
#include "sys/nbd_device.hpp"
#include "sys/own_namespaces.hpp"
#include "vm/accelerator.hpp"
#include "vm/sandbox.hpp"
#include "vm/uefi_firmware.hpp"

namespace slipway::ops {
namespace {

struct Tool {
    const char* program;
    const char* package; ///< of Debian
    const char* purpose;
    bool needed;
};
constexpr std::array tools{
    Tool{"qemu-img", "qemu-utils", "copies and converts images", true},
    Tool{"qemu-storage-daemon", "qemu-system-common", "opens formats other than raw", true},
    Tool{"depmod", "kmod", "makes module indexes for appended segments", true},
    Tool{"qemu-system-x86_64", "qemu-system-x86", "boot proofs", false}};

Check check_tool(const Context& context, const Tool& tool) {
    Check check{.name = tool.program, .needed = tool.needed};
    auto captured = sys::run(*context.host.runner, {.argv = {tool.program, "--version"}},
                             {.deadline = std::chrono::seconds(10)});
    check.good = captured && captured->status == 0;
    if (check.good)
        check.found = trim(captured->out.substr(0, captured->out.find('\n')));
    else {
        check.found = fmt::format("missing ({})", tool.purpose);
        check.remedy = fmt::format("apt install {}", tool.package);
    }
    return check;
}

Check check_root() {
    bool good = ::geteuid() == 0;
    return {.name = "host engine",
            .good = good,
            .needed = true,
            .found = good ? "running as root" : "not running as root",
            .remedy = good ? "" : "run it with sudo"};
}

Check check_node(const char* name, const char* path, const char* module) {
    auto opened = sys::open_file(path, O_RDWR);
    return {.name = name,
            .good = opened.has_value(),
            .needed = !sys::NbdDevice::probe(),
            .found = opened ? path : render_text(opened.error()),
            .remedy = opened ? "" : fmt::format("modprobe {}", module)};
}

Check check_nbd() {
    auto usable = sys::NbdDevice::probe();
    return {.name = "NBD",
            .good = usable.has_value(),
            .found = usable ? "used where loop devices or FUSE are missing" : usable.error().what,
            .remedy =
                usable ? "" : "only needed where loop devices or FUSE are missing: modprobe nbd"};
}

Check check_landlock() {
    auto abi = sys::landlock_abi();
    return {.name = "Landlock",
            .good = abi > 0,
            .found = abi > 0 ? fmt::format("ABI {}", abi) : "not in this kernel",
            .remedy =
                abi > 0 ? "" : "a kernel with CONFIG_SECURITY_LANDLOCK confines QEMU's tools"};
}

Check check_filesystems() {
    constexpr std::array wanted{"ext4", "xfs", "btrfs", "vfat"};
    auto known = sys::kernel_filesystems();
    std::vector<std::string> have, missing;
    for (const auto* type : wanted)
        (known && std::find(known->begin(), known->end(), type) != known->end() ? have : missing)
            .emplace_back(type);
    return {.name = "filesystems of the kernel",
            .good = missing.empty(),
            .found = join(have, ", ") +
                     (missing.empty() ? "" : fmt::format("; not loaded: {}", join(missing, ", "))),
            .remedy = missing.empty()
                          ? ""
                          : fmt::format("modprobe {}; without it such volumes are left alone",
                                        join(missing, " "))};
}

Check check_accelerator(const Context& context) {
    auto accelerator = vm::choose_accelerator(context.host);
    if (!accelerator)
        return {.name = "accelerator", .found = render_line(accelerator.error())};
    bool good = accelerator->name != "tcg";
    return {.name = "accelerator",
            .good = good,
            .found = fmt::format("{}: {}", accelerator->name, accelerator->reason),
            .remedy = good ? "" : "without KVM a boot proof takes a minute or more"};
}

Check check_uefi() {
    auto files = vm::find_uefi_firmware();
    return {.name = "UEFI firmware",
            .good = files.has_value(),
            .found = files ? files->code : "missing (boot proofs of UEFI guests)",
            .remedy = files ? "" : files.error().hint};
}

Check check_uml(const Context& context) {
    Check check{.name = "User-mode Linux"};
    auto usable = vm::Sandbox::uml_requirements();
    if (!usable) {
        check.found = usable.error().what;
        check.remedy = usable.error().hint;
        return check;
    }
    auto captured = sys::run(*context.host.runner, {.argv = {"linux.uml", "--version"}},
                             {.deadline = std::chrono::seconds(10)});
    check.good = captured && captured->status == 0;
    check.found = check.good ? std::string(trim(captured->out)) : "installed, and does not start";
    return check;
}

Check check_sandbox_kernel() {
    auto options = machine_options({});
    auto kernel = options ? appliance::find_kernel(options->kernel)
                          : Result<appliance::Kernel>(fail(std::move(options).error()));
    if (!kernel)
        return {.name = "kernel of a QEMU sandbox",
                .found = kernel.error().what,
                .remedy = kernel.error().hint};
    return {.name = "kernel of a QEMU sandbox", .good = true, .found = kernel->file};
}

// After the accelerator was tried: so it has that verdict.
Check check_sandbox(const Context& context) {
    auto options = machine_options({});
    auto choice = options ? session::choose_machine(context.host, *options)
                          : Result<session::MachineChoice>(fail(std::move(options).error()));
    if (!choice)
        return {
            .name = "sandbox engine", .found = choice.error().what, .remedy = choice.error().hint};
    return {.name = "sandbox engine",
            .good = true,
            .found = fmt::format("{}: {}", session::name_of(choice->machine), choice->reason)};
}

// Whether test roots can be made: all ids of a root, the tool, and somebody's keys.
Check check_test_roots() {
    Check check{.name = "test roots"};
    auto ids = sys::own_namespaces_requirements();
    auto tool = sys::find_program("mmdebstrap");
    std::vector<std::string> trusted, missing;
    for (const std::string name : {"debian", "ubuntu"})
        (rootfs::find_keyring(*rootfs::find_distribution(name)) ? trusted : missing)
            .push_back(name);
    check.good = ids && tool && !trusted.empty();
    if (!ids) {
        check.found = ids.error().what;
        check.remedy = ids.error().hint;
    } else if (!tool) {
        check.found = tool.error().what;
        check.remedy = "apt install mmdebstrap";
    } else {
        check.found = fmt::format("mmdebstrap; keys of {}",
                                  trusted.empty() ? "nobody" : join(trusted, " and "));
        for (const auto& name : missing)
            check.remedy += fmt::format("{}for {}: {}", check.remedy.empty() ? "" : "; ", name,
                                        rootfs::find_distribution(name)->keyring_hint);
    }
    return check;
}

} // namespace

std::vector<Check> doctor(const Context& context) {
    std::vector<Check> checks{check_root(),
                              check_node("loop devices", "/dev/loop-control", "loop"),
                              check_node("FUSE", "/dev/fuse", "fuse"),
                              check_nbd(),
                              check_landlock(),
                              check_filesystems()};
    for (const auto& tool : tools)
        checks.push_back(check_tool(context, tool));
    checks.push_back(check_accelerator(context));
    checks.push_back(check_uefi());
    checks.push_back(check_uml(context));
    checks.push_back(check_sandbox_kernel());
    checks.push_back(check_sandbox(context));
    checks.push_back(check_test_roots());
    return checks;
}

Json to_json(const std::vector<Check>& checks) {
    auto list = Json::array();
    for (const auto& check : checks)
        list.push_back({{"name", check.name},
                        {"good", check.good},
                        {"needed", check.needed},
                        {"found", check.found},
                        {"remedy", check.remedy}});
    return {{"checks", list}};
}

} // namespace slipway::ops
