// SPDX-License-Identifier: Apache-2.0
#include "sys/nbd_device.hpp"

#include <array>
#include <cerrno>

#include <sys/socket.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::sys {
namespace {

using ::testing::HasSubstr;

// Of 4 GiB and a bit, that is writable and knows flushes.
const std::string greeting{"NBDMAGICIHAVEOPT\0\3", 18}, answer{"\0\0\0\1\0\0\2\0\0\5", 10};

/// What the client makes of a server that says `said` and ends; `sent`: what the client said.
Result<NbdExport> negotiate_with(const std::string& said, std::string* sent = nullptr) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("making a socket pair");
    OwnedFd client(ends[0]), server(ends[1]);
    SLIPWAY_CHECK(write_all(server, said));
    ::shutdown(server.raw(), SHUT_WR);
    auto result = negotiate_nbd(client, "disk");
    client.reset();
    std::array<char, 256> buffer{};
    auto got = ::recv(server.raw(), buffer.data(), buffer.size(), 0);
    if (sent != nullptr && got > 0)
        sent->assign(buffer.data(), static_cast<std::size_t>(got));
    return result;
}

TEST(NegotiateNbd, TakesSizeAndFlags) {
    std::string sent;
    auto exported = negotiate_with(greeting + answer, &sent);
    ASSERT_TRUE(exported);
    EXPECT_EQ(exported->size, (1ULL << 32) + 512);
    EXPECT_EQ(exported->flags, 5);
    EXPECT_EQ(sent, std::string("\0\0\0\3IHAVEOPT\0\0\0\1\0\0\0\4disk", 24));
}

TEST(NegotiateNbd, AServerThatEndsIsAnError) {
    auto whole = greeting + answer;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto exported = negotiate_with(whole.substr(0, size));
        ASSERT_FALSE(exported) << size;
        EXPECT_EQ(exported.error().code, Code::Protocol) << size;
    }
}

TEST(NegotiateNbd, AnotherProtocolIsAnError) {
    // The old style, one that cannot leave out zeros, and something else.
    for (const auto& said :
         {std::string("NBDMAGIC\0\0\x42\2\x81\x86\x12\x53\0\3", 18),
          std::string("NBDMAGICIHAVEOPT\0\1", 18), std::string("SSH-2.0-OpenSSH_9.2")}) {
        auto exported = negotiate_with(said + answer);
        ASSERT_FALSE(exported) << said;
        EXPECT_EQ(exported.error().code, Code::Protocol) << said;
    }
}

TEST(NbdRefusal, NamesWhatIsMissingAndTheRemedy) {
    for (int number : {ENOSPC, EINVAL, EBUSY}) {
        auto error = nbd_refusal(number);
        EXPECT_EQ(error.code, Code::Busy);
        EXPECT_EQ(error.what, "No free NBD devices available");
        EXPECT_THAT(error.hint, HasSubstr("nbd-client -d"));
        EXPECT_THAT(error.hint, HasSubstr("modprobe nbd"));
    }
    EXPECT_EQ(nbd_refusal(EPERM).code, Code::Permission);
    EXPECT_EQ(nbd_refusal(ENOMEM).errno_value, ENOMEM);
}

} // namespace
} // namespace slipway::sys
