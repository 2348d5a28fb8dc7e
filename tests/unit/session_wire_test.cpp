// SPDX-License-Identifier: Apache-2.0
#include "session/wire.hpp"

#include <gtest/gtest.h>

using namespace slipway;
using namespace slipway::session;

TEST(Wire, BytesComeBackAsTheyWere) {
    for (std::string bytes : {std::string("plain"), std::string("g\xc3\xbcltig"),
                              std::string("latin \xfc"), std::string("\xff\xfe\x80"),
                              std::string("\0zero", 5), std::string(1, '\0'), std::string()}) {
        Json message{{"path", bytes}, {"list", {1, bytes, {{"deep", bytes}}}}};
        auto back = from_wire(to_wire(message), "a message");
        ASSERT_TRUE(back);
        EXPECT_EQ(json_get<std::string>(*back, "path"), bytes);
        EXPECT_EQ((*back)["list"][2]["deep"].get<std::string>(), bytes);
    }
}

TEST(Wire, WhatIsNoHexadecimalIsCorrupt) {
    for (const auto* text : {R"("\u0000x")", R"("\u0000a")", R"(["\u0000-1"])", "{"}) {
        auto message = from_wire(text, "a message");
        ASSERT_FALSE(message) << text;
        EXPECT_EQ(message.error().code, Code::Corrupt);
    }
}
