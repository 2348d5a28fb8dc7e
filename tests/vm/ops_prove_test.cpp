// SPDX-License-Identifier: Apache-2.0
// Boots each of the guests that are broken at one stage of the boot, through ops::prove.
// SLIPWAY_WORKER names the worker. A guest that is not in the cache is skipped:
// tests/images/guest build NAME makes it.
#include <algorithm>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "ops/prove.hpp"

namespace slipway::ops {
namespace {

class Prove : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root";
        auto runner = session::SupervisedRunner::launch();
        ASSERT_TRUE(runner) << render_text(runner.error());
        runner_ = std::move(*runner);
        context_.runner = runner_.get();
        context_.host.runner = runner_.get();
    }

    [[nodiscard]] std::string cached(const std::string& guest) {
        auto found =
            sys::run(*runner_, {.argv = {SLIPWAY_SOURCE_DIR "/tests/images/guest", "path", guest},
                                .env = {"HOME=/root"}});
        return found && found->status == 0 ? std::string(trim(found->out)) : std::string();
    }

    std::unique_ptr<session::SupervisedRunner> runner_;
    Context context_{};
};

struct Expected {
    const char* guest;
    vm::Stage reached;
    const char* likely_cause; ///< part of it
    vm::Bus bus = vm::Bus::Virtio;
};
void PrintTo(const Expected& expected, std::ostream* out) {
    *out << expected.guest << " on " << vm::name_of(expected.bus);
}

class ProveGuest : public Prove, public testing::WithParamInterface<Expected> {};

TEST_P(ProveGuest, TellsStageAndCause) {
    auto image = cached(GetParam().guest);
    if (image.empty())
        GTEST_SKIP() << "no guest " << GetParam().guest << " in the cache";
    auto result = prove(context_, {.path = image},
                        {.bus = GetParam().bus, .timeout = std::chrono::seconds(300)});
    ASSERT_TRUE(result) << render_text(result.error());
    std::cout << render_text(*result);
    EXPECT_EQ(vm::name_of(result->reached), vm::name_of(GetParam().reached));
    EXPECT_EQ(result->login, GetParam().reached == vm::Stage::Login);
    EXPECT_THAT(result->likely_cause, testing::HasSubstr(GetParam().likely_cause));
    EXPECT_FALSE(result->console_tail.empty());
}

std::vector<Expected> guests() {
    std::vector<Expected> all{
        {"debian12-stock", vm::Stage::Login, ""},
        // No boot code for a BIOS: the firmware is chosen by what is on the disk.
        {"debian12-uefi", vm::Stage::Login, ""},
        {"prove-firmware", vm::Stage::Firmware, "boot loader's first part"},
        {"prove-loader", vm::Stage::BootLoader, "does not find one of its files"},
        {"prove-kernel", vm::Stage::BootLoader, "is no kernel"},
        {"prove-initramfs", vm::Stage::Kernel, "initramfs is damaged"},
        {"prove-root", vm::Stage::Initramfs, "root filesystem was not"},
        {"prove-init", vm::Stage::RootMounted, "no init program"},
        {"prove-login", vm::Stage::Init, "/etc/fstab"}};
    if (const char* full = std::getenv("SLIPWAY_FULL"); full == nullptr || *full == '\0')
        return all;
    // Others of the kind are booted in each run, here or by test_boot.py.
    all.push_back({"debian12-stock", vm::Stage::Login, "", vm::Bus::Sata});
    all.push_back({"debian12-stock", vm::Stage::Login, "", vm::Bus::Scsi});
    // Its GRUB has a graphical terminal, which needs a VGA.
    all.push_back({"debian13-xfs-boot", vm::Stage::Login, "", vm::Bus::Sata});
    return all;
}

INSTANTIATE_TEST_SUITE_P(Guests, ProveGuest, testing::ValuesIn(guests()), [](const auto& guest) {
    auto name = std::string(guest.param.guest) + "_" + std::string(vm::name_of(guest.param.bus));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST_F(Prove, AGuestWithoutSerialConsoleIsBootedWithItsOwnKernel) {
    auto image = cached("prove-noserial");
    if (image.empty())
        GTEST_SKIP() << "no guest prove-noserial in the cache";
    auto result = prove(context_, {.path = image}, {.timeout = std::chrono::seconds(300)});
    ASSERT_TRUE(result) << render_text(result.error());
    std::cout << render_text(*result);
    EXPECT_TRUE(result->login) << result->console_tail;
    for (const auto& seen : result->stages)
        EXPECT_EQ(seen.method, seen.stage <= vm::Stage::BootLoader ? "serial" : "direct-kernel")
            << seen.evidence;
    EXPECT_FALSE(result->method_reason.empty());
}

// A boot sector; the machine has nothing else to run.
class SmallDisk {
public:
    explicit SmallDisk(std::string code) {
        code.resize(510);
        code += "\x55\xaa";
        code.resize(1 << 20); // SeaBIOS refuses disks without a whole cylinder
        if (!sys::write_file(path_, code))
            path_.clear();
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() { ::unlink(path_.c_str()); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_ = testing::TempDir() + "slipway-prove-" + std::to_string(::getpid()) + ".raw";
};

TEST_F(Prove, AGuestThatRestartsForEverIsGivenUp) {
    SmallDisk disk("\xb0\xfe\xe6\x64\xf4"); // mov al, 0xfe; out 0x64, al; hlt: a reset by the
                                            // keyboard controller
    auto result = prove(context_, {.path = disk.path(), .format = image::Format::Raw},
                        {.timeout = std::chrono::seconds(60)});
    ASSERT_TRUE(result) << render_text(result.error());
    EXPECT_EQ(result->reached, vm::Stage::Firmware);
    EXPECT_THAT(result->likely_cause, testing::HasSubstr("restarts again and again"));
    EXPECT_LT(result->seconds, 30);
}

TEST_F(Prove, StopsWithin200MillisecondsOfTheRequest) {
    auto image = cached("prove-firmware");
    if (image.empty())
        GTEST_SKIP() << "no guest prove-firmware in the cache";
    Clock::time_point asked{};
    context_.host.progress = [this, &asked](const sys::Progress& progress) {
        if (progress.step != "prove: firmware" || context_.host.cancel.requested())
            return;
        asked = Clock::now();
        context_.host.cancel.request();
    };
    auto result = prove(context_, {.path = image}, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Cancelled);
    // Twice what is promised: the machine may be busy.
    EXPECT_LT(seconds_since(asked), 0.4);
}

} // namespace
} // namespace slipway::ops
