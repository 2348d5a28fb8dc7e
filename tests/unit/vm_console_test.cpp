// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vm/console.hpp"

namespace slipway::vm {
namespace {

std::vector<std::string> lines_of(Console& console,
                                  std::initializer_list<std::string_view> pieces) {
    std::vector<std::string> lines;
    for (auto piece : pieces)
        console.feed(piece, [&lines](std::string_view line) { lines.emplace_back(line); });
    return lines;
}

TEST(Console, TakesOutColoursAlsoWhenASequenceComesInPieces) {
    Console console;
    EXPECT_THAT(lines_of(console, {"[\x1b[0;3", "2m  OK  \x1b", "[0m] Started a thing\r\n"}),
                testing::ElementsAre("[  OK  ] Started a thing"));
}

TEST(Console, AMoveOfTheCursorEndsALineUnlessTheLineGoesOnThere) {
    Console console;
    EXPECT_THAT(lines_of(console, {"GNU GRUB\x1b[04;02Hmenu\x1b[2J"}),
                testing::ElementsAre("GNU GRUB", "menu"));
    EXPECT_THAT(lines_of(console, {"er\x1b[06;02H\x1b[06;03Hror: gone\r\n"}),
                testing::ElementsAre("error: gone"));
}

TEST(Console, KeepsAPromptAsTheUnfinishedLine) {
    Console console;
    EXPECT_THAT(lines_of(console, {"one\ntwo\nhost login: "}), testing::ElementsAre("one", "two"));
    EXPECT_EQ(console.partial(), "host login: ");
    EXPECT_EQ(console.tail(2), "two\nhost login:\n");
}

TEST(Console, MemoryIsBoundedWhateverComes) {
    Console console(3);
    for (int i = 0; i < 1000; ++i)
        console.feed(std::string(100, 'x'));
    EXPECT_EQ(console.partial().size(), 4096U);
    console.feed("\n1\n2\n3\n4\n\x1b[" + std::string(100000, '1') + "m");
    EXPECT_EQ(console.tail(100), "2\n3\n4\n");
}

} // namespace
} // namespace slipway::vm
