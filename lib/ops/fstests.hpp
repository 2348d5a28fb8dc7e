// SPDX-License-Identifier: Apache-2.0
// fstests: runs a file system's tests with a kernel of the user's in virtual machines, keeps
// baselines, and says what is missing. Nothing here needs a privilege.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fstests/baseline.hpp"
#include "fstests/groups.hpp"
#include "fstests/records.hpp"
#include "ops/boot_kernel.hpp"

namespace slipway::ops {

/// What the disks of the machines are made of.
enum class DeviceKind {
    File,    ///< sparse files of this host
    Tmpfs,   ///< files in this host's memory
    NullBlk, ///< null_blk devices in the machine's memory, where its kernel has them
};
[[nodiscard]] Result<DeviceKind> device_kind_named(std::string_view name);

/// With test and LOGWRITES_DEV they are as many disks as a machine may have.
constexpr unsigned most_pool_disks = session::most_disks - 2;

struct FstestsRequest {
    std::string kernel;  ///< see BootKernelRequest
    std::string fstests; ///< directory of a built fstests
    std::string root = "fstests";
    std::string fstype = "ext4";      ///< "ext4", "xfs", "btrfs", "overlay", "tmpfs", …
    std::string base_fstype = "ext4"; ///< below overlay
    std::string mkfs_options{};
    std::string mount_options{};
    /// Words as for check: -g, -x, -e, -E with a file of this host, names and patterns. Empty:
    /// the group auto.
    std::vector<std::string> tests{};
    std::vector<std::string> exclude_files{};
    std::string sections_file{};         ///< a local.config; its devices are not taken
    std::vector<std::string> sections{}; ///< of it; empty: all
    unsigned shards = 1;                 ///< machines at the same time
    unsigned repeat = 1;
    std::chrono::milliseconds timeout{std::chrono::minutes(30)}; ///< of one test; 0: none
    DeviceKind devices = DeviceKind::File;
    std::uint64_t disk_size = std::uint64_t{10} << 30; ///< bytes, of each, sparse
    unsigned pool = 0;      ///< disks of SCRATCH_DEV_POOL instead of SCRATCH_DEV; 0: none
    bool logwrites = false; ///< a disk LOGWRITES_DEV too
    unsigned memory_mib = 2048;
    unsigned cpus = 2;
    std::string accelerator = "auto";
    std::string append{};
    std::string directory{}; ///< for all files of the run, new; "": one below the state directory
    std::string baseline{};  ///< that the run will be compared with: refused early if it cannot be
    bool install_missing = false; ///< makes the root anew with the packages that tests missed
    std::string mirror{};         ///< for that, as of CreateRootfsRequest
    std::string keyring{};        ///< likewise
    /// Called with each result as it comes, from one thread at a time.
    std::function<void(const fstests::Test&, std::size_t done, std::size_t total)> on_test{};
};

/// Runs the tests; what has been found is in RUN.directory/result.json, too. A test that crashes
/// the kernel or hangs is a result, and the next one runs in a new machine. Errors, before any test
/// began: no fstests there or not built (NotFound), unknown tests (NotFound), options
/// (InvalidArgument), a kernel without the file system (Unsupported), and those of boot_kernel;
/// Cancelled. Where the run ends early after that, Run::error says why; that it was cancelled, too.
[[nodiscard]] Result<fstests::Run> run_fstests(const Context& context,
                                               const FstestsRequest& request);
/// 0: all passed or were not run; 1: some went wrong; 4: the run ended early.
[[nodiscard]] int exit_code_of(const fstests::Run& run);

struct FstestsGroups {
    std::string fstests;
    std::string fstype; ///< "": of all
    std::size_t tests = 0;
    std::vector<fstests::Group> groups{};
};
[[nodiscard]] Result<FstestsGroups> fstests_groups(const std::string& fstests,
                                                   const std::string& fstype);
[[nodiscard]] Json to_json(const FstestsGroups& groups);
[[nodiscard]] std::string render_text(const FstestsGroups& groups);

/// A run that was kept: a result.json or the directory of a run; "": the newest. NotFound. One that
/// was killed, or has not ended, has an error.
[[nodiscard]] Result<fstests::Run> load_run(const std::string& path);

/// Baselines lie in $XDG_DATA_HOME/slipway/baselines. A name has letters, digits and "._-".
/// InvalidArgument where it is none; Exists where there is one and `replace` is not set.
[[nodiscard]] Status check_new_baseline(const std::string& name, bool replace);
/// The same errors.
[[nodiscard]] Result<fstests::Baseline> save_baseline(const std::string& name,
                                                      const fstests::Run& run, bool replace);
/// By name. One that cannot be read is left out with a warning to the log.
[[nodiscard]] Result<std::vector<fstests::Baseline>> list_baselines(const Context& context);
[[nodiscard]] Result<fstests::Baseline> show_baseline(const std::string& name);
/// NotFound; InvalidArgument where it is one of other types of file systems.
[[nodiscard]] Status check_comparable(const std::string& name, const std::string& fstype);
[[nodiscard]] Result<fstests::Comparison> compare_baseline(const std::string& name,
                                                           const fstests::Run& run);
/// {"baselines": [{name, saved, run, kernel_release, fstype, tests: N, …}]}
[[nodiscard]] Json to_json(const std::vector<fstests::Baseline>& baselines);

/// Something that building or running fstests needs.
struct SetupNeed {
    std::string what;    ///< "mkfs.xfs", "header xfs/xfs.h", "built: ltp/fsstress"
    std::string purpose; ///< "build", "run"
    bool there = false;
    std::string found{};   ///< path, or what is wrong with it
    std::string package{}; ///< of Debian, or ""
};
struct FstestsSetup {
    std::vector<SetupNeed> needs{};
    std::string command{};            ///< that gets all that is missing, or ""
    std::vector<std::string> steps{}; ///< what remains to be done by hand, in order
    [[nodiscard]] bool is_ready() const;
};
/// `fstests`: a directory to look at too, or "".
[[nodiscard]] Result<FstestsSetup> fstests_setup(const Context& context,
                                                 const std::string& fstests);
[[nodiscard]] Json to_json(const FstestsSetup& setup);
[[nodiscard]] std::string render_text(const FstestsSetup& setup);

} // namespace slipway::ops
