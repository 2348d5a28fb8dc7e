// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "repair/device_names.hpp"

namespace slipway::repair {
namespace {

TEST(DeviceNames, HostDevices) {
    for (std::string_view name :
         {"/dev/loop0", "/dev/loop12p1", "/dev/nbd0p2", "/dev/mapper/loop0p1", "/dev/mapper/nbd0p1",
          "/dev/mapper/osprober-linux-sda1"})
        EXPECT_TRUE(is_host_device(name)) << name;
    for (std::string_view name :
         {"/dev/sda1", "/dev/loop-control", "/dev/mapper/vg-root", "/dev/mapper/loopback", "loop0",
          "/dev/nbdroot", "/dev/nbd1\xc2x=\"a\nb\"", "/dev/nbd0p", "/dev/loop0p1p2",
          "/dev/mapper/osprober-a b"})
        EXPECT_FALSE(is_host_device(name)) << name;
}

} // namespace
} // namespace slipway::repair
