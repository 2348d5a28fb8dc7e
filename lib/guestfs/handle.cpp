// SPDX-License-Identifier: Apache-2.0
#include "guestfs/handle.hpp"

#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/state.hpp"
#include "sys/output_file.hpp"

namespace slipway::guestfs {
namespace {

constexpr unsigned usual_memory = 1280; // MiB, of libguestfs
constexpr mode_t mode_of_files = 0666;  // umask(2) takes from it what the user wants

// A sandbox has its own idea of what it needs, unless somebody wants more.
unsigned memory_wish(unsigned memsize) {
    return memsize > usual_memory ? memsize : 0;
}

bool is_stream(Type type) {
    return type == Type::FileIn || type == Type::FileOut || type == Type::Bytes;
}

// Where the client's bytes of a call come from.
Result<sys::OwnedFd> open_input(const Signature& signature, const Json& arguments) {
    for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
        auto type = signature.parameters[i].type;
        if (type == Type::FileIn)
            return sys::open_file(arguments[i].get<std::string>(), O_RDONLY);
        if (type == Type::Bytes)
            return sys::make_memfd("argument", arguments[i].get_ref<const std::string&>());
    }
    return sys::OwnedFd{};
}

// A file that the call makes: whole or absent; what is no plain file is written as it is.
class Download {
public:
    [[nodiscard]] static Result<Download> open(const Signature& signature, const Json& arguments) {
        Download download;
        for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
            if (signature.parameters[i].type != Type::FileOut)
                continue;
            download.wanted_ = true;
            auto path = arguments[i].get<std::string>();
            struct stat info {};
            if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
                SLIPWAY_TRY(download.plain_, sys::open_file(path, O_WRONLY));
                continue;
            }
            auto mask = ::umask(0);
            ::umask(mask);
            auto mode =
                ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : mode_of_files & ~mask;
            SLIPWAY_TRY(auto file, sys::OutputFile::create(path, {.replace = true, .mode = mode}));
            download.file_.emplace(std::move(file));
        }
        return download;
    }
    [[nodiscard]] bool wanted() const { return wanted_; }
    [[nodiscard]] Status write(std::string_view bytes) const {
        return sys::write_all(file_ ? file_->fd() : plain_.borrow(), bytes);
    }
    [[nodiscard]] Status finish() { return file_ ? file_->publish() : Status{}; }

private:
    Download() = default;
    bool wanted_ = false;
    std::optional<sys::OutputFile> file_;
    sys::OwnedFd plain_;
};

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
    local_mount.reset();
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
    auto words = Json::array();
    for (std::size_t i = 0; i < signature.parameters.size(); ++i)
        if (!is_stream(signature.parameters[i].type))
            words.push_back(i < arguments.size() ? arguments[i] : Json());
    SLIPWAY_TRY(auto input, open_input(signature, arguments));
    SLIPWAY_TRY(auto download, Download::open(signature, arguments));
    std::string value;
    session::CallHooks hooks{.input = input, .cancel = Cancel(options.interrupted)};
    hooks.on_data = [&](int, std::string_view bytes) -> Status {
        if (download.wanted())
            return download.write(bytes);
        value += bytes;
        return {};
    };
    auto answer = opened->call(std::string(signature.name), {{"args", words}}, hooks);
    if (!answer) {
        if (!opened->is_alive())
            drop();
        return answer;
    }
    SLIPWAY_CHECK(download.finish());
    bool streamed = signature.result == Type::Bytes || signature.result == Type::String;
    return answer->is_null() && streamed ? Json(std::move(value)) : std::move(*answer);
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

// These wait for others who call.
Result<Json> HandleState::call_without_lock(std::string_view name) {
    LocalMount* local = nullptr;
    {
        std::lock_guard guard(mutex);
        local = local_mount.get();
    }
    if (local == nullptr)
        return fail(Code::InvalidArgument, fmt::format("{}: nothing is mounted locally", name),
                    "call mount_local first");
    auto done = name == "umount_local" ? local->unmount() : local->run(Cancel(options.interrupted));
    if (!done) {
        auto error = std::move(done).error();
        error.what = fmt::format("{}: {}", name, error.what);
        return fail(std::move(error));
    }
    if (name == "mount_local_run") {
        std::lock_guard guard(mutex);
        local_mount.reset();
    }
    return Json();
}

Result<Json> HandleState::call(std::string_view name, const Json& arguments) {
    if (name == "mount_local_run" || name == "umount_local")
        return call_without_lock(name);
    std::lock_guard guard(mutex);
    const auto* signature = find_signature(name);
    if (signature == nullptr)
        return fail(Code::InvalidArgument, fmt::format("there is no call '{}'", printable(name)));
    auto named = [&](Error error) {
        // The outermost context comes first in the text.
        error.what = fmt::format("{}: {}", name, error.what);
        return error;
    };
    if (closed)
        return fail(named({.code = Code::InvalidArgument, .what = "the handle was closed"}));
    if (settings.at("trace").get<bool>())
        std::fprintf(stderr, "%s\n", trace_line(name, arguments, *signature).c_str());
    auto answer = dispatch(*signature, arguments);
    if (!answer)
        return fail(named(std::move(answer).error()));
    return answer;
}

Status HandleState::close() {
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
