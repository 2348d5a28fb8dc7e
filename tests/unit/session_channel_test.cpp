// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <unistd.h>

#include "session/channel.hpp"
#include "vm/sandbox.hpp"

using namespace slipway;
using namespace slipway::session;

TEST(Channel, KeepsTheLineToAMachineFromFilling) {
    auto sockets = sys::make_socket_pair().value();
    auto file = sys::make_memfd("window").value();
    ASSERT_EQ(::ftruncate(file.raw(), vm::window_size), 0);
    Channel client(std::move(sockets.first), Window(std::move(file), Window::End::Client));
    LineGauge line;
    std::size_t held = 0;
    while (!line.is_full()) { // of the worst size: told with the frame
        auto on_line = client.send_data(1, 0, std::string(1023, 'x')).value();
        line.sent(1023, on_line);
        held += on_line;
    }
    // What n_tty of the kernel takes before it stops the line.
    EXPECT_LT(held, 4096U - 128U);
    line.granted(1000);
    EXPECT_TRUE(line.is_full());
    line.granted(23 + 1023);
    EXPECT_FALSE(line.is_full());
}

TEST(Channel, LeavesASocketAlone) {
    auto sockets = sys::make_socket_pair().value();
    Channel client(std::move(sockets.first));
    EXPECT_EQ(client.send_data(1, 0, std::string(4096, 'x')).value(), 0U);
}
