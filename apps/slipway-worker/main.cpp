// SPDX-License-Identifier: Apache-2.0
// The worker of one opened root, and the supervisor above it: one program, two roles, so that what
// a client starts has one path.
#include <csignal>
#include <cstdio>
#include <string_view>

#include <sys/prctl.h>
#include <unistd.h>

#include "session/server.hpp"
#include "session/supervisor.hpp"

namespace {
constexpr int inherited_socket = 3, inherited_program = 4;
}

int main(int argc, char** argv) {
    std::string_view role = argc == 2 ? argv[1] : "";
    slipway::sys::OwnedFd socket(inherited_socket);
    if (role == "--supervise")
        return slipway::session::supervise(std::move(socket));
    if (role == "--serve") {
        ::close(inherited_program); // it served to find us
        ::prctl(PR_SET_NAME, "slipway-worker");
        // A guest command that closes its input early is no reason to die.
        (void)::signal(SIGPIPE, SIG_IGN);
        return slipway::session::serve(std::move(socket));
    }
    (void)std::fputs("slipway-worker is started by slipway; there is no other use for it.\n",
                     stderr);
    return 2;
}
