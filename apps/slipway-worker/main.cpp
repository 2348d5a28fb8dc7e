// SPDX-License-Identifier: Apache-2.0
// The worker of one opened root, and the supervisor above it: one program, two roles, so that what
// a client starts has one path.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string_view>

#include <sys/prctl.h>
#include <unistd.h>

#include "calls/inside.hpp"
#include "rootfs/task.hpp"
#include "session/server.hpp"
#include "session/supervisor.hpp"
#include "sys/process.hpp"
#include "work/machine.hpp"
#include "work/unpacker.hpp"

namespace {

constexpr int inherited_socket = 3, inherited_program = 4;

// PID 1 of a machine of its own. One whose kernel is under test is not expected to live.
[[noreturn]] void serve_in_machine(bool show_pulse) {
    (void)::signal(SIGPIPE, SIG_IGN);
    auto links = slipway::work::bring_up_machine();
    if (links) {
        if (show_pulse)
            (void)slipway::work::start_pulse(*links);
        (void)slipway::session::serve(slipway::session::Channel(
            std::move(links->control),
            slipway::session::Window(std::move(links->window),
                                     slipway::session::Window::End::Machine)));
    } else
        (void)std::fputs(slipway::render_text(links.error()).c_str(), stderr);
    slipway::work::switch_off_machine();
}

// For a client that shows files through FUSE: it holds the other end of the descriptor.
int unmount_at_end(const char* directory) {
    char byte = 0;
    while (::read(inherited_socket, &byte, 1) < 0 && errno == EINTR)
        continue;
    slipway::sys::LocalRunner runner;
    auto done = slipway::sys::run(runner, {.argv = {"fusermount3", "-u", "-z", "-q", directory}});
    return done && done->status == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    std::string_view role = argc >= 2 ? argv[1] : "";
    // The kernel of a sandbox asks for a module.
    if (role == "-q" && argc == 4)
        return slipway::work::load_wanted_module(argv[3]);
    if (role == "--unpack" && argc == 4)
        return slipway::work::serve_unpacker(argv[2], argv[3]);
    if (role == "--inside" && argc == 3)
        return slipway::calls::serve_inside(argv[2]);
    if (role == "--rootfs" && argc == 3)
        return slipway::rootfs::serve_task(argv[2]);
    if (role == "--sandbox")
        serve_in_machine(true);
    // Words of the kernel's command line that it does not know come first.
    if (::getpid() == 1 &&
        std::find(argv, argv + argc, std::string_view("--testbed")) != argv + argc)
        serve_in_machine(false);
    if (role == "--unmount-at-end" && argc == 3)
        return unmount_at_end(argv[2]);
    slipway::sys::OwnedFd socket(inherited_socket);
    if (role == "--supervise")
        return slipway::session::supervise(std::move(socket));
    if (role == "--supervise-in-own-namespaces")
        return slipway::session::supervise_in_own_namespaces(std::move(socket));
    if (role == "--serve") {
        ::close(inherited_program); // it served to find us
        ::prctl(PR_SET_NAME, "slipway-worker");
        // A guest command that closes its input early is no reason to die.
        (void)::signal(SIGPIPE, SIG_IGN);
        return slipway::session::serve(slipway::session::Channel(std::move(socket)));
    }
    (void)std::fputs("slipway-worker is started by slipway; there is no other use for it.\n",
                     stderr);
    return 2;
}
