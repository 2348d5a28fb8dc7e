// SPDX-License-Identifier: Apache-2.0
// The one place that starts processes. argv only, never a shell; clean environment; own process
// group; every descriptor but the listed ones closed; optionally confined by Landlock and without
// capabilities.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "base/units.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// What a process may still do. Enforced with no_new_privs, Landlock (where the kernel has it) and
/// the capability bounding set. Needs no privilege.
struct Confinement {
    std::vector<std::string> read_paths{}; ///< hierarchies it may read and execute
    std::vector<std::string> write_paths{};
    std::vector<int> read_fds{}; ///< numbers in the child of files it may open again, to read
    std::vector<int> write_fds{};
    std::vector<int> keep_capabilities{};  ///< CAP_* numbers; all others are dropped
    std::optional<unsigned> user{};        ///< uid and gid to change to, when started by root
    std::uint64_t address_space_limit = 0; ///< bytes, RLIMIT_AS; 0: unlimited
    std::uint64_t data_limit = 0;      ///< bytes of memory of its own, RLIMIT_DATA; 0: unlimited
    std::uint64_t file_size_limit = 0; ///< bytes, RLIMIT_FSIZE; 0: unlimited
    /// Neither makes connections nor enters any other kernel interface than plain files; see
    /// build_sandbox_filter. Dumps no core.
    bool filter_calls = false;
    bool changes_attributes = false; ///< with filter_calls: of files, such as owner and mode
};
/// Hierarchies that a dynamically linked program of the host needs to start.
[[nodiscard]] std::vector<std::string> program_read_paths();

struct FdMapping {
    BorrowedFd parent;
    int child;
};

/// Everything about a process to be started. Descriptors 0-2 are /dev/null unless mapped.
struct ProcessSpec {
    std::vector<std::string>
        argv{}; ///< argv[0] is looked up in the host's fixed PATH if it has no slash
    std::vector<std::string> env{}; ///< "NAME=value"; added to a clean PATH and LC_ALL=C.UTF-8
    std::string cwd = "/";
    std::vector<FdMapping> fds{};
    std::optional<Confinement> confinement{};
    std::uint64_t clone_flags = 0; ///< CLONE_NEW*; needs root
    /// SIGKILL it when its parent thread ends: only right where the parent is single-threaded.
    bool die_with_parent = true;
    bool new_session = false; ///< setsid() instead of a process group of its own
    bool terminal = false;    ///< with new_session: its standard input becomes its terminal
    /// Processes of one bundle end together: when one is killed or fails, or a process that it
    /// started dies unreaped, the supervisor kills all of them with their process groups. 0: none.
    /// LocalRunner takes no notice.
    unsigned bundle = 0;
};

/// A running child. The destructor kills it (its whole process group) and reaps it.
class Child {
public:
    Child() = default;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    virtual ~Child() = default;

    [[nodiscard]] virtual pid_t pid() const = 0;
    /// Readable once the child has ended; for poll(2).
    [[nodiscard]] virtual BorrowedFd exit_fd() const = 0;
    /// Signals the process (`group`: its process group too). No error if it has ended.
    virtual void signal(int number, bool group = true) = 0;
    /// Exit status 0-255, or 128+N for signal N; nothing if it still runs after `limit`.
    [[nodiscard]] virtual Result<std::optional<int>> wait(std::chrono::milliseconds limit) = 0;
};

/// Starts processes: directly, or by asking the supervisor.
class Runner {
public:
    Runner() = default;
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    virtual ~Runner() = default;
    [[nodiscard]] virtual Result<std::unique_ptr<Child>> start(const ProcessSpec& spec) = 0;
};

/// Starts children of the calling process. NotFound names a missing program.
class LocalRunner final : public Runner {
public:
    [[nodiscard]] Result<std::unique_ptr<Child>> start(const ProcessSpec& spec) override;
};

struct RunLimits {
    std::chrono::milliseconds deadline{std::chrono::minutes(10)};
    std::size_t max_output = 1 << 20; ///< bytes kept of each of stdout and stderr (the last ones)
    Cancel cancel{};
    std::function<void(std::string_view)> on_stdout{}; ///< called with each piece as it comes
    std::string input{};                               ///< given on stdin
    bool leaves_daemon = false; ///< what it started and leaves behind is not killed
};
struct Captured {
    int status = 0;
    std::string out;
    std::string err;
    double seconds = 0;
};
/// Runs to the end and keeps the last output. Timeout and Cancelled kill the whole group. A
/// non-zero status is no error here; `check_tool` makes it one.
[[nodiscard]] Result<Captured> run(Runner& runner, ProcessSpec spec, const RunLimits& limits = {});
/// ToolFailed with argv, status and the end of stderr unless the status is 0.
[[nodiscard]] Status check_tool(const ProcessSpec& spec, const Captured& captured,
                                std::string what);
/// Path of a program in the host's fixed PATH, or NotFound.
[[nodiscard]] Result<std::string> find_program(const std::string& name);

/// Arguments of clone_child; see clone(2).
struct CloneArgs {
    std::uint64_t flags = 0;
    int cgroup_fd = -1; ///< with CLONE_INTO_CGROUP
};
struct ClonedChild {
    pid_t pid = -1;
    OwnedFd pidfd;
};
/// Forks (with namespaces) and calls `body` in the child, which must allocate nothing and never
/// return: its result is the exit status. The primitive under LocalRunner and the enhanced chroot.
[[nodiscard]] Result<ClonedChild> clone_child(const CloneArgs& args, int (*body)(void*),
                                              void* argument);
/// Starts a child that shares this process's memory, as vfork(2) does, and waits until it has
/// executed a program or ended. For the body the rules of `clone_child` hold; it runs on `stack`.
/// Returns the pid, or a negative errno. Allocates nothing.
[[nodiscard]] pid_t clone_until_exec(int (*body)(void*), void* argument,
                                     std::span<std::byte> stack);
/// Reaps a pidfd; nothing while it runs.
[[nodiscard]] Result<std::optional<int>> reap(BorrowedFd pidfd, std::chrono::milliseconds limit);

} // namespace slipway::sys
