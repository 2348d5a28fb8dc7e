// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_kernel.hpp"

#include <gtest/gtest.h>

using namespace slipway;
using namespace slipway::ops;

namespace {

TEST(BootKernel, HasALimitOfDisksAndSharedDirectories) {
    BootKernelRequest request{.argv = {"true"}};
    for (std::size_t i = 0; i < session::most_disks; ++i)
        request.disks.push_back({.serial = "d" + std::to_string(i), .size = 1 << 20});
    for (std::size_t i = 0; i < session::most_shares; ++i)
        request.shared.push_back({.guest = "/d" + std::to_string(i), .host = "/"});
    ASSERT_TRUE(check(request).has_value());
    auto more = request;
    more.disks.push_back({.serial = "more", .size = 1 << 20});
    EXPECT_EQ(check(more).error().code, Code::InvalidArgument);
    request.shared.push_back({.guest = "/more", .host = "/"});
    EXPECT_EQ(check(request).error().code, Code::InvalidArgument);
}

} // namespace
