// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "session/frame.hpp"

using namespace slipway;
using namespace slipway::session;

TEST(Frames, ComeBackFromPiecesOfOneByte) {
    auto bytes = encode({FrameType::Request, 7, R"({"op":"x"})"}) +
                 encode({FrameType::Data, 7, encode_data(2, "abc")});
    FrameDecoder decoder;
    std::vector<Frame> frames;
    for (char byte : bytes) {
        decoder.feed({&byte, 1});
        auto frame = decoder.next();
        ASSERT_TRUE(frame);
        if (*frame)
            frames.push_back(**frame);
    }
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].id, 7U);
    EXPECT_EQ(frames[0].payload, R"({"op":"x"})");
    auto data = decode_data(frames[1].payload);
    ASSERT_TRUE(data);
    EXPECT_EQ(data->first, 2);
    EXPECT_EQ(data->second, "abc");
}

TEST(Frames, TooLargePayloadIsAProtocolError) {
    std::string header("\xff\xff\xff\x7f\x02\x01\x00\x00\x00", 9);
    FrameDecoder decoder;
    decoder.feed(header);
    auto frame = decoder.next();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code, Code::Protocol);
}

TEST(Frames, UnknownTypeIsAProtocolError) {
    std::string header("\x00\x00\x00\x00\x63\x01\x00\x00\x00", 9);
    FrameDecoder decoder;
    decoder.feed(header);
    EXPECT_FALSE(decoder.next());
}

TEST(Frames, MalformedCreditIsRefused) {
    EXPECT_FALSE(decode_credit("ab"));
    EXPECT_FALSE(decode_data(""));
    auto credit = decode_credit(encode_credit(1, 70000));
    ASSERT_TRUE(credit);
    EXPECT_EQ(credit->second, 70000U);
}
