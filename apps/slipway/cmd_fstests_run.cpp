// SPDX-License-Identifier: Apache-2.0
#include "base/strings.hpp"
#include "boot_options.hpp"
#include "fstests/junit.hpp"
#include "invocation.hpp"
#include "ops/fstests.hpp"

namespace slipway::app {
namespace {

struct Options {
    ops::FstestsRequest request{};
    std::string tests{};
    std::string devices = "file";
    std::string memory = "2G", disk_size = "10G";
    double timeout = 1800;
    std::string junit{}, html{}; ///< files
    std::string save{};          ///< as a baseline
    bool replace = false;        ///< what is saved
};

Status complete(Options& options) {
    auto& request = options.request;
    for (auto word : split_words(options.tests))
        request.tests.emplace_back(word);
    SLIPWAY_TRY(request.devices, ops::device_kind_named(options.devices));
    SLIPWAY_TRY(request.disk_size, parse_size(options.disk_size));
    SLIPWAY_TRY(request.memory_mib, parse_memory(options.memory));
    request.timeout = std::chrono::milliseconds(static_cast<long>(options.timeout * 1000));
    return {};
}

Result<int> run(Invocation& invocation, Options& options) {
    SLIPWAY_CHECK(complete(options));
    if (!options.save.empty())
        SLIPWAY_CHECK(ops::check_new_baseline(options.save, options.replace));
    SLIPWAY_TRY(auto junit, open_page(options.junit));
    SLIPWAY_TRY(auto html, open_page(options.html));
    SLIPWAY_TRY(auto context, invocation.context());
    context.host.progress = {};
    auto& request = options.request;
    request.on_test = [&](const fstests::Test& test, std::size_t done, std::size_t total) {
        context.host.log.info("[{}/{}] {}", done, total, fstests::render_text(test));
    };
    SLIPWAY_TRY(auto result, ops::run_fstests(context, request));
    SLIPWAY_CHECK(publish_page(junit, fstests::render_junit(result)));
    SLIPWAY_CHECK(publish_page(html, fstests::render_html(result)));
    auto code = ops::exit_code_of(result);
    auto json = fstests::to_json(result);
    auto text = fstests::render_text(result);
    if (!request.baseline.empty() && !result.error) {
        SLIPWAY_TRY(auto comparison, ops::compare_baseline(request.baseline, result));
        json["comparison"] = fstests::to_json(comparison);
        text += fstests::render_text(comparison);
        code = comparison.regressions.empty() ? 0 : 1;
    }
    if (!options.save.empty() && !result.error) {
        SLIPWAY_TRY([[maybe_unused]] auto saved,
                    ops::save_baseline(options.save, result, options.replace));
    }
    SLIPWAY_CHECK(invocation.terminal.out(invocation.json ? render_json_pretty(json) + "\n"
                                                          : printable(text)));
    if (result.error)
        invocation.terminal.say("slipway: ended early, no baseline: " + render_text(*result.error));
    return code;
}

void add_options_of_machines(CLI::App& command, Options& options) {
    auto& request = options.request;
    command
        .add_option("--kernel", request.kernel,
                    "bzImage, vmlinux, build tree, User-mode Linux program or DEB package; or host")
        ->required();
    command.add_option("--root", request.root, "Test root by name, directory or image")
        ->capture_default_str();
    command.add_option("--shards", request.shards, "Machines at the same time")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--memory", options.memory, "Of a machine")->capture_default_str();
    command.add_option("--cpus", request.cpus, "Processors of a machine")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--accel", request.accelerator, "auto, kvm or tcg")->capture_default_str();
    command.add_option("--append", request.append, "More for the kernel's command line");
    command.add_option("--devices", options.devices, "Disks are made of: file, tmpfs, null_blk")
        ->capture_default_str();
    command.add_option("--disk-size", options.disk_size, "Of each disk, sparse")
        ->capture_default_str();
    command.add_option("--pool", request.pool,
                       "Disks of SCRATCH_DEV_POOL, which stands for SCRATCH_DEV then");
    command.add_flag("--logwrites", request.logwrites, "A disk LOGWRITES_DEV too");
}

void add_options_of_tests(CLI::App& command, Options& options) {
    auto& request = options.request;
    command.add_option("--fstests", request.fstests, "Directory of a built fstests")->required();
    command.add_option("--fstype", request.fstype, "ext4, xfs, btrfs, overlay, tmpfs, ...")
        ->capture_default_str();
    command.add_option("--base-fstype", request.base_fstype, "Below overlay")
        ->capture_default_str();
    command.add_option("--mkfs-options", request.mkfs_options, "MKFS_OPTIONS");
    command.add_option("--mount-options", request.mount_options,
                       "MOUNT_OPTIONS and TEST_FS_MOUNT_OPTS, with their -o");
    command.add_option("--tests", options.tests,
                       "As for check, in one word: \"-g quick -x dangerous generic/001\"; -g auto "
                       "without it");
    command
        .add_option("--exclude", request.exclude_files,
                    "File of tests that are not started; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--sections", request.sections_file,
                       "local.config with sections; its devices are not used");
    command.add_option("--section", request.sections, "Only this section of it; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--repeat", request.repeat, "Run each test so many times")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command.add_option("--timeout", options.timeout, "Seconds that one test may take; 0: any time")
        ->check(CLI::Range(0.0, longest_timeout))
        ->capture_default_str();
}

} // namespace

void declare_fstests_run(CLI::App& fstests, Invocation& invocation) {
    auto* command = fstests.add_subcommand("run", "Run tests with a kernel in virtual machines");
    auto options = std::make_shared<Options>();
    add_options_of_machines(*command, *options);
    add_options_of_tests(*command, *options);
    command->add_option("--results", options->request.directory,
                        "New directory for all files of the run");
    command->add_option("--junit", options->junit, "Write the results as JUnit XML");
    command->add_option("--html", options->html, "Write them as one page of HTML");
    command->add_option("--compare", options->request.baseline,
                        "With this baseline: then only regressions make the exit code 1");
    command->add_option("--save-baseline", options->save, "Keep the results under this name");
    command->add_flag("--force", options->replace, "Replace a baseline of that name");
    command->add_flag("--install-missing", options->request.install_missing,
                      "Afterwards, make the root anew with the packages that tests missed");
    command->add_option("--mirror", options->request.mirror, "For that, as of rootfs create");
    command->add_option("--keyring", options->request.keyring, "Likewise");
    add_output_options(*command, invocation);
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
