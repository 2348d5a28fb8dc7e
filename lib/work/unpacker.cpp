// SPDX-License-Identifier: Apache-2.0
#include "work/unpacker.hpp"

#include <clocale>
#include <cstdio>

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/unpack.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "sys/confine.hpp"
#include "sys/process.hpp"
#include "sys/syscall_filter.hpp"

namespace slipway::work {
namespace {

constexpr int archive_number = 3, directory_number = 4;
constexpr std::chrono::hours deadline{24}; // the client can end it at any time

constexpr std::uint64_t bit(int capability) {
    return std::uint64_t{1} << capability;
}
constexpr auto kept = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) | bit(CAP_FSETID) |
                      bit(CAP_MKNOD) | bit(CAP_SETFCAP);

// Landlock is of no use here: its first version forbids hard links between directories.
Status lock_in() {
    std::vector<sock_filter> filter;
    if (sys::has_syscall_filters()) {
        SLIPWAY_TRY(filter, sys::build_sandbox_filter(sys::Files::Free));
    }
    if (::fchdir(directory_number) != 0 || ::chroot(".") != 0)
        return fail_errno("entering the place to unpack into");
    ::close(directory_number);
    if (int error = sys::keep_only_capabilities(kept); error != 0)
        return fail_errno("giving up privileges", error);
    sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
    if (int error = sys::install_syscall_filter(program); error != 0)
        return fail_errno("filtering system calls", error);
    return {};
}

Result<archive::Unpacked> unpack_locked_in(const char* size) {
    SLIPWAY_CHECK(lock_in());
    return archive::unpack_here(sys::BorrowedFd(archive_number), parse_number(size).value_or(0));
}

} // namespace

int serve_unpacker(const char* size) {
    // Before the locale's files are out of reach. In the "C" locale libarchive gives up on names
    // that are not ASCII.
    (void)std::setlocale(LC_CTYPE, "C.UTF-8");
    ::umask(0);
    auto done = unpack_locked_in(size);
    auto answer = done ? Json{{"incomplete", done->incomplete}, {"examples", done->examples}}
                       : Json{{"error", error_to_json(done.error())}};
    (void)sys::write_all(sys::BorrowedFd(1), render_json(answer));
    return 0;
}

Result<report::Findings> unpack_archive(const sys::Host& host, sys::BorrowedFd archive,
                                        std::uint64_t size, const std::string& directory) {
    SLIPWAY_TRY(auto target, sys::open_file(directory, O_RDONLY | O_DIRECTORY));
    sys::ProcessSpec spec;
    spec.argv = {"/proc/self/exe", "--unpack", std::to_string(size)};
    spec.fds = {{archive, archive_number}, {target, directory_number}};
    SLIPWAY_TRY(auto captured,
                sys::run(*host.runner, spec, {.deadline = deadline, .cancel = host.cancel}));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, "unpacking the archive"));
    SLIPWAY_TRY(auto answer, parse_json(captured.out, "the unpacker's answer"));
    if (answer.contains("error"))
        return fail(error_from_json(answer["error"]));
    report::Findings findings;
    auto incomplete = json_get<std::uint64_t>(answer, "incomplete");
    if (incomplete > 0)
        findings.push_back(
            {.id = "archive-incomplete",
             .severity = report::Severity::Warning,
             .where = "tar",
             .text = fmt::format(
                 "{} entries of the archive could not be unpacked as they are: {}", incomplete,
                 join(json_get<std::vector<std::string>>(answer, "examples"), "; "))});
    return findings;
}

} // namespace slipway::work
