// SPDX-License-Identifier: Apache-2.0
#define FUSE_USE_VERSION 35
#include "guestfs/local_mount.hpp"

#include <array>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_lowlevel.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "session/supervisor.hpp"
#include "sys/process.hpp"

namespace slipway::guestfs {
namespace {

constexpr int tick = 200; // ms between two looks at a wish to stop

struct FreeFuse {
    void operator()(fuse* filesystem) const { fuse_destroy(filesystem); }
};

} // namespace

Status check_mount_point(const std::string& directory) {
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0) {
        auto error = os_error(printable(directory), errno);
        if (errno == ENOTCONN)
            error.hint = fmt::format("what was mounted there has died: fusermount3 -u {}",
                                     printable(directory));
        return fail(std::move(error));
    }
    if (!S_ISDIR(info.st_mode))
        return fail(os_error(printable(directory), ENOTDIR));
    if (::access("/dev/fuse", F_OK) != 0)
        return fail(Code::Unsupported, "this machine has no /dev/fuse",
                    "modprobe fuse; in a container, give it the device /dev/fuse");
    if (::access("/dev/fuse", R_OK | W_OK) != 0)
        return fail(Code::Permission, "you may not use /dev/fuse",
                    "ask the administrator for the right, such as a group");
    if (!sys::find_program("fusermount3"))
        return fail(Code::Unsupported, "fusermount3 is not installed", "apt install fuse3");
    return {};
}

struct LocalMount::State {
    LocalMountOptions options;
    LocalFiles files;
    std::unique_ptr<fuse, FreeFuse> filesystem{};
    bool mounted = false;
    sys::LocalRunner runner{};
    sys::OwnedFd lifeline{}; ///< ends with this process
    std::unique_ptr<sys::Child> guardian{};
    Cancel stop{};
    std::mutex mutex{}; ///< of what follows
    std::condition_variable changed{};
    std::thread::id runs_in{}; ///< the thread in `run`

    State(LocalMountOptions wanted, Carry carry)
        : options(std::move(wanted)), files{std::move(carry)} {
        if (options.readonly)
            files.kept = std::chrono::seconds(names_kept());
    }
    // Another process unmounts when this one dies. (auto_unmount of libfuse does nothing where it
    // looks before the kernel has seen that death.)
    [[nodiscard]] Status guard() {
        SLIPWAY_TRY(auto worker, session::find_worker());
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            return fail_errno("guarding a mount");
        sys::OwnedFd waits(ends[0]);
        lifeline = sys::OwnedFd(ends[1]);
        SLIPWAY_TRY(guardian, runner.start({.argv = {worker, "--unmount-at-end", options.directory},
                                            .fds = {{waits, 3}},
                                            .die_with_parent = false,
                                            .new_session = true}));
        return {};
    }
    [[nodiscard]] unsigned names_kept() const {
        return options.cache_timeout.value_or(options.readonly ? 60 : 1);
    }
    [[nodiscard]] unsigned attributes_kept() const {
        return options.cache_timeout.value_or(options.readonly ? 60 : 0);
    }
};

LocalMount::LocalMount(std::unique_ptr<State> state) : state_(std::move(state)) {}

LocalMount::~LocalMount() {
    if (state_->mounted)
        fuse_unmount(state_->filesystem.get());
}

Result<std::unique_ptr<LocalMount>> LocalMount::make(LocalMountOptions options, Carry carry) {
    SLIPWAY_CHECK(check_mount_point(options.directory));
    auto state = std::make_unique<State>(std::move(options), std::move(carry));
    auto& wanted = state->options;
    std::error_code problem; // fusermount3 is run elsewhere
    wanted.directory = std::filesystem::canonical(wanted.directory, problem).string();
    SLIPWAY_CHECK(state->guard());
    auto text = fmt::format("fsname=slipway,subtype=slipway,max_read={},"
                            "entry_timeout={},attr_timeout={}{}{}{}",
                            largest_request, state->names_kept(), state->attributes_kept(),
                            wanted.options.empty() ? "" : ",", wanted.options,
                            wanted.readonly ? ",ro" : ""); // the last of ro and rw counts
    std::array<std::string, 3> words{"slipway", "-o", text};
    std::array<char*, 3> argv{words[0].data(), words[1].data(), words[2].data()};
    fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(argv.size()), argv.data());
    const auto& all = local_operations();
    state->filesystem.reset(fuse_new(&arguments, &all, sizeof all, &state->files));
    fuse_opt_free_args(&arguments);
    if (!state->filesystem)
        return fail(Code::InvalidArgument,
                    fmt::format("the mount options '{}' are not known", wanted.options));
    if (fuse_mount(state->filesystem.get(), wanted.directory.c_str()) != 0)
        return fail(Code::Permission, fmt::format("{} could not be mounted on", wanted.directory),
                    "it must be yours, you known to /etc/passwd, and fusermount3 set-uid root");
    state->mounted = true;
    return std::unique_ptr<LocalMount>(new LocalMount(std::move(state)));
}

Status LocalMount::run(const Cancel& cancel) {
    {
        std::lock_guard guard(state_->mutex);
        if (state_->runs_in != std::thread::id{})
            return fail(Code::Busy, "another thread answers already");
        state_->runs_in = std::this_thread::get_id();
    }
    auto status = answer(cancel);
    fuse_unmount(state_->filesystem.get());
    state_->guardian.reset();
    std::lock_guard guard(state_->mutex);
    state_->mounted = false;
    state_->runs_in = {};
    state_->changed.notify_all();
    return status;
}

Status LocalMount::answer(const Cancel& cancel) {
    auto* session = fuse_get_session(state_->filesystem.get());
    fuse_buf buffer{};
    Status status;
    while (fuse_session_exited(session) == 0 && !state_->stop.requested()) {
        pollfd waiting{.fd = fuse_session_fd(session), .events = POLLIN, .revents = 0};
        int ready = ::poll(&waiting, 1, tick);
        if (status = cancel.check(); !status)
            break;
        if (ready <= 0)
            continue;
        int got = fuse_session_receive_buf(session, &buffer);
        if (got == -EINTR || got == -EAGAIN)
            continue;
        if (got <= 0) // unmounted
            break;
        fuse_session_process_buf(session, &buffer);
        if (state_->files.broken) {
            status = fail(*state_->files.broken);
            break;
        }
    }
    std::free(buffer.mem); // NOLINT: the library's malloc
    return status;
}

Status LocalMount::stop() {
    std::unique_lock lock(state_->mutex);
    if (state_->runs_in == std::this_thread::get_id())
        return fail(Code::Busy, "this thread answers for the directory",
                    "unmount it from another one");
    state_->stop.request();
    state_->changed.wait(lock, [this] { return state_->runs_in == std::thread::id{}; });
    return {};
}

Status LocalMount::unmount() const {
    sys::LocalRunner runner;
    sys::ProcessSpec spec{.argv = {"fusermount3", "-u", state_->options.directory}};
    SLIPWAY_TRY(auto captured, sys::run(runner, spec));
    if (captured.status != 0 && captured.err.find("busy") != std::string::npos)
        return fail(os_error(state_->options.directory, EBUSY));
    return sys::check_tool(spec, captured, fmt::format("unmounting {}", state_->options.directory));
}

} // namespace slipway::guestfs
