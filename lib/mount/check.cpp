// SPDX-License-Identifier: Apache-2.0
#include "mount/check.hpp"

#include <linux/capability.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/process.hpp"

namespace slipway::mount {
namespace {

struct Checker {
    std::vector<std::string> argv;
    int highest_good; ///< exit status
    std::vector<int> capabilities{};
};

Result<Checker> checker_for(const std::string& node, std::string_view type) {
    // -f: its mark may say clean where it is not. e2fsck(8): 1 errors were corrected, 2 and the
    // system should be rebooted.
    if (type == "ext2" || type == "ext3" || type == "ext4")
        return Checker{{"e2fsck", "-f", "-p", node}, 2};
    // Without -L: a log that cannot be replayed is not thrown away.
    // It fails where it cannot flush the node (BLKFLSBUF), which only CAP_SYS_ADMIN may; what else
    // that would allow is kept from it by the filter of system calls.
    if (type == "xfs")
        return Checker{{"xfs_repair", node}, 0, {CAP_SYS_ADMIN}};
    return fail(Code::Unsupported, fmt::format("nothing here repairs {}", type));
}

std::string last_line(const std::string& text) {
    auto lines = split_lines(trim(text));
    return lines.empty() ? std::string{} : printable(lines.back());
}

} // namespace

Result<std::string> check_filesystem(const std::string& node, std::string_view type) {
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
    if (captured.status > checker.highest_good)
        return fail(Code::ToolFailed,
                    fmt::format("{} could not repair it: {}", checker.argv.front(),
                                last_line(captured.out + captured.err)));
    return fmt::format("{}: {}", checker.argv.front(), last_line(captured.out + captured.err));
}

} // namespace slipway::mount
