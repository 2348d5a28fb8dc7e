// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "invocation.hpp"
#include "ops/look.hpp"

namespace slipway::app {
namespace {

struct Options {
    std::string local{};
    std::string path{};
};

// Opening a FIFO waits for its writer, and no signal would end that.
Status wait_for_writer(sys::BorrowedFd fifo, const Cancel& cancel) {
    pollfd poller{.fd = fifo.raw(), .events = POLLIN, .revents = 0};
    constexpr int tick_ms = 50;
    while (::poll(&poller, 1, tick_ms) <= 0)
        SLIPWAY_CHECK(cancel.check());
    return {};
}

Result<int> run(Invocation& invocation, const Options& options) {
    ops::PutRequest request{.path = options.path};
    sys::OwnedFd opened;
    auto input = invocation.terminal.in();
    if (options.local != "-") {
        SLIPWAY_TRY(opened, sys::open_file(options.local, O_RDONLY | O_NONBLOCK));
        struct stat info {};
        if (::fstat(opened.raw(), &info) != 0 || S_ISDIR(info.st_mode))
            return fail(Code::InvalidArgument, fmt::format("{} is not a file", options.local));
        if (S_ISFIFO(info.st_mode))
            SLIPWAY_CHECK(wait_for_writer(opened, invocation.cancel));
        ::fcntl(opened.raw(), F_SETFL, 0);
        request.mode = info.st_mode & 0777;
        input = opened;
    }
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto image, invocation.image_options());
    SLIPWAY_CHECK(ops::put(context, image, request, input));
    return 0;
}

} // namespace

void declare_put(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("put", "Copy a file of this machine into the guest");
    auto options = std::make_shared<Options>();
    add_machine_options(*command, invocation);
    command->add_option("LOCAL", options->local, "File to read, or - for standard input")
        ->required();
    command->add_option("GUESTPATH", options->path, "Full name of the file in the guest")
        ->required();
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
