// SPDX-License-Identifier: Apache-2.0
#include "mount/check.hpp"

#include <algorithm>

#include <linux/capability.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/process.hpp"

namespace slipway::mount {
namespace {

struct Checker {
    std::vector<std::string> argv;
    std::vector<int> corrected; ///< exit statuses; 0: nothing to correct
    std::vector<int> capabilities{};
};

Result<Checker> checker_for(const std::string& node, std::string_view type) {
    // -f: its mark may say clean where it is not. e2fsck(8): 1 errors were corrected, 2 and the
    // system should be rebooted.
    if (type == "ext2" || type == "ext3" || type == "ext4")
        return Checker{{"e2fsck", "-f", "-p", node}, {1, 2}};
    // Without -L: a log that cannot be replayed is not thrown away. -e: 4 says that it corrected.
    // It fails where it cannot flush the node (BLKFLSBUF), which only CAP_SYS_ADMIN may; what else
    // that would allow is kept from it by the filter of system calls.
    if (type == "xfs")
        return Checker{{"xfs_repair", "-e", node}, {4}, {CAP_SYS_ADMIN}};
    return fail(Code::Unsupported, fmt::format("nothing here repairs {}", type));
}

std::string last_line(const std::string& text) {
    auto lines = split_lines(trim(text));
    return lines.empty() ? std::string{} : printable(lines.back());
}

} // namespace

Result<CheckResult> check_filesystem(const std::string& node, std::string_view type) {
    SLIPWAY_TRY(auto checker, checker_for(node, type));
    if (auto found = sys::find_program(checker.argv.front()); !found)
        return fail(Code::Unsupported, found.error().what);
    sys::ProcessSpec spec{.argv = checker.argv};
    // e2fsck opens /dev/null to keep the low numbers of descriptors taken.
    auto readable = sys::program_read_paths();
    readable.emplace_back("/proc"); // xfs_repair wants to know what is mounted
    spec.confinement = sys::Confinement{.read_paths = std::move(readable),
                                        .write_paths = {node, "/dev/null"},
                                        .keep_capabilities = checker.capabilities,
                                        .filter_calls = true};
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto captured, sys::run(runner, spec));
    const auto& name = checker.argv.front();
    auto words = last_line(captured.out + captured.err);
    bool corrected =
        std::count(checker.corrected.begin(), checker.corrected.end(), captured.status) > 0;
    if (captured.status != 0 && !corrected)
        return fail(Code::ToolFailed, fmt::format("{} could not repair it: {}", name, words));
    return CheckResult{corrected, fmt::format("{}: {}", name, words)};
}

} // namespace slipway::mount
