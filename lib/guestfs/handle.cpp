// SPDX-License-Identifier: Apache-2.0
#include "guestfs/handle.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/state.hpp"
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
        context.host.log = Log(Level::Debug, [](Level, std::string_view text) {
            std::fprintf(stderr, "slipway: %.*s\n", static_cast<int>(text.size()), text.data());
        });
    return context;
}

Status HandleState::launch() {
    if (opened)
        return fail(Code::InvalidArgument, "the handle was launched already");
    if (drives.empty())
        return fail(Code::InvalidArgument, "no drives were added", "call add_drive before launch");
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
    return {};
}

void HandleState::drop() {
    opened.reset();
    runner.reset();
}

Status HandleState::shutdown() {
    if (!opened)
        return {};
    auto done = opened->commit(context());
    drop();
    return done;
}

Result<Json> HandleState::call_worker(const Signature& signature, const Json& arguments) {
    if (!opened)
        return fail(Code::InvalidArgument, "the handle is not launched", "call launch() first");
    Cancel cancel(options.interrupted);
    {
        std::lock_guard guard(cancel_mutex_);
        under_way_ = cancel;
    }
    auto answer = call_of_worker(
        signature, arguments, cancel,
        [this](const std::string& name, Json words, const session::CallHooks& hooks) {
            return opened->call(name, std::move(words), hooks);
        });
    if (!answer && !opened->is_alive())
        drop();
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
    auto named = [&](Error error) {
        // The outermost context comes first in the text.
        error.what = fmt::format("{}: {}", name, error.what);
        return error;
    };
    auto answer = carry_out(*signature, arguments);
    if (!answer)
        return fail(named(std::move(answer).error()));
    return answer;
}

Result<Json> HandleState::carry_out(const Signature& signature, const Json& arguments) {
    auto name = signature.name;
    if (name == "mount_local_run" || name == "umount_local" || name == "user_cancel")
        return call_without_lock(name);
    if (name == "shutdown" || name == "kill_subprocess")
        SLIPWAY_CHECK(end_local_mount());
    std::lock_guard guard(mutex);
    if (closed)
        return fail(Code::InvalidArgument, "the handle was closed");
    if (settings.at("trace").get<bool>())
        std::fprintf(stderr, "%s\n", trace_line(name, arguments, signature).c_str());
    return dispatch(signature, arguments);
}

Status HandleState::close() {
    SLIPWAY_CHECK(end_local_mount());
    std::lock_guard guard(mutex);
    if (std::exchange(closed, true))
        return fail(Code::InvalidArgument, "close: the handle was closed already");
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
    return state_->call(name, arguments);
}

Status Handle::close() {
    return state_->close();
}

bool Handle::is_closed() const {
    return state_->closed;
}

} // namespace slipway::guestfs
