// SPDX-License-Identifier: Apache-2.0
// With pipes for keyboards.
#include "boot/keyboards.hpp"

#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/input.h>
#include <sys/stat.h>
#include <unistd.h>

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

class KeyboardsOf : public testing::Test {
protected:
    void SetUp() override {
        std::string name = "/var/tmp/slipway-input-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
    }
    void TearDown() override { fs::remove_all(top_); }
    sys::OwnedFd plug_in(const std::string& name) const {
        EXPECT_EQ(::mkfifo((top_ / name).c_str(), 0600), 0);
        return sys::open_file(top_ / name, O_RDWR).value();
    }
    static Result<sys::OwnedFd> open_pipe(const std::string& path) {
        return sys::open_file(path, O_RDONLY | O_NONBLOCK);
    }
    static void press(sys::BorrowedFd device, std::uint16_t code, std::int32_t value = 1) {
        input_event event{};
        event.type = EV_KEY;
        event.code = code;
        event.value = value;
        ASSERT_EQ(::write(device.raw(), &event, sizeof event), static_cast<ssize_t>(sizeof event));
    }
    static bool look(Keyboards& keyboards) {
        std::vector<pollfd> polls;
        keyboards.add_polls(polls);
        ::poll(polls.data(), polls.size(), 200);
        return keyboards.was_pressed(polls);
    }
    fs::path top_;
};

TEST_F(KeyboardsOf, TheMachineAndThoseThatComeLater) {
    auto first = plug_in("event0");
    auto mouse = plug_in("mice");
    Keyboards keyboards(top_, open_pipe);
    keyboards.open();
    EXPECT_EQ(keyboards.count(), 1);
    press(first, KEY_LEFTCTRL);
    press(first, KEY_LEFTALT);
    EXPECT_FALSE(look(keyboards));
    auto second = plug_in("event1");
    EXPECT_FALSE(look(keyboards));
    EXPECT_EQ(keyboards.count(), 2);
    press(second, KEY_F12);
    EXPECT_TRUE(look(keyboards));
    press(second, KEY_F12, 2);
    EXPECT_FALSE(look(keyboards));
}

TEST_F(KeyboardsOf, OneThatIsPulledOutHoldsNoKeys) {
    auto first = plug_in("event0");
    auto second = plug_in("event1");
    Keyboards keyboards(top_, open_pipe);
    keyboards.open();
    press(first, KEY_RIGHTCTRL);
    press(first, KEY_RIGHTALT);
    EXPECT_FALSE(look(keyboards));
    first.reset();
    EXPECT_FALSE(look(keyboards));
    EXPECT_EQ(keyboards.count(), 1);
    press(second, KEY_F12);
    EXPECT_FALSE(look(keyboards));
}

// A system may put there what it likes: each pipe would cost a descriptor for ever.
TEST_F(KeyboardsOf, NothingButInputDevicesIsOpened) {
    auto pipe = plug_in("event0");
    fs::create_symlink("/dev/null", top_ / "event1");
    fs::create_symlink("/dev/zero", top_ / "event2");
    Keyboards keyboards(top_);
    keyboards.open();
    EXPECT_EQ(keyboards.count(), 0);
}

} // namespace
} // namespace slipway::boot
