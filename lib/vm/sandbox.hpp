// SPDX-License-Identifier: Apache-2.0
// A throw-away machine whose first program is a worker: User-mode Linux with the storage daemons
// that hand it disks, or QEMU. Needs no privilege. All of its processes end together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "sys/host.hpp"
#include "vm/console.hpp"

namespace slipway::vm {

/// `node` has the form of QEMU's blockdev-add with children inline, without a "node-name", over
/// descriptors that its process inherits under these numbers.
// NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
struct SandboxDisk {
    Json node;
    std::vector<sys::FdMapping> fds;
    std::vector<int> read_fds;
    std::vector<int> write_fds;
    bool writable = false;
    unsigned block_size = 0; ///< bytes of its logical sectors; 0: 512
    std::string serial{};    ///< what the machine is told, of a QEMU
};

/// A directory of this host, with the number of its descriptor in the machine's process.
struct SandboxShare {
    sys::FdMapping directory;
    bool writable = false;
    std::string tag{}; ///< under which a QEMU shows it as 9p
};

/// A raw disk of a User-mode Linux, for writing.
struct RawDisk {
    sys::FdMapping file;
    std::string serial;
};

/// What a machine of either kind has for testing its kernel.
struct TestbedSpec {
    std::string append{}; ///< added to the kernel's command line
    /// The user who started us keeps their rights over files in it: what is shared belongs to many
    /// users, see sys::enter_own_namespaces.
    bool keeps_user = false;
    bool changes_files = false;  ///< modes and times of what is shared
    bool changes_owners = false; ///< and owners, with the privileges for it
    std::function<void(std::string_view)> on_console{};
};

/// A User-mode Linux.
struct SandboxSpec {
    std::string program = "linux.uml";
    std::string worker;  ///< the program that becomes PID 1
    std::string preload; ///< slipway-uml.so
    std::vector<std::string> arguments{"--sandbox"};
    std::vector<RawDisk> raw_disks{};
    std::optional<TestbedSpec> testbed{};
    std::vector<SandboxDisk> disks{};
    std::vector<SandboxShare> shares{};
    unsigned memory_mib = 1024;
    bool raid6 = false; ///< see UmlSpec
};

/// A QEMU, which opens the disks itself.
struct QemuSandboxSpec {
    sys::BorrowedFd kernel;
    sys::BorrowedFd initramfs; ///< with the worker as /init
    std::string accelerator = "tcg";
    std::vector<SandboxDisk> disks{};
    std::vector<SandboxShare> shares{};
    unsigned memory_mib = 1024;
    unsigned cpus = 0; ///< 0: as many as make it fast
    std::optional<TestbedSpec> testbed{};
};

/// What the process of a User-mode Linux may do: no file of the host but programs and libraries,
/// and what it inherits. Its user is one without rights, where root starts it.
[[nodiscard]] sys::Confinement machine_confinement(unsigned memory_mib);
/// What the process of a machine may do to files of others.
[[nodiscard]] std::vector<int> capabilities_over_files(const TestbedSpec& testbed);
/// A user whom no account has, where root starts the machine.
[[nodiscard]] std::optional<unsigned> user_to_become();
/// What hostfs in the machine takes to show a directory of the spec.
[[nodiscard]] std::string directory_for_hostfs(const sys::FdMapping& directory);

class Sandbox {
public:
    /// Unsupported, with the remedy, where User-mode Linux, the storage daemon or Landlock (without
    /// which hostfs would be no boundary) is missing.
    [[nodiscard]] static Result<Sandbox> start(const sys::Host& host, const SandboxSpec& spec);
    /// Unsupported, with the remedy, where QEMU is missing.
    [[nodiscard]] static Result<Sandbox> start(const sys::Host& host, const QemuSandboxSpec& spec);

    /// Whether this host has what each of them needs. Unsupported, with the remedy.
    [[nodiscard]] static Status uml_requirements();
    [[nodiscard]] static Status qemu_requirements();

    /// The stream to the worker; once.
    [[nodiscard]] sys::OwnedFd take_control() { return std::move(control_); }
    /// A file that is a disk in the machine, for bulk data.
    [[nodiscard]] sys::BorrowedFd window() const { return window_; }
    /// Takes in what the console says. To be called now and then: a full pipe stops the machine.
    void listen();
    /// How often the machine has shown that it lives; 0 before its worker has begun.
    [[nodiscard]] std::uint64_t pulse() const;
    /// Why it ended, from its console: a panic, out of memory, …
    [[nodiscard]] Error explain_end();
    [[nodiscard]] std::string console_tail() const { return console_.tail(30); }
    /// Waits for the end of its process; nothing if it still runs after `limit`.
    [[nodiscard]] Result<std::optional<int>> wait(std::chrono::milliseconds limit);
    /// Waits until the machine has switched itself off, then until the daemons have written all.
    [[nodiscard]] Status finish();
    /// Ends all at once; nothing is flushed.
    void kill();

private:
    explicit Sandbox(const std::optional<TestbedSpec>& testbed);
    /// The links between the machine and us: its ends are given to the process, under the numbers
    /// of `links`.
    struct Links {
        int control;
        int window;
    };
    [[nodiscard]] Status start_process(const sys::Host& host, sys::ProcessSpec process,
                                       const Links& links);
    [[nodiscard]] std::optional<Error> known_end() const;
    [[nodiscard]] Result<sys::OwnedFd> start_daemon(const sys::Host& host, const SandboxDisk& disk);
    [[nodiscard]] Status start_machine(const sys::Host& host, const SandboxSpec& spec,
                                       const std::vector<sys::OwnedFd>& disks);

    std::function<void(std::string_view)> on_console_;
    unsigned bundle_;
    std::optional<unsigned> user_;
    std::string program_; ///< of the machine
    sys::OwnedFd control_;
    sys::OwnedFd window_;
    sys::OwnedFd console_pipe_;
    Console console_;
    std::vector<sys::OwnedFd> daemon_errors_;
    std::vector<std::unique_ptr<sys::Child>> daemons_;
    std::unique_ptr<sys::Child> machine_; ///< ends first
};

/// By which the worker knows the window among the disks of a QEMU.
constexpr std::string_view window_serial = "slipway-window";

/// Bytes of the window: a half for each direction.
constexpr std::uint64_t window_size = 16 << 20;
/// A block behind them, whose first eight bytes the machine counts up every second.
constexpr std::uint64_t pulse_size = 4096;

} // namespace slipway::vm
