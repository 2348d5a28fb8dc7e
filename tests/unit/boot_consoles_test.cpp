// SPDX-License-Identifier: Apache-2.0
// With a pseudo-terminal, whose other end is the person.
#include "boot/consoles.hpp"
#include "boot/shell.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <tuple>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace slipway::boot {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct Person {
    Person() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        ::grantpt(master.raw());
        ::unlockpt(master.raw());
        terminal = sys::open_file(::ptsname(master.raw()), O_RDWR | O_NOCTTY).value();
        ::fcntl(master.raw(), F_SETFL, O_NONBLOCK);
    }
    void type(std::string_view keys) const {
        ASSERT_EQ(::write(master.raw(), keys.data(), keys.size()),
                  static_cast<ssize_t>(keys.size()));
    }
    [[nodiscard]] std::string see() const {
        std::string seen;
        std::array<char, 4096> bytes{};
        pollfd poll{master.raw(), POLLIN, 0};
        while (::poll(&poll, 1, 50) > 0) {
            auto got = ::read(master.raw(), bytes.data(), bytes.size());
            if (got <= 0)
                break;
            seen.append(bytes.data(), static_cast<std::size_t>(got));
        }
        return seen;
    }
    sys::OwnedFd master, terminal;
};

class TwoConsoles : public testing::Test {
protected:
    void SetUp() override {
        consoles_.add("ttyS0", std::move(one_.terminal));
        consoles_.add("ttyS1", std::move(two_.terminal));
    }
    std::vector<Consoles::Heard> listen() {
        std::vector<pollfd> polls;
        consoles_.add_polls(polls);
        ::poll(polls.data(), polls.size(), 1000);
        return consoles_.hear(polls);
    }
    Person one_, two_;
    Consoles consoles_{"# "};
};

TEST_F(TwoConsoles, EachHasItsPromptAndAllHear) {
    one_.type("status\rlist\r");
    two_.type("hel");
    std::vector<std::string> lines;
    for (int turn = 0; turn < 3 && lines.size() < 2; ++turn)
        for (const auto& heard : listen())
            lines.push_back(heard.console + " " + heard.line);
    EXPECT_THAT(lines, testing::ElementsAre("ttyS0 status", "ttyS0 list"));
    consoles_.say("news\nof two lines");
    EXPECT_THAT(one_.see(), EndsWith("news\r\nof two lines\r\n\r# \x1b[K"));
    EXPECT_THAT(two_.see(), EndsWith("\r# hel\x1b[K")) << "what was typed stays";
    consoles_.say_passing(std::string(100, 'x'));
    EXPECT_THAT(one_.see(), EndsWith("\x1b[K" + std::string(79, 'x')));
    two_.type("\x03");
    auto heard = listen();
    ASSERT_EQ(heard.size(), 1);
    EXPECT_TRUE(heard[0].interrupted);
}

TEST_F(TwoConsoles, OneThatTakesNothingDoesNotHoldTheOtherUp) {
    for (int turn = 0; turn < 3; ++turn)
        consoles_.say(std::string(2000, 'x'));
    std::ignore = two_.see();
    consoles_.say("end");
    EXPECT_THAT(two_.see(), HasSubstr("end"));
}

