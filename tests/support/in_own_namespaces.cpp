// SPDX-License-Identifier: Apache-2.0
// in_own_namespaces CMD [ARG…]: runs a program as root of namespaces of its own, the way test roots
// are made, and ends with its status; 125 and the reason where that is not possible.
#include <cstdio>

#include "session/supervisor.hpp"

int main(int argc, char** argv) {
    using namespace slipway;
    auto runner = session::SupervisedRunner::launch(session::Rights::OwnNamespace);
    if (!runner) {
        std::fputs((render_text(runner.error()) + "\n").c_str(), stderr);
        return 125;
    }
    sys::ProcessSpec spec{.argv = {argv + 1, argv + argc}};
    spec.fds = {{sys::BorrowedFd(0), 0}, {sys::BorrowedFd(1), 1}, {sys::BorrowedFd(2), 2}};
    auto child = (*runner)->start(spec);
    if (!child) {
        std::fputs((render_text(child.error()) + "\n").c_str(), stderr);
        return 125;
    }
    auto status = (*child)->wait(std::chrono::hours(1));
    return status ? status->value_or(125) : 125;
}
