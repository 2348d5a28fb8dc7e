// SPDX-License-Identifier: Apache-2.0
// With a pseudo-terminal, whose other end is the person.
#include "boot/consoles.hpp"

#include <array>
#include <cstdlib>
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

std::vector<Consoles::Heard> listen(Consoles& consoles) {
    std::vector<pollfd> polls;
    consoles.add_polls(polls);
    ::poll(polls.data(), polls.size(), 1000);
    return consoles.hear(polls);
}

TEST(Consoles, EachHasItsPromptAndAllHear) {
    Person one;
    Person two;
    {
        Consoles consoles("# ");
        consoles.add("ttyS0", std::move(one.terminal));
        consoles.add("ttyS1", std::move(two.terminal));
        one.type("status\rlist\r");
        two.type("hel");
        std::vector<std::string> lines;
        for (int turn = 0; turn < 3 && lines.size() < 2; ++turn)
            for (const auto& heard : listen(consoles))
                lines.push_back(heard.console + " " + heard.line);
        EXPECT_THAT(lines, testing::ElementsAre("ttyS0 status", "ttyS0 list"));
        consoles.say("news\nof two lines");
        EXPECT_THAT(one.see(), EndsWith("news\r\nof two lines\r\n\r# \x1b[K"));
        EXPECT_THAT(two.see(), EndsWith("\r# hel\x1b[K")) << "what was typed stays";
        consoles.say_passing(std::string(100, 'x'));
        EXPECT_THAT(one.see(), EndsWith("\x1b[K" + std::string(79, 'x')));
        two.type("\x03");
        auto heard = listen(consoles);
        ASSERT_EQ(heard.size(), 1);
        EXPECT_TRUE(heard[0].interrupted);
    }
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

TEST(Consoles, OneThatTakesNothingDoesNotHoldTheOthersUp) {
    Person stuck;
    Person person;
    Consoles consoles("# ");
    consoles.add("ttyS0", std::move(stuck.terminal));
    consoles.add("ttyS1", std::move(person.terminal));
    for (int turn = 0; turn < 3; ++turn)
        consoles.say(std::string(2000, 'x'));
    std::ignore = person.see();
    consoles.say("end");
    EXPECT_THAT(person.see(), HasSubstr("end"));
}

} // namespace
} // namespace slipway::boot
