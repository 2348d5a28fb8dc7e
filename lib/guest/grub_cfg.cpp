// SPDX-License-Identifier: Apache-2.0
#include "guest/grub_cfg.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/command_line.hpp"

namespace slipway::guest {
namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool loads_kernel(std::string_view command) {
    return is_one_of(command,
                     {"linux", "linux16", "linuxefi", "linuxxen", "module", "module2", "kernel"});
}

bool loads_initrd(std::string_view command) {
    return is_one_of(command, {"initrd", "initrd16", "initrdefi"});
}

std::string unquoted(std::string_view word) {
    std::string out;
    for (char c : word)
        if (c != '"' && c != '\'')
            out += c;
    return out;
}

// The first quoted text of a menuentry line.
std::string title_of(std::string_view line) {
    auto open = line.find_first_of("'\"");
    if (open == std::string_view::npos)
        return {};
    auto close = line.find(line[open], open + 1);
    return close == std::string_view::npos ? std::string{}
                                           : std::string(line.substr(open + 1, close - open - 1));
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// The end of the command that starts at `at`: a line, or part of one up to ';' or a brace that
// stands alone. A backslash continues it in the next line. A quote ends with its line at the
// latest, for titles of GRUB legacy have apostrophes.
std::size_t end_of_command(std::string_view text, std::size_t at) {
    char quote = '\0';
    bool in_word = false;
    for (; at < text.size() && text[at] != '\n'; ++at) {
        char c = text[at];
        bool escaped = c == '\\' && quote != '\'';
        if (escaped && at + 1 < text.size()) {
            bool carriage_return = text.substr(at + 1, 2) == "\r\n";
            in_word = text[at + 1] != '\n' && !carriage_return;
            at += carriage_return ? 2 : 1;
            continue;
        }
        if (quote != 0)
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == ';' || (c == '#' && !in_word))
            return at;
        else if ((c == '{' || c == '}') && !in_word &&
                 (at + 1 == text.size() || is_blank(text[at + 1]) || text[at + 1] == ';'))
            return at + 1;
        in_word = !is_blank(c);
    }
    return at;
}

std::size_t start_of_next(std::string_view text, std::size_t end) {
    if (end < text.size() && text[end] == '#')
        end = std::min(text.find('\n', end), text.size());
    bool separator = end < text.size() && (text[end] == '\n' || text[end] == ';');
    return separator ? end + 1 : end;
}

class KernelReader {
public:
    void read_command(std::string_view line, std::size_t offset, int line_no) {
        auto words = split_words(line);
        std::erase(words, "\\");
        while (!words.empty() && is_one_of(words[0], {"then", "else", "do", "{"}))
            words.erase(words.begin());
        if (words.empty() || words[0].front() == '#')
            return;
        auto command = words[0];
        if (is_one_of(command, {"menuentry", "title"})) {
            start_entry(command == "title" ? std::string(trim(line.substr(line.find("title") + 5)))
                                           : title_of(line));
        } else if (command == "search" && line.find("fs-uuid") != std::string_view::npos) {
            search_uuid_ = unquoted(words.back());
        } else if (loads_initrd(command)) {
            add_initrds(words);
        } else if (loads_kernel(command) && words.size() > 1) {
            add_kernel(words, line, offset, line_no);
        } else if (command == "}") {
            start_entry({});
        }
    }

    std::vector<GrubKernel> take() { return std::move(kernels_); }

private:
    void start_entry(std::string title) {
        entry_ = std::move(title);
        search_uuid_.clear();
        open_ = false;
    }

    void add_kernel(const std::vector<std::string_view>& words, std::string_view line,
                    std::size_t offset, int line_no) {
        auto image = words[1].starts_with("--") && words.size() > 2 ? words[2] : words[1];
        // Under Xen the kernel and its initramfs are both modules.
        if (words[0].starts_with("module") &&
            basename_of(image).find("initr") != std::string_view::npos) {
            if (open_)
                kernels_.back().initrds.push_back(unquoted(image));
            return;
        }
        auto arguments = static_cast<std::size_t>(image.data() + image.size() - line.data());
        kernels_.push_back({.line_no = line_no,
                            .image = unquoted(image),
                            .arguments_begin = offset + arguments,
                            .arguments_end = offset + line.size(),
                            .search_uuid = search_uuid_,
                            .entry = entry_});
        open_ = true;
    }

    void add_initrds(const std::vector<std::string_view>& words) {
        if (!open_)
            return;
        for (std::size_t i = 1; i < words.size() && words[i].front() != '#'; ++i)
            kernels_.back().initrds.push_back(unquoted(words[i]));
    }