TEST_F(TwoConsoles, OneIsLentToAShell) {
    EXPECT_EQ(Shell::start(consoles_, "ttyS0", "/no/such/shell").error().code, Code::NotFound);
    EXPECT_EQ(Shell::start(consoles_, "ttyS9").error().code, Code::NotFound);
    auto shell = std::move(Shell::start(consoles_, "ttyS0").value());
    one_.type("echo it-is-$((20 + 3)) >/dev/tty; tty\r");
    two_.type("status\r");
    std::string seen;
    std::vector<std::string> lines;
    for (int turn = 0; turn < 50 && seen.find("/dev/pts/") == std::string::npos; ++turn) {
        for (const auto& heard : listen())
            lines.push_back(heard.console + " " + heard.line);
        seen += one_.see();
    }
    EXPECT_THAT(seen, HasSubstr("it-is-23\r\n"));
    EXPECT_THAT(lines, testing::ElementsAre("ttyS1 status")) << "the other has its prompt";
    consoles_.say("news");
    EXPECT_THAT(two_.see(), HasSubstr("news"));
    EXPECT_EQ(one_.see().find("news"), std::string::npos);
    EXPECT_FALSE(shell->is_over());
    one_.type("exit\r");
    int turns = 0;
    for (; turns < 20 && !shell->is_over(); ++turns) {
        std::vector<pollfd> polls;
        consoles_.add_polls(polls);
        shell->add_polls(polls);
        ::poll(polls.data(), polls.size(), 1000);
        std::ignore = consoles_.hear(polls);
    }
    EXPECT_LT(turns, 20) << "a line that is hung up is no reason to look again and again";
    EXPECT_TRUE(shell->is_over());
    shell.reset();
    EXPECT_THAT(one_.see(), EndsWith("# \x1b[K"));
    one_.type("list\r");
    EXPECT_EQ(listen().at(0).line, "list");
}

TEST(Consoles, AreGivenBackAsTheyWere) {
    Person person;
    auto copy = sys::duplicate(person.terminal).value();
    termios before{};
    termios after{};
    ::tcgetattr(copy.raw(), &before);
    {
        Consoles consoles("# ");
        consoles.add("ttyS0", std::move(person.terminal));
        ::tcgetattr(copy.raw(), &after);
        EXPECT_EQ(after.c_lflag & static_cast<tcflag_t>(ICANON), 0);
    }
    ::tcgetattr(copy.raw(), &after);
    EXPECT_EQ(after.c_lflag, before.c_lflag);
}

TEST(Consoles, OneThatIsNotThereIsTold) {
    Consoles consoles("# ");
    EXPECT_EQ(consoles.open({"no-such-terminal"}).size(), 1);
    EXPECT_TRUE(consoles.open({"null"}).empty()) << "no terminal, and left out";
    EXPECT_TRUE(consoles.empty());
}

// As vhangup(2) and an adapter that is pulled out do it.
TEST(ConsolesThatAreLost, ComeBackAndCostNothingMeanwhile) {
    std::string devices = "/var/tmp/slipway-devices-XXXXXX";
    ASSERT_NE(::mkdtemp(devices.data()), nullptr);
    auto node = devices + "/ttyUSB0";
    auto plug_in = [&](const Person& person) {
        ::unlink(node.c_str());
        ASSERT_EQ(::symlink(::ptsname(person.master.raw()), node.c_str()), 0);
    };
    Consoles consoles("# ", devices);
    auto turns = [&](std::chrono::milliseconds length) {
        auto until = Clock::now() + length;
        for (int count = 0;; ++count) {
            if (Clock::now() >= until)
                return count;
            std::vector<pollfd> polls;
            consoles.add_polls(polls);
            ::poll(polls.data(), polls.size(), 100);
            std::ignore = consoles.hear(polls);
        }
    };
    {
        Person first;
        plug_in(first);
        EXPECT_THAT(consoles.open({"ttyUSB0"}), testing::IsEmpty());
    }
    EXPECT_LT(turns(std::chrono::milliseconds(500)), 10); // it is gone, and poll(2) says so always
    Person second;
    plug_in(second);
    EXPECT_LT(turns(std::chrono::milliseconds(1500)), 30);
    second.type("status\r");
    std::vector<pollfd> polls;
    consoles.add_polls(polls);
    ::poll(polls.data(), polls.size(), 1000);
    auto heard = consoles.hear(polls);
    ASSERT_EQ(heard.size(), 1U);
    EXPECT_EQ(heard[0].line, "status");
    std::filesystem::remove_all(devices);
}

} // namespace
} // namespace slipway::boot
