// SPDX-License-Identifier: Apache-2.0
#include "guestfs/handle.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/set_for_now.hpp"
#include "base/strings.hpp"
#include "guestfs/state.hpp"
#include "guestfs/trace.hpp"
#include "guestfs/worker_call.hpp"

namespace slipway::guestfs {
namespace {

constexpr unsigned usual_memory = 1280; // MiB, of libguestfs

// A sandbox has its own idea of what it needs, unless somebody wants more.
unsigned memory_wish(unsigned memsize) {
    return memsize > usual_memory ? memsize : 0;
}

} // namespace

HandleState::HandleState(HandleOptions given)
    : options(std::move(given)), settings(default_settings(options.environment)) {}

HandleState::~HandleState() = default;

ops::Context HandleState::context() const {
    ops::Context context;
    context.runner = runner.get();
    context.host.runner = runner.get();
    if (settings.at("verbose").get<bool>())
        context.host.log = Log(Level::Debug, [this](Level, std::string_view text) {
            if (events.are_wanted(Event::Library))
                events.tell(Event::Library, text);
            else
                std::fprintf(stderr, "slipway: %.*s\n", static_cast<int>(text.size()), text.data());
        });
    return context;
}

Status HandleState::launch() {
    if (opened)
        return fail(Code::InvalidArgument, "the handle was launched already");
    if (drives.empty())
        return fail(Code::InvalidArgument, "no drives were added", "call add_drive before launch");
    lost_changes = false;
    SLIPWAY_TRY(runner, session::SupervisedRunner::launch());
    auto result =
        OpenDrives::open(context(), drives,
                         {.engine = options.engine,
                          .memory_mib = memory_wish(settings.at("memsize").get<unsigned>()),
                          .network = settings.at("network").get<bool>()});
    if (!result) {
        runner.reset();
        return fail(std::move(result).error());
    }
    opened = std::move(*result);
    events.tell(Event::LaunchDone, {});
    return {};
}

void HandleState::drop() {
    opened.reset();
    runner.reset();
}

Status HandleState::shutdown() {
    if (std::exchange(lost_changes, false))
        return fail(Code::Cancelled,
                    "the call that was interrupted did not stop by itself, and its worker was "
                    "killed: nothing that was written since launch is in the images");
    if (!opened)
        return {};
    auto done = opened->commit(context());
    drop();
    return done;
}

Result<Json> HandleState::call_worker(const Signature& signature, const Json& arguments) {
    if (!opened)
        return fail(Code::InvalidArgument, "the handle is not launched", "call launch() first");
    if (in_worker_)
        return fail(Code::Busy, "the callback of another call cannot call the worker");
    Cancel cancel(options.interrupted);
    {
        std::lock_guard guard(cancel_mutex_);
        under_way_ = cancel;
    }
    auto ask = [this](const std::string& name, Json words, const session::CallHooks& hooks) {
        return opened->call(name, std::move(words), hooks);
    };
    auto answer = [&] {
        SetForNow<bool> busy(in_worker_, true); // a callback may throw
        return call_of_worker(signature, arguments, cancel, events, ask);
    }();
    if (!answer && !opened->is_alive()) {
        // The caller of an interrupted call does not see its error.
        lost_changes = answer.error().code == Code::Cancelled &&
                       std::any_of(drives.begin(), drives.end(),
                                   [](const auto& drive) { return !drive.readonly; });
        drop();
        if (answer.error().code == Code::ToolFailed) // the program of a sandbox
            answer.error().code = Code::Protocol;
        events.tell(Event::SubprocessQuit, {});
    }
    return answer;
}

Result<Json> HandleState::dispatch(const Signature& signature, const Json& arguments) {
    SLIPWAY_CHECK(check_arguments(signature, arguments));
    switch (signature.where) {
    case Where::Client:
        return find_client_call(signature.name)(*this, arguments);
    case Where::Worker:
        return call_worker(signature, arguments);
    case Where::None:
        break;
    }
    return fail(Code::Unsupported, "Slipway does not have this call",
                "docs/guestfs-calls.md lists those that it has");
}

// These come while other calls are under way.
Result<Json> HandleState::call_without_lock(std::string_view name) {
    if (name == "user_cancel") {
        std::lock_guard guard(cancel_mutex_);
        under_way_.request();
        return Json();
    }
    std::shared_ptr<LocalMount> local;
    {
        std::lock_guard guard(mutex);
        local = local_mount;
    }
    if (!local)
        return fail(Code::InvalidArgument, "nothing is mounted locally", "call mount_local first");
    if (name == "umount_local") {
        SLIPWAY_CHECK(local->unmount());
        return Json();
    }
    auto done = local->run(Cancel(options.interrupted));
    if (!done && done.error().code == Code::Busy)
        return fail(std::move(done).error());
    std::lock_guard guard(mutex);
    local_mount.reset();
    return done ? Result<Json>(Json()) : fail(std::move(done).error());
}

Status HandleState::end_local_mount() {
    std::shared_ptr<LocalMount> local;
    {
        std::lock_guard guard(mutex);
        local = local_mount;
    }
    if (local)
        SLIPWAY_CHECK(local->stop());
    std::lock_guard guard(mutex);
    local_mount.reset();
    return {};
}

Result<Json> HandleState::call(std::string_view name, const Json& arguments) {
    const auto* signature = find_signature(name);
    if (signature == nullptr)
        return fail(Code::InvalidArgument, fmt::format("there is no call '{}'", printable(name)));
    auto answer = carry_out(*signature, arguments);
    if (!answer)
        return fail(std::move(answer.error()).in(std::string(name)));
    return answer;
}

Result<Json> HandleState::carry_out(const Signature& signature, const Json& arguments) {
    auto name = signature.name;
    events.tell(Event::Enter, name);
    if (name == "mount_local_run" || name == "umount_local" || name == "user_cancel")
        return call_without_lock(name);
    if (name == "shutdown" || name == "kill_subprocess")
        SLIPWAY_CHECK(end_local_mount());
    std::lock_guard guard(mutex);
    if (closed)
        return fail(Code::InvalidArgument, "the handle was closed");
    if (!settings.at("trace").get<bool>())
        return dispatch(signature, arguments);
    trace(trace_of_call(signature, arguments));
    auto answer = dispatch(signature, arguments);
    trace(trace_of_result(signature, answer));
    return answer;
}

void HandleState::trace(const std::string& line) const {
    if (events.are_wanted(Event::Trace))
        events.tell(Event::Trace, line);
    else
        std::fprintf(stderr, "slipway: trace: %s\n", line.c_str());
}

Status HandleState::close() {
    SLIPWAY_CHECK(end_local_mount());
    std::lock_guard guard(mutex);
    if (in_worker_)
        return fail(Code::Busy, "close: the callback of another call cannot close the handle");
    if (std::exchange(closed, true))
        return fail(Code::InvalidArgument, "close: the handle was closed already");
    events.tell(Event::Close, {});
    auto done = shutdown();
    return done ? done : fail(std::move(done.error()).in("closing the handle"));
}

Handle::Handle(HandleOptions options) : state_(std::make_unique<HandleState>(std::move(options))) {}
Handle::Handle(Handle&&) noexcept = default;

Handle& Handle::operator=(Handle&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}

Handle::~Handle() {
    if (!state_ || state_->closed)
        return;
    if (auto done = state_->close(); !done)
        std::fprintf(stderr, "slipway: %s\n", render_text(done.error()).c_str());
}

Result<Json> Handle::call(std::string_view name, const Json& arguments) {
    return state_ ? state_->call(name, arguments)
                  : fail(Code::InvalidArgument, fmt::format("{}: the handle was moved away", name));
}

Status Handle::close() {
    return state_ ? state_->close()
                  : fail(Code::InvalidArgument, "close: the handle was moved away");
}

int Handle::set_event_callback(EventCallback callback, std::uint64_t mask) {
    return state_->events.add(std::move(callback), mask);
}

void Handle::delete_event_callback(int number) {
    state_->events.remove(number);
}

bool Handle::is_closed() const {
    return !state_ || state_->closed;
}

} // namespace slipway::guestfs
