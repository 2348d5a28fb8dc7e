// SPDX-License-Identifier: Apache-2.0
// The main program of these tests: the tests themselves, or the probe that they copy into the
// guest.
#include <iostream>

#include "root/enter_fixture.hpp"
#include "root/enter_probe.hpp"

using namespace slipway;
using namespace slipway::enter_test;

namespace {

class EnterProbe : public EnterTest {};

TEST_F(EnterProbe, EveryIsolationItemIsOn) {
    auto root = prepare();
    EXPECT_TRUE(root.notes().empty());
    auto result =
        must(root.command_with_mounts({"/bin/probe", enter_probe::option, "guest", "vda"}));
    EXPECT_EQ(result.finished.status, 0) << result.out << result.err;
    EXPECT_EQ(result.out, "0 problems\n");
}

// The probe must be able to fail: what it only looks at is not as it wants on the host itself.
TEST(EnterProbeItself, FindsProblemsOutsideOfTheChroot) {
    for (auto* look : {enter_probe::look_at_processes, enter_probe::look_at_mounts}) {
        enter_probe::Probe probe;
        look(probe);
        EXPECT_FALSE(probe.problems.empty());
    }
    enter_probe::Probe devices;
    enter_probe::look_at_devices(devices, {"vda"});
    EXPECT_FALSE(devices.problems.empty());
    enter_probe::Probe network;
    enter_probe::look_at_network(network, "guest");
    EXPECT_FALSE(network.problems.empty());
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    if (!arguments.empty() && arguments[0] == enter_probe::option)
        return enter_probe::run({arguments.begin() + 1, arguments.end()});
    ::testing::InitGoogleTest(&argc, argv);
    if (::geteuid() != 0 || ::access(busybox, X_OK) != 0) {
        std::cout << "SKIPPED: the tests of the enhanced chroot need root and " << busybox
                  << " (apt install busybox-static)\n";
        return 0;
    }
    if (auto own = sys::enter_private_mount_namespace(); !own) {
        std::cout << render_text(own.error()) << "\n";
        return 1;
    }
    return RUN_ALL_TESTS();
}
