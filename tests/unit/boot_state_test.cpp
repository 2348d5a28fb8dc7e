// SPDX-License-Identifier: Apache-2.0
#include "boot/state.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class States : public testing::Test {
protected:
    void SetUp() override {
        std::string name = "/var/tmp/slipway-state-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
    }
    void TearDown() override { fs::remove_all(top_); }
    [[nodiscard]] std::string read(const std::string& path) const {
        return sys::read_file(top_ / path).value_or("none");
    }
    fs::path top_;
};

TEST_F(States, AreInFiles) {
    StateFiles files({.json = top_ / "slipway", .plain = top_ / "bootstrap"});
    ASSERT_TRUE(files.change([](State&) {}));
    EXPECT_EQ(read("bootstrap/current_phase"), "bootstrap\n");
    EXPECT_EQ(read("bootstrap/pid_in_target"), "\n");
    ASSERT_TRUE(files.change([](State& state) {
        state.phase = Phase::Target;
        state.image_url = "http://a/\"b";
        state.target_pid = 77;
        ++state.entries;
    }));
    EXPECT_EQ(read("bootstrap/current_phase"), "target\n");
    EXPECT_EQ(read("bootstrap/pid_in_target"), "77\n");
    EXPECT_EQ(read("bootstrap/last_image_url"), "http://a/\"b\n");
    auto json = parse_json(read("slipway/state.json"), "the state").value();
    EXPECT_EQ(json["phase"], "target");
    EXPECT_EQ(json["image_url"], "http://a/\"b");
    EXPECT_EQ(json["entries"], 1);
    EXPECT_EQ(json["boot_time"].get<std::int64_t>(), files.state().boot_time);
    EXPECT_NEAR(static_cast<double>(json["since"].get<std::int64_t>()),
                static_cast<double>(std::time(nullptr)), 5);
    EXPECT_EQ(std::distance(fs::directory_iterator(top_ / "bootstrap"), {}), 4)
        << "nothing is left of writing them";
}

TEST(Status, ForPeople) {
    EXPECT_THAT(render_status({}, 90),
                AllOf(HasSubstr("phase      bootstrap, for 1 min 30 s"), Not(HasSubstr("digest"))));
    auto text = render_status({.phase = Phase::Loading,
                               .since = 30,
                               .boot_time = 1'780'000'000,
                               .image_url = "http://a/b",
                               .entries = 3,
                               .returns = 2,
                               .last_leaks = "undone: a\nLEFT BEHIND: b\n"},
                              90);
    EXPECT_THAT(text, AllOf(HasSubstr("loading, for 1 min 0 s"), HasSubstr("http://a/b"),
                            HasSubstr("3 images, came back 2 times"),
                            HasSubstr("undone: a; LEFT BEHIND: b\n"),
                            HasSubstr("2026-05-28 20:28:10 UTC")));
}

} // namespace
} // namespace slipway::boot
