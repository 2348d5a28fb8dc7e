// SPDX-License-Identifier: Apache-2.0
// The enhanced chroot: commands of a guest run inside its root, with /proc, /sys, /dev and /run
// that show the guest's machine, and out of reach of the host. See README.md for what is isolated.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/ioctl.h>
#include <sys/types.h>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "report/plan.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::enter {

/// A disk of the guest by its name on the future bus, and the node of this host behind it.
struct GuestDisk {
    std::string name;       ///< "vda"
    dev_t device = 0;       ///< of the loop or NBD device that carries it here
    std::uint64_t size = 0; ///< bytes
    std::string serial{};   ///< may be empty
};

struct GuestPartition {
    std::string name;    ///< "vda1"
    std::string disk;    ///< "vda"
    unsigned number = 0; ///< from 1; 0: a filesystem on the whole disk, with the disk's name
    dev_t device = 0;
    std::uint64_t start = 0; ///< bytes from the start of the disk
    std::uint64_t size = 0;  ///< bytes
    // What udev would make links from: /dev/disk/by-uuid and so on. Empty: no such link.
    std::string uuid{};
    std::string label{};
    std::string partuuid{};
    std::string partlabel{};
    std::string fstype{};
};

/// A block device that stands on others: a logical volume, an opened LUKS container, an array.
struct GuestMapped {
    std::string name; ///< below /dev: "mapper/vg-lv", "md/root"
    dev_t device = 0;
    std::uint64_t size = 0; ///< bytes
    std::string uuid{};
    std::string label{};
    std::string mapping{};      ///< of device-mapper: the guest's name for it, "vg-lv"; else ""
    std::string mapping_uuid{}; ///< "CRYPT-LUKS2-…", "LVM-…"
    std::vector<dev_t> below{}; ///< what it stands on
};

struct RootSpec {
    /// The guest's root as mounted in this process's private mount namespace, its other filesystems
    /// mounted below already.
    std::string directory;
    std::vector<GuestDisk> disks{};
    std::vector<GuestPartition> partitions{};
    std::vector<GuestMapped> mapped{};
    bool uefi = false;            ///< the guest's firmware: /sys/firmware/efi is there, or is not
    std::string hostname{};       ///< "" becomes "localhost"
    std::string kernel_cmdline{}; ///< what /proc/cmdline shows
    /// Network namespace for commands that ask for the network. Not valid: the caller's own.
    sys::BorrowedFd host_network{-1};
    /// Whether missing directories /proc, /sys, /dev and /run are created in the guest, and stay:
    /// every bootable system has them. False: commands have nothing there where they are missing.
    bool makes_places = true;
};

struct Command {
    std::vector<std::string>
        argv; ///< argv[0] without a slash is looked up in PATH, inside the guest
    std::vector<std::string> env{}; ///< "NAME=value", put over PATH, HOME, LC_ALL=C
    std::string cwd = "/";          ///< inside the guest
    bool network = false;
    bool tty =
        false; ///< a new pseudo terminal takes the place of each descriptor that is not given
    struct winsize window {}; ///< of that terminal; all 0: unknown
    /// 0: none. At the deadline the command's process group gets SIGTERM and two seconds later
    /// everything is killed, by its init, whether or not anybody waits.
    std::chrono::milliseconds deadline{0};
    bool quiet = false; ///< its failure is expected: logged at debug level only
    /// False: without our /proc, /sys and /run, for programs that only read or write files. All
    /// else is the same. Ignored where `needs_mounts` knows the tool.
    bool mounts = true;
    sys::BorrowedFd stdin_fd{-1}; ///< not valid: /dev/null; likewise the other two
    sys::BorrowedFd stdout_fd{-1};
    sys::BorrowedFd stderr_fd{-1};
};

/// How a command ended.
struct Finished {
    int status = 0;     ///< 0-255, or 128+N for signal N; 126 cannot execute, 127 not found
    int exec_errno = 0; ///< why it was not executed; 0: it was, and 126 or 127 are its own
    bool timed_out = false;
    report::EnterTimings timings{}; ///< seconds
};

