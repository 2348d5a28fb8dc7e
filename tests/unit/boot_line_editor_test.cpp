// SPDX-License-Identifier: Apache-2.0
// What is shown is read by a small terminal, so that tests say what a person sees.
#include "boot/line_editor.hpp"

#include <gtest/gtest.h>

namespace slipway::boot {
namespace {

// One line, and where its cursor is.
class Screen {
public:
    void write(std::string_view text) {
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (text[at] == '\r')
                column_ = 0;
            else if (text[at] == '\n')
                line_.clear();
            else if (text[at] != 0x1b) {
                line_.resize(std::max(line_.size(), column_ + 1), ' ');
                line_[column_++] = text[at];
            } else {
                auto number = std::string();
                for (at += 2; at < text.size() && text[at] < '@'; ++at)
                    number += text[at];
                if (text[at] == 'K')
                    line_.resize(std::min(line_.size(), column_));
                else if (text[at] == 'D')
                    column_ -= static_cast<std::size_t>(std::stoul(number));
            }
        }
    }
    [[nodiscard]] std::string text() const {
        auto shown = line_;
        return shown.insert(std::min(column_, shown.size()), "|");
    }

private:
    std::string line_;
    std::size_t column_ = 0;
};

class LineEditing : public testing::Test {
protected:
    std::string see(std::string_view keys) {
        auto step = editor_.feed(keys);
        screen_.write(step.shown);
        line_ = step.line;
        ended_ = step.ended;
        return screen_.text();
    }
    LineEditor editor_{"> ", 20};
    Screen screen_;
    std::optional<std::string> line_;
    bool ended_ = false;
};

TEST_F(LineEditing, MovesAndErases) {
    EXPECT_EQ(see("load x"), "> load x|");
    EXPECT_EQ(see("\x1b[D\x1b[D"), "> load| x");
    EXPECT_EQ(see("er"), "> loader| x");
    EXPECT_EQ(see("\x7f\x08"), "> load| x");
    EXPECT_EQ(see("\x01"), "> |load x");
    EXPECT_EQ(see("\x1b[3~"), "> |oad x");
    EXPECT_EQ(see("\x1b[F"), "> oad x|");
    EXPECT_EQ(see("\x1bOH"), "> |oad x");
    EXPECT_EQ(see("\x1b[C\x0b"), "> o|");
    EXPECT_EQ(see("ne two\x17"), "> one |");
    EXPECT_EQ(see("\x15"), "> |");
    EXPECT_EQ(see("\x1b[A\x1b[B\x7f"), "> |") << "nothing to do";
    see("a\x03");
    EXPECT_EQ(see("b\r"), "|");
    EXPECT_EQ(line_, "b");
}

TEST_F(LineEditing, EndsLines) {
    see("first\r\nsecond\nthird");
    EXPECT_EQ(line_, "first");
    see("");
    EXPECT_EQ(line_, "second");
    EXPECT_EQ(see(""), "> third|");
    EXPECT_FALSE(line_);
    see("\r");
    EXPECT_EQ(line_, "third");
    see("\n");
    EXPECT_FALSE(line_) << "of the same line end";
    see("\n");
    EXPECT_EQ(line_, "");
    see("\x04");
    EXPECT_TRUE(ended_);
    see("x\x04");
    EXPECT_FALSE(ended_);
}

TEST_F(LineEditing, HasAHistory) {
    see("one\r");
    see("two\r");
    see("two\r");
    EXPECT_EQ(see("thr"), "> thr|");
    EXPECT_EQ(see("\x1b[A"), "> two|");
    EXPECT_EQ(see("\x1b[A"), "> one|");
    EXPECT_EQ(see("\x10"), "> one|");
    EXPECT_EQ(see("\x1b[B\x0e"), "> thr|");
    EXPECT_EQ(see("\x1b[A!\r"), "|");
    EXPECT_EQ(line_, "two!");
}

TEST_F(LineEditing, MovesLongLinesSideways) {
    EXPECT_EQ(see("0123456789abcdefghij"), "> 3456789abcdefghij|");
    EXPECT_EQ(see("\x01"), "> |0123456789abcdefg");
    EXPECT_EQ(see("\xc3\xa4\xe2\x82\xac"), "> \xc3\xa4\xe2\x82\xac|0123456789abcde");
    EXPECT_EQ(see("\x7f\x7f\x7f"), "> |0123456789abcdefg");
    see(std::string(5000, 'x'));
    see("\r");
    EXPECT_EQ(line_->size(), 4096);
}

} // namespace
} // namespace slipway::boot
