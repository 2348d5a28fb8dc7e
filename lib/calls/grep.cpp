// SPDX-License-Identifier: Apache-2.0
// Calls that find lines by a pattern.
#include <array>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <regex.h>

#include <fmt/format.h>

#include "archive/compression.hpp"
#include "base/strings.hpp"
#include "calls/unpacked.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

struct Style {
    bool extended = false;
    bool fixed = false;
    bool insensitive = false;
    bool compressed = false;
};

class Matcher {
public:
    Matcher() = default;
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;
    virtual ~Matcher() = default;
    virtual bool matches(std::string_view line) = 0;
};

std::string folded(std::string_view text) {
    std::string lower(text);
    for (auto& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return lower;
}

// A pattern of several lines matches what one of them does.
class Words final : public Matcher {
public:
    Words(std::string_view pattern, bool insensitive) : insensitive_(insensitive) {
        for (auto word : split(pattern, '\n'))
            words_.push_back(insensitive ? folded(word) : std::string(word));
    }
    bool matches(std::string_view line) override {
        auto text = insensitive_ ? folded(line) : std::string{};
        auto where = insensitive_ ? std::string_view(text) : line;
        for (const auto& word : words_)
            if (::memmem(where.data(), where.size(), word.data(), word.size()) != nullptr ||
                word.empty())
                return true;
        return false;
    }

private:
    bool insensitive_;
    Strings words_;
};

class Expression final : public Matcher {
public:
    Expression() { pattern_.fastmap = static_cast<char*>(std::malloc(256)); }
    ~Expression() override { ::regfree(&pattern_); }

    Status compile(const std::string& text, const Style& style) {
        re_syntax_options = (style.extended ? RE_SYNTAX_EGREP : RE_SYNTAX_GREP) |
                            (style.insensitive ? RE_ICASE : 0);
        const char* error = ::re_compile_pattern(text.data(), text.size(), &pattern_);
        if (error != nullptr)
            return fail(Code::InvalidArgument, fmt::format("{}: {}", printable(text), error));
        return {};
    }
    bool matches(std::string_view line) override {
        auto size = static_cast<regoff_t>(line.size());
        return ::re_search(&pattern_, line.data(), size, 0, size, nullptr) >= 0;
    }

private:
    re_pattern_buffer pattern_{};
};

Result<std::unique_ptr<Matcher>> matcher_of(const std::string& pattern, const Style& style) {
    if (style.fixed)
        return std::make_unique<Words>(pattern, style.insensitive);
    auto expression = std::make_unique<Expression>();
    SLIPWAY_CHECK(expression->compile(pattern, style));
    return expression;
}

Result<Strings> grep_with(Machine& machine, const std::string& pattern, const GuestPath& path,
                          const Style& style) {
    if (style.extended && style.fixed)
        return fail(Code::InvalidArgument, "extended and fixed exclude each other");
    SLIPWAY_TRY(auto file, open_file(machine, path));
    SLIPWAY_TRY(auto matcher, matcher_of(pattern, style));
    auto source = style.compressed ? unpacked_content_of(machine.host.cancel, file, path.str(),
                                                         archive::Compression::Gzip)
                                   : content_of(machine.host.cancel, file, path.str());
    Strings lines;
    SLIPWAY_CHECK(each_line(source, [&](std::string_view line) -> Result<bool> {
        if (matcher->matches(line))
            lines.emplace_back(line);
        return true;
    }));
    return lines;
}

Result<Strings> grep(Machine& machine, const std::string& pattern, const GuestPath& path,
                     std::optional<bool> extended, std::optional<bool> fixed,
                     std::optional<bool> insensitive, std::optional<bool> compressed) {
    return grep_with(machine, pattern, path,
                     {extended.value_or(false), fixed.value_or(false), insensitive.value_or(false),
                      compressed.value_or(false)});
}

enum : unsigned { Plain = 0, Extended = 1, Fixed = 2, Insensitive = 4, Compressed = 8 };
template <unsigned flags>
Result<Strings> grep_as(Machine& machine, const std::string& pattern, const GuestPath& path) {
    return grep_with(machine, pattern, path,
                     {(flags & Extended) != 0, (flags & Fixed) != 0, (flags & Insensitive) != 0,
                      (flags & Compressed) != 0});
}

} // namespace

Calls grep_calls() {
    static constexpr Call calls[] = {
        {"grep", bind<grep>},
        {"grepi", bind<grep_as<Insensitive>>},
        {"egrep", bind<grep_as<Extended>>},
        {"egrepi", bind<grep_as<Extended | Insensitive>>},
        {"fgrep", bind<grep_as<Fixed>>},
        {"fgrepi", bind<grep_as<Fixed | Insensitive>>},
        {"zgrep", bind<grep_as<Compressed>>},
        {"zgrepi", bind<grep_as<Compressed | Insensitive>>},
        {"zegrep", bind<grep_as<Compressed | Extended>>},
        {"zegrepi", bind<grep_as<Compressed | Extended | Insensitive>>},
        {"zfgrep", bind<grep_as<Compressed | Fixed>>},
        {"zfgrepi", bind<grep_as<Compressed | Fixed | Insensitive>>},
    };
    return calls;
}

} // namespace slipway::calls