    std::vector<GrubKernel> kernels_;
    std::string entry_;
    std::string search_uuid_;
    bool open_ = false; // an initrd line belongs to the last kernel
};

// Walks words and quotes; counts what must balance.
class SyntaxChecker {
public:
    explicit SyntaxChecker(std::string_view text) : text_(text) {}

    Status check() {
        while (at_ < text_.size())
            SLIPWAY_CHECK(step());
        SLIPWAY_CHECK(end_word());
        if (commands_ == 0)
            return fail(Code::Corrupt, "it holds no command");
        if (quote_ != 0)
            return fail(Code::Corrupt,
                        fmt::format("the quote opened in line {} is never closed", quote_line_));
        if (!open_.empty())
            return fail(Code::Corrupt, fmt::format("'{}' in line {} is never closed",
                                                   open_.back().word, open_.back().line_no));
        return {};
    }

private:
    struct Open {
        std::string_view word;
        int line_no;
    };

    Status step() {
        char c = text_[at_];
        if (c == '\n')
            ++line_;
        if (quote_ != 0)
            return in_quote(c);
        if (c == '\\') {
            in_word_ = true;
            at_ = std::min(at_ + 2, text_.size());
            return {};
        }
        if (c == '\'' || c == '"') {
            quote_ = c;
            quote_line_ = line_;
            start_word();
            ++at_;
            return {};
        }
        if (c == '#' && !in_word_) {
            at_ = std::min(text_.find('\n', at_), text_.size());
            return {};
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';') {
            SLIPWAY_CHECK(end_word());
            if (c == '\n' || c == ';')
                command_position_ = true;
        } else
            start_word();
        ++at_;
        return {};
    }

    Status in_quote(char c) {
        if (c == '\\' && quote_ == '"')
            ++at_;
        else if (c == quote_)
            quote_ = 0;
        ++at_;
        return {};
    }

    void start_word() {
        if (!in_word_)
            word_begin_ = at_;
        in_word_ = true;
    }

    Status end_word() {
        if (!in_word_)
            return {};
        in_word_ = false;
        auto word = text_.substr(word_begin_, at_ - word_begin_);
        bool first = command_position_;
        command_position_ = is_one_of(word, {"then", "do", "else", "{", "}"});
        commands_ += first ? 1 : 0;
        if (word == "{" || (first && is_one_of(word, {"if", "for", "while", "until"})))
            open_.push_back({word, line_});
        else if (word == "}" && first)
            return close("{", word);
        else if (first && word == "fi")
            return close("if", word);
        else if (first && word == "done")
            return close_loop(word);
        return {};
    }

    Status close(std::string_view opener, std::string_view word) {
        if (open_.empty() || open_.back().word != opener)
            return fail(Code::Corrupt, fmt::format("'{}' in line {} closes nothing", word, line_));
        open_.pop_back();
        return {};
    }

    Status close_loop(std::string_view word) {
        if (open_.empty() || !is_one_of(open_.back().word, {"for", "while", "until"}))
            return fail(Code::Corrupt, fmt::format("'{}' in line {} closes nothing", word, line_));
        open_.pop_back();
        return {};
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t word_begin_ = 0;
    bool in_word_ = false;
    bool command_position_ = true;
    int commands_ = 0;
    int line_ = 1;
    char quote_ = 0;
    int quote_line_ = 0;
    std::vector<Open> open_;
};

} // namespace

std::vector<GrubKernel> parse_grub_kernels(std::string_view text) {
    KernelReader reader;
    int line_no = 1;
    for (std::size_t at = 0, counted = 0; at < text.size();) {
        auto end = end_of_command(text, at);
        auto begin = std::min(text.find_first_not_of(" \t\r\n", at), end);
        auto command = text.substr(begin, end - begin);
        command = command.substr(0, command.find_last_not_of(" \t\r") + 1);
        line_no += line_of(text.substr(counted), begin - counted) - 1;
        counted = begin;
        reader.read_command(command, begin, line_no);
        at = start_of_next(text, end);
    }
    return reader.take();
}

Status check_grub_syntax(std::string_view text) {
    return SyntaxChecker(text).check();
}

bool is_grub_stub(std::string_view text) {
    bool loads_another = false;
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        if (words.empty())
            continue;
        if (is_one_of(words[0], {"menuentry", "submenu", "blscfg", "insmod"}) ||
            loads_kernel(words[0]))
            return false;
        loads_another = loads_another || words[0] == "configfile" || words[0] == "normal";
    }
    return loads_another;
}

} // namespace slipway::guest
