// SPDX-License-Identifier: Apache-2.0
#include "work/unpacker.hpp"

#include <array>
#include <clocale>
#include <cstdio>

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "sys/process.hpp"
#include "work/lock_in.hpp"

namespace slipway::work {
namespace {

constexpr int archive_number = 3, directory_number = 4, below_number = 5;
constexpr std::chrono::hours deadline{24}; // the client can end it at any time

constexpr auto kept = capability_bit(CAP_CHOWN) | capability_bit(CAP_DAC_OVERRIDE) |
                      capability_bit(CAP_FOWNER) | capability_bit(CAP_FSETID) |
                      capability_bit(CAP_MKNOD) | capability_bit(CAP_SETFCAP);

std::string written(const archive::UnpackOptions& options) {
    return render_json({{"below", options.below},
                        {"compression", options.compression},
                        {"xattrs", options.xattrs},
                        {"acls", options.acls},
                        {"selinux", options.selinux},
                        {"harmless_devices", options.harmless_devices}});
}

Result<archive::UnpackOptions> read_options(const char* text) {
    SLIPWAY_TRY(auto json, parse_json(text, "the unpacker's options"));
    return archive::UnpackOptions{.below = json_get<bool>(json, "below"),
                                  .compression = json_get<std::string>(json, "compression"),
                                  .xattrs = json_get<bool>(json, "xattrs"),
                                  .acls = json_get<bool>(json, "acls"),
                                  .selinux = json_get<bool>(json, "selinux"),
                                  .harmless_devices = json_get<bool>(json, "harmless_devices")};
}

// tar(1) fills the end of an archive with zeros. Who writes them is not to be stopped there.
void take_rest() {
    std::array<char, 65536> rest{};
    while (::read(archive_number, rest.data(), rest.size()) > 0) {
    }
}

Result<archive::Unpacked> unpack_locked_in(const char* size, const char* options) {
    SLIPWAY_TRY(auto wanted, read_options(options));
    SLIPWAY_CHECK(lock_into(directory_number, kept, wanted.below ? below_number : -1));
    SLIPWAY_TRY(auto unpacked, archive::unpack_here(sys::BorrowedFd(archive_number),
                                                    parse_number(size).value_or(0), wanted));
    if (wanted.below)
        take_rest();
    return unpacked;
}

Result<archive::Unpacked> read_answer(std::string_view text) {
    SLIPWAY_TRY(auto answer, parse_json(text, "the unpacker's answer"));
    if (answer.contains("error"))
        return fail(error_from_json(answer["error"]));
    return archive::Unpacked{.incomplete = json_get<std::uint64_t>(answer, "incomplete"),
                             .examples = json_get<std::vector<std::string>>(answer, "examples"),
                             .left_out = json_get<std::vector<std::string>>(answer, "left_out")};
}

} // namespace

int serve_unpacker(const char* size, const char* options) {
    // Before the locale's files are out of reach. In the "C" locale libarchive gives up on names
    // that are not ASCII.
    (void)std::setlocale(LC_CTYPE, "C.UTF-8");
    ::umask(022); // of directories that the archive does not have
    auto done = unpack_locked_in(size, options);
    auto answer = done ? Json{{"incomplete", done->incomplete},
                              {"examples", done->examples},
                              {"left_out", done->left_out}}
                       : Json{{"error", error_to_json(done.error())}};
    (void)sys::write_all(sys::BorrowedFd(1), render_json(answer));
    return 0;
}

Result<report::Findings> unpack_archive(const sys::Host& host, sys::BorrowedFd archive,
                                        std::uint64_t size, const std::string& directory,
                                        const archive::UnpackOptions& options) {
    SLIPWAY_TRY(auto target, sys::open_file(directory, O_RDONLY | O_DIRECTORY));
    sys::ProcessSpec spec;
    spec.argv = {"/proc/self/exe", "--unpack", std::to_string(size), written(options)};
    spec.fds = {{archive, archive_number}, {target, directory_number}};
    SLIPWAY_TRY(auto captured,
                sys::run(*host.runner, spec, {.deadline = deadline, .cancel = host.cancel}));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, "unpacking the archive"));
    SLIPWAY_TRY(auto unpacked, read_answer(captured.out));
    report::Findings findings;
    if (unpacked.incomplete > 0)
        findings.push_back(
            {.id = "archive-incomplete",
             .severity = report::Severity::Warning,
             .where = "tar",
             .text = fmt::format("{} entries of the archive could not be unpacked as they are: {}",
                                 unpacked.incomplete, join(unpacked.examples, "; "))});
    if (!unpacked.left_out.empty())
        findings.push_back({.id = "archive-devices-left-out",
                            .severity = report::Severity::Info,
                            .where = "tar",
                            .text = fmt::format("device nodes of the archive were left out: {}",
                                                join(unpacked.left_out, ", "))});
    return findings;
}

Result<Unpacking> Unpacking::start(const sys::Host& host, sys::BorrowedFd root,
                                   sys::BorrowedFd directory,
                                   const archive::UnpackOptions& options) {
    Unpacking unpacking;
    SLIPWAY_TRY(auto input, sys::make_pipe());
    SLIPWAY_TRY(auto answer, sys::make_pipe());
    auto wanted = options;
    wanted.below = true;
    sys::ProcessSpec spec;
    spec.argv = {"/proc/self/exe", "--unpack", std::to_string(UINT64_MAX), written(wanted)};
    spec.fds = {{input.first, archive_number},
                {root, directory_number},
                {directory, below_number},
                {answer.second, STDOUT_FILENO}};
    SLIPWAY_TRY(unpacking.child_, host.runner->start(spec));
    unpacking.input_ = std::move(input.second);
    unpacking.answer_ = std::move(answer.first);
    return unpacking;
}

Status Unpacking::write(std::string_view bytes) const {
    return sys::write_all(input_, bytes);
}

Result<archive::Unpacked> Unpacking::finish() {
    constexpr std::size_t longest_answer = 1 << 20;
    input_.reset();
    SLIPWAY_TRY(auto text, sys::read_all(answer_, longest_answer));
    SLIPWAY_TRY(auto status, child_->wait(deadline));
    if (status.value_or(-1) != 0)
        return fail(Code::ToolFailed, "the process that unpacks has ended early");
    return read_answer(text);
}

} // namespace slipway::work
