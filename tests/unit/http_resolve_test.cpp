// SPDX-License-Identifier: Apache-2.0
#include "http/resolve.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::http {
namespace {

TEST(Resolve, AddressesAndNamesOfThisMachine) {
    EXPECT_THAT(resolve("192.0.2.1", {}).value(), testing::ElementsAre("192.0.2.1"));
    EXPECT_THAT(resolve("2001:db8::1", {}).value(), testing::ElementsAre("2001:db8::1"));
    auto found = resolve("localhost", {});
    ASSERT_TRUE(found) << render_text(found.error());
    EXPECT_THAT(*found, testing::Contains("127.0.0.1"));
    Cancel cancel;
    cancel.request();
    EXPECT_EQ(resolve("localhost", cancel).error().code, Code::Cancelled);
}

} // namespace
} // namespace slipway::http
