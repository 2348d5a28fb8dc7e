// SPDX-License-Identifier: Apache-2.0
#include "fstests/xunit.hpp"

#include <array>
#include <cstdlib>
#include <map>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

constexpr std::string_view cdata_begin = "<![CDATA[";
constexpr std::string_view cdata_end = "]]>";

struct Tag {
    std::string_view name; ///< "/testcase" where it is an end
    std::map<std::string, std::string, std::less<>> attributes{};
    bool is_closed = false; ///< <a/>

    [[nodiscard]] std::string get(std::string_view key) const {
        auto found = attributes.find(key);
        return found == attributes.end() ? "" : found->second;
    }
};

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string decode(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, char>, 5> entities{
        {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}}};
    std::string decoded;
    while (!text.empty()) {
        bool found = false;
        for (const auto& [entity, character] : entities)
            if (!found && text.starts_with(entity)) {
                decoded += character;
                text.remove_prefix(entity.size());
                found = true;
            }
        if (!found) {
            decoded += text.front();
            text.remove_prefix(1);
        }
    }
    return decoded;
}

class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    /// The next tag, with what stood before it in `passed`; nothing at the end.
    std::optional<Tag> next(std::string& passed) {
        while (true) {
            auto at = rest_.find('<');
            if (at == std::string_view::npos)
                return std::nullopt;
            passed += rest_.substr(0, at);
            rest_.remove_prefix(at);
            if (!rest_.starts_with(cdata_begin))
                break;
            rest_.remove_prefix(cdata_begin.size());
            auto end = rest_.find(cdata_end);
            if (end == std::string_view::npos)
                return std::nullopt;
            passed += rest_.substr(0, end);
            rest_.remove_prefix(end + cdata_end.size());
        }
        rest_.remove_prefix(1);
        return read_tag();
    }

private:
    std::optional<Tag> read_tag() {
        Tag tag{.name = take_until(" \t\r\n/>", 1)};
        while (true) {
            skip_space();
            if (rest_.empty())
                return std::nullopt;
            if (rest_.starts_with("/>") || rest_.starts_with("?>")) {
                rest_.remove_prefix(2);
                tag.is_closed = true;
                return tag;
            }
            if (rest_.front() == '>') {
                rest_.remove_prefix(1);
                return tag;
            }
            auto key = take_until("= \t\r\n/>", 1);
            if (!rest_.starts_with("=\""))
                continue;
            rest_.remove_prefix(2);
            auto end = end_of_value();
            if (end == std::string_view::npos)
                return std::nullopt;
            tag.attributes.insert_or_assign(std::string(key), decode(rest_.substr(0, end)));
            rest_.remove_prefix(end + 1);
        }
    }

    // At least `least` characters, so that every turn of a loop gets on.
    std::string_view take_until(std::string_view stops, std::size_t least) {
        auto end =
            std::min(rest_.find_first_of(stops, std::min(least, rest_.size())), rest_.size());
        auto taken = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return taken;
    }

    void skip_space() {
        while (!rest_.empty() && is_space(rest_.front()))
            rest_.remove_prefix(1);
    }

    // A quote ends a value where the tag ends after it, or another attribute begins.
    [[nodiscard]] std::size_t end_of_value() const {
        for (auto at = rest_.find('"'); at != std::string_view::npos;
             at = rest_.find('"', at + 1)) {
            auto after = at + 1;
            while (after < rest_.size() && is_space(rest_[after]))
                ++after;
            auto follows = rest_.substr(after);
            if (follows.starts_with('>') || follows.starts_with("/>") || follows.starts_with("?>"))
                return at;
            auto key =
                follows.substr(0, follows.find_first_not_of(
                                      "abcdefghijklmnopqrstuvwxyz_:ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
            if (after > at + 1 && !key.empty() && follows.substr(key.size()).starts_with("=\""))
                return at;
        }
        return std::string_view::npos;
    }

    std::string_view rest_;
};

void take_tag(XunitCase& open, const Tag& tag, const std::string& passed) {
    if (tag.name == "failure") {
        open.status = TestStatus::Failed;
        open.message = tag.get("message");
    } else if (tag.name == "skipped") {
        open.status = TestStatus::NotRun;
        open.message = tag.get("message");
    } else if (tag.name == "/system-out") {
        open.output = trim(passed);
    } else if (tag.name == "/kernel-log") {
        open.kernel_log = trim(passed);
    } else if (tag.name == "/system-err") {
        open.diff = trim(passed);
    }
}

XunitCase case_of(const Tag& tag) {
    constexpr std::string_view prefix = "xfstests.";
    XunitCase found{.section = tag.get("classname"), .name = tag.get("name")};
    if (found.section.starts_with(prefix))
        found.section.erase(0, prefix.size());
    if (found.section == "global")
        found.section.clear();
    found.seconds = std::strtod(tag.get("time").c_str(), nullptr);
    return found;
}

} // namespace

Result<std::vector<XunitCase>> parse_xunit(std::string_view text) {
    Reader reader(text);
    std::vector<XunitCase> cases;
    std::optional<XunitCase> open;
    bool has_suite = false;
    std::string passed;
    while (auto tag = reader.next(passed)) {
        if (tag->name == "testsuite") {
            has_suite = true;
        } else if (tag->name == "testcase") {
            open = case_of(*tag);
        } else if (open) {
            take_tag(*open, *tag, passed);
        }
        bool ends = tag->name == "/testcase" || (tag->name == "testcase" && tag->is_closed);
        if (ends && open) {
            cases.push_back(*std::move(open));
            open.reset();
        }
        passed.clear();
    }
    if (!has_suite)
        return fail(Code::Corrupt, "this is no result.xml of fstests");
    return cases;
}

} // namespace slipway::fstests
