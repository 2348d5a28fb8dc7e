// SPDX-License-Identifier: Apache-2.0
// Boots a kernel in a virtual machine on a root of the user's and runs one command there.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/open_image.hpp"
#include "session/testbed_place.hpp"
#include "vm/kernel_reports.hpp"

namespace slipway::ops {

/// A directory of this host that the machine sees.
struct SharedDirectory {
    std::string guest; ///< absolute path in the machine; made where it is missing
    std::string host;
    bool writable = true;
};

/// A disk of the machine. In it, /dev/disk/by-id/virtio-SERIAL leads to its node, in every kind of
/// machine.
struct TestDisk {
    std::string serial; ///< at most 20 characters of [A-Za-z0-9_.-]
    std::string file{}; ///< raw, opened for writing; "": a sparse one that goes with the machine
    std::uint64_t size = 0; ///< bytes, of a sparse one
};

struct BootKernelResult;

enum class RootUse {
    Overlay,  ///< changes stay in the machine's memory
    ReadWrite ///< changes go to the root itself
};

struct BootKernelRequest {
    std::string kernel; ///< "host", or a bzImage, vmlinux, build tree, UML program or DEB package
    std::string root{}; ///< name of a test root, directory or disk image; "host"; "": "minimal"
    RootUse root_use = RootUse::Overlay;
    std::vector<SharedDirectory> shared{}; ///< session::most_shares
    std::vector<TestDisk> disks{};         ///< session::most_disks
    unsigned memory_mib = 2048;
    unsigned cpus = 2;
    std::string accelerator = "auto";     ///< "auto", "kvm", "tcg"
    std::chrono::milliseconds timeout{0}; ///< of the whole machine; 0: none
    std::string append{};                 ///< added to the kernel's command line
    std::vector<std::string> argv{};      ///< looked up in the PATH of the root
    std::vector<std::string> env{};       ///< "NAME=value", beside PATH, HOME and TERM
    std::string cwd = "/";
    bool tty = false;
    unsigned rows = 24;
    unsigned columns = 80;
    bool has_input = false; ///< the hooks give input
    /// The console's text as it comes.
    std::function<void(std::string_view)> on_console{};
    /// The command is about to begin; what is known of the machine until then.
    std::function<void(const BootKernelResult&)> on_begin{};
};

/// How the machine came to its end.
enum class MachineEnd {
    Exited,   ///< the command ended, and the machine was switched off
    Panicked, ///< the kernel panicked, or restarted on its own
    TimedOut, ///< of the request
    Died      ///< it was switched off from inside, or its process ended
};
[[nodiscard]] std::string_view name_of(MachineEnd end);

struct BootKernelResult {
    MachineEnd end = MachineEnd::Exited;
    std::optional<int> status{}; ///< of the command: 0-255, 128+N for signal N; only if it ended
    int exec_errno = 0;          ///< why the command could not be executed
    std::string kernel_release{};
    std::string machine{};         ///< "uml" or "qemu"
    std::string accelerator{};     ///< one line: which, and why
    std::string root_share{};      ///< "hostfs", "9p", "virtiofs" or "disk"
    double seconds_to_command = 0; ///< from the start of the machine to the start of the command
    double seconds = 0;            ///< of the command
    std::vector<vm::KernelReport> reports{}; ///< what the kernel complained of, in order
    std::string console_tail{};              ///< the last lines
};

[[nodiscard]] Json to_json(const BootKernelResult& result);

/// What is wrong with the request itself, whatever there is on this host: InvalidArgument.
[[nodiscard]] Status check(const BootKernelRequest& request);

/// Needs no privilege. Errors: what is asked cannot be done (NotFound, InvalidArgument,
/// Unsupported with the names of missing drivers, Corrupt: no kernel) or the machine did not get
/// to the command (ToolFailed, with the console's end). A command that fails, a kernel that
/// crashes and a timeout after the command began are no errors but results.
[[nodiscard]] Result<BootKernelResult> boot_kernel(Context& context,
                                                   const BootKernelRequest& request,
                                                   const session::CallHooks& hooks = {});

} // namespace slipway::ops