/// One command in flight. Its destructor kills everything in its PID namespace, and waits for that.
class Running {
public:
    Running(Running&&) noexcept;
    Running& operator=(Running&&) noexcept;
    ~Running();

    /// Of the namespace's init, as this process sees it.
    [[nodiscard]] pid_t pid() const;
    /// Readable once everything has ended; for poll(2).
    [[nodiscard]] sys::BorrowedFd exit_fd() const;
    /// The other side of its terminal, or not valid.
    [[nodiscard]] sys::BorrowedFd terminal() const;
    [[nodiscard]] Status set_window_size(const struct winsize& window) const;
    /// Signals the command's process group. SIGKILL ends all of its processes. No error if it has
    /// ended.
    void signal(int number) const;
    /// Waits for the end of everything; nothing if it still runs after `limit`.
    [[nodiscard]] Result<std::optional<Finished>> wait(std::chrono::milliseconds limit);
    [[nodiscard]] Result<Finished> wait();

private:
    friend class Root;
    struct State;
    explicit Running(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

struct CommandOptions {
    bool quiet = false;
    bool network = false;
    std::chrono::milliseconds deadline{std::chrono::minutes(30)};
    std::vector<std::string> env{};
    std::string cwd = "/";
    std::string input{}; ///< given on stdin
    Cancel cancel{};
    std::size_t max_output = 1 << 20; ///< bytes kept of each of stdout and stderr (the last ones)
    std::function<void(std::string_view)>
        on_output{}; ///< each piece of stdout or stderr as it comes
};
struct Captured {
    std::vector<std::string> argv;
    Finished finished;
    std::string out;
    std::string err;
};

/// A guest root made ready for commands; it keeps nothing of the guest's filesystems busy. The
/// caller is single-threaded, has CAP_SYS_ADMIN, and is in a mount namespace of its own whose
/// mounts are private (sys::enter_private_mount_namespace). What is made here vanishes with that
/// namespace, but for the cgroup; see `cgroup_path`.
class Root {
public:
    /// Makes ready what all commands share. InvalidArgument where mounts are shared with another
    /// namespace, Permission, NotFound.
    [[nodiscard]] static Result<Root> prepare(RootSpec spec, const sys::Host& host);
    Root(Root&&) noexcept;
    Root& operator=(Root&&) noexcept;
    ~Root();

    /// Starts one command; several may run at a time. An error is a failure of Slipway's own and
    /// names the step; that the guest's program cannot be executed is told by `Finished` instead.
    [[nodiscard]] Result<Running> start(const Command& command) const;
    /// Runs to the end and keeps the last output, with our mounts where `needs_mounts` knows the
    /// tool and without them otherwise. Timeout and Cancelled are errors, another status is not.
    [[nodiscard]] Result<Captured> command(std::vector<std::string> argv,
                                           const CommandOptions& options = {}) const;
    /// The same, always with our mounts.
    [[nodiscard]] Result<Captured> command_with_mounts(std::vector<std::string> argv,
                                                       const CommandOptions& options = {}) const;

    /// Directory of the device cgroup, which this object removes; after a SIGKILL of the caller the
    /// supervisor may, and the next `prepare` does. "" without one.
    [[nodiscard]] std::string cgroup_path() const;
    /// What this kernel cannot enforce, a sentence each, for the report.
    [[nodiscard]] const std::vector<std::string>& notes() const;

private:
    struct State;
    explicit Root(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// True for the GRUB commands and the initramfs and boot-loader tools, by basename.
[[nodiscard]] bool needs_mounts(std::string_view argv0);
/// True if any word of the command line is such a tool: "env X=1 update-grub", "sh -c '… ;
/// dracut'".
[[nodiscard]] bool needs_mounts(const std::vector<std::string>& argv);

} // namespace slipway::enter
