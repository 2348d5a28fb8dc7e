// SPDX-License-Identifier: Apache-2.0
#include "guestfs/local_copy.hpp"

#include <chrono>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"
#include "sys/process.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guestfs {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_complaint = 64 << 10;

// tar of this host, with one end of a pipe as its standard input or output.
class LocalTar {
public:
    static Result<LocalTar> start(HandleState& state, std::vector<std::string> arguments, int end) {
        if (!state.runner)
            return fail(Code::InvalidArgument, "the handle is not launched", "call launch() first");
        LocalTar tar;
        SLIPWAY_TRY(auto pipe, sys::make_pipe());
        SLIPWAY_TRY(tar.complaints_, sys::make_memfd("complaints"));
        auto& theirs = end == STDOUT_FILENO ? pipe.second : pipe.first;
        tar.ours_ = std::move(end == STDOUT_FILENO ? pipe.first : pipe.second);
        tar.spec_.argv = {"tar"};
        tar.spec_.argv.insert(tar.spec_.argv.end(), arguments.begin(), arguments.end());
        tar.spec_.fds = {{theirs, end}, {tar.complaints_, STDERR_FILENO}};
        SLIPWAY_TRY(tar.child_, state.runner->start(tar.spec_));
        tar.spec_.fds.clear();
        return tar;
    }
    /// A path of our end, for a call that takes a file of the caller's.
    [[nodiscard]] std::string path() const { return sys::proc_path(ours_.raw()); }

    Status finish() {
        constexpr std::chrono::hours deadline{24};
        ours_.reset();
        SLIPWAY_TRY(auto status, child_->wait(deadline));
        sys::Captured captured{.status = status.value_or(1)};
        if (::lseek(complaints_.raw(), 0, SEEK_SET) == 0)
            if (auto said = sys::read_all(complaints_, longest_complaint))
                captured.err = std::move(*said);
        return sys::check_tool(spec_, captured, "running tar");
    }

private:
    LocalTar() = default;
    sys::ProcessSpec spec_;
    sys::OwnedFd ours_, complaints_;
    std::unique_ptr<sys::Child> child_;
};

Result<Json> call(HandleState& state, std::string_view name, Json arguments) {
    return state.call_worker(*find_signature(name), arguments);
}

// Of the two ends the one that failed first says why.
Result<Json> both(Result<Json> answer, LocalTar& tar) {
    auto done = tar.finish();
    bool broken_pipe = !answer && answer.error().errno_value == EPIPE;
    if (!answer && !broken_pipe)
        return answer;
    if (!done)
        return fail(std::move(done).error());
    return answer ? Result<Json>(Json()) : answer;
}

} // namespace

Result<Json> copy_in(HandleState& state, const Json& arguments) {
    auto given = arguments[0].get<std::string>();
    struct stat info {};
    if (given.empty() || ::lstat(given.c_str(), &info) != 0)
        return fail_errno(printable(given), given.empty() ? ENOENT : errno);
    auto local = fs::absolute(given).lexically_normal();
    if (!local.has_filename())
        local = local.parent_path();
    if (!local.has_filename())
        return fail(Code::InvalidArgument, "the root directory of this host cannot be copied");
    SLIPWAY_TRY(auto tar, LocalTar::start(state,
                                          {"-C", local.parent_path().string(), "-cf", "-", "--",
                                           local.filename().string()},
                                          STDOUT_FILENO));
    return both(call(state, "tar_in", {tar.path(), arguments[1]}), tar);
}

Result<Json> copy_out(HandleState& state, const Json& arguments) {
    auto remote = arguments[0].get<std::string>();
    auto directory = arguments[1].get<std::string>();
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0)
        return fail_errno(printable(directory));
    if (!S_ISDIR(info.st_mode))
        return fail_errno(printable(directory), ENOTDIR);
    SLIPWAY_TRY(auto path, sys::GuestPath::parse(remote));
    auto target = (fs::absolute(directory) / path.name()).string();
    SLIPWAY_TRY(auto is_file, call(state, "is_file", {remote}));
    if (is_file.get<bool>())
        return call(state, "download", {remote, target});
    SLIPWAY_TRY(auto is_directory, call(state, "is_dir", {remote}));
    if (!is_directory.get<bool>())
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no file and no directory", printable(remote)));
    if (::mkdir(target.c_str(), 0777) != 0 && errno != EEXIST)
        return fail_errno(printable(target));
    SLIPWAY_TRY(auto tar, LocalTar::start(state, {"-C", target, "-xf", "-"}, STDIN_FILENO));
    return both(call(state, "tar_out", {remote, tar.path()}), tar);
}

} // namespace slipway::guestfs
