// SPDX-License-Identifier: Apache-2.0
// The sandbox as a QEMU with a kernel of its own.
#include "vm/sandbox.hpp"

#include <linux/capability.h>

#include <fmt/format.h>

#include "vm/accelerator.hpp"
#include "vm/qemu_spec.hpp"

namespace slipway::vm {
namespace {

// Above every number that a graph uses.
constexpr int control_number = 400, window_number = 401, kernel_number = 402,
              initramfs_number = 403;
// Of QEMU's own memory beside that of its guest: translated code, stacks of threads, caches.
constexpr std::uint64_t own_memory = std::uint64_t{2} << 30;

// A second processor costs an unaccelerated machine more at boot than it gives.
unsigned processors(const std::string& accelerator) {
    return accelerator == "tcg" ? 1 : 2;
}

// Left out is what a boot without an accelerator spends its time with: tests of the kernel's
// ciphers, precautions against faults of processors, a list of trace events, and moving itself
// about. The last is known to the boot stub only, and would else be the first argument of init.
constexpr std::string_view kernel_arguments =
    "console=ttyS0 loglevel=3 panic=-1 cryptomgr.notests mitigations=off no_timer_check "
    "initcall_blacklist=init_kprobe_trace -- --sandbox nokaslr";

// A kernel under test is what it is, but for what takes no part in how it works: its functions
// stand where its symbols say, and it does not restart. An emulated processor speculates on
// nothing, and code at another address in every process would be translated anew: starting a
// program takes 12 ms then, and 30 ms otherwise.
std::string arguments_of(const QemuSandboxSpec& spec) {
    if (!spec.testbed)
        return std::string(kernel_arguments);
    return fmt::format("console=ttyS0 loglevel=5 panic=-1 {}{} -- --testbed nokaslr",
                       spec.accelerator == "tcg"
                           ? "cryptomgr.notests no_timer_check mitigations=off "
                             "norandmaps "
                           : "",
                       spec.testbed->append);
}

DiskSpec window_disk() {
    return {.node = {{"driver", "raw"},
                     {"read-only", false},
                     {"file",
                      {{"driver", "file"},
                       {"filename", sys::proc_path(window_number)},
                       {"read-only", false},
                       {"locking", "off"}}}},
            .serial = std::string(window_serial)};
}

QemuSpec machine_of(const QemuSandboxSpec& spec) {
    QemuSpec qemu{.accelerator = spec.accelerator,
                  .memory_mib = spec.memory_mib,
                  .cpus = spec.cpus != 0 ? spec.cpus : processors(spec.accelerator),
                  .direct = DirectKernel{sys::proc_path(kernel_number),
                                         sys::proc_path(initramfs_number), arguments_of(spec)},
                  .may_restart = false,
                  .control_fd = control_number,
                  .loud_firmware = false};
    for (const auto& disk : spec.disks)
        qemu.disks.push_back({.node = disk.node,
                              .serial = disk.serial,
                              .throw_away = !disk.writable,
                              .block_size = disk.block_size});
    for (const auto& share : spec.shares)
        qemu.shares.push_back({.path = sys::proc_path(share.directory.child),
                               .tag = share.tag,
                               .writable = share.writable,
                               .changes_owners = spec.testbed && spec.testbed->changes_owners});
    qemu.disks.push_back(window_disk()); // the last, so that the image's have the first names
    return qemu;
}

} // namespace

Status Sandbox::qemu_requirements() {
    if (!sys::find_program("qemu-system-x86_64"))
        return fail(qemu_is_missing());
    return {};
}

Result<Sandbox> Sandbox::start(const sys::Host& host, const QemuSandboxSpec& spec) {
    SLIPWAY_CHECK(qemu_requirements());
    Sandbox sandbox(spec.testbed);
    sys::ProcessSpec process{.argv = qemu_argv(machine_of(spec))};
    process.fds = {{spec.kernel, kernel_number}, {spec.initramfs, initramfs_number}};
    // DAC_OVERRIDE, where root started us: see qemu_confinement.
    process.confinement = qemu_confinement(spec.accelerator);
    process.confinement->user = sandbox.user_;
    process.confinement->data_limit = (std::uint64_t{spec.memory_mib} << 20) + own_memory;
    process.confinement->filter_calls = true;
    if (spec.testbed) {
        process.confinement->keep_capabilities = capabilities_over_files(*spec.testbed);
        process.confinement->changes_attributes = spec.testbed->changes_files;
    }
    process.confinement->read_fds = {kernel_number, initramfs_number};
    for (const auto& disk : spec.disks) {
        auto& confinement = *process.confinement;
        process.fds.insert(process.fds.end(), disk.fds.begin(), disk.fds.end());
        confinement.read_fds.insert(confinement.read_fds.end(), disk.read_fds.begin(),
                                    disk.read_fds.end());
        confinement.write_fds.insert(confinement.write_fds.end(), disk.write_fds.begin(),
                                     disk.write_fds.end());
    }
    for (const auto& share : spec.shares) {
        process.fds.push_back(share.directory);
        (share.writable ? process.confinement->write_fds : process.confinement->read_fds)
            .push_back(share.directory.child);
    }
    SLIPWAY_CHECK(sandbox.start_process(host, std::move(process), {control_number, window_number}));
    return sandbox;
}

} // namespace slipway::vm
