// SPDX-License-Identifier: Apache-2.0
// Calls that look at the content of files: lines, words, strings.
#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/batch.hpp"
#include "calls/files.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

constexpr std::int64_t usual_count = 10;
constexpr std::size_t longest_string = 16 << 20; // what is longer comes in parts

Result<Strings> read_lines(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Strings lines;
    SLIPWAY_CHECK(each_line(content_of(machine.host.cancel, file, path.str()),
                            [&](std::string_view line) -> Result<bool> {
                                if (line.ends_with('\r'))
                                    line.remove_suffix(1);
                                lines.emplace_back(line);
                                return true;
                            }));
    return lines;
}

// The first lines; of a negative number all but the last ones.
Result<Strings> head_n(Machine& machine, std::int64_t count, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Strings lines;
    std::deque<std::string> held_back;
    auto held = count < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(count) : 0;
    auto most = count < 0 ? UINT64_MAX : static_cast<std::uint64_t>(count);
    if (count == 0)
        return lines;
    SLIPWAY_CHECK(each_line(content_of(machine.host.cancel, file, path.str()),
                            [&](std::string_view line) -> Result<bool> {
                                held_back.emplace_back(line);
                                if (held_back.size() > held) {
                                    lines.push_back(std::move(held_back.front()));
                                    held_back.pop_front();
                                }
                                return lines.size() < most;
                            }));
    return lines;
}
Result<Strings> head(Machine& machine, const GuestPath& path) {
    return head_n(machine, usual_count, path);
}

// Where the last lines begin, looked for from the end.
Result<off_t> start_of_last(const Cancel& cancel, sys::BorrowedFd file, const std::string& name,
                            std::uint64_t count) {
    auto end = ::lseek(file.raw(), 0, SEEK_END);
    if (end < 0)
        return fail_errno(name);
    std::string piece(piece_size, '\0');
    bool at_end = true; // the last newline begins no line
    for (auto at = end; at > 0;) {
        SLIPWAY_CHECK(cancel.check());
        auto size = std::min<off_t>(at, static_cast<off_t>(piece.size()));
        auto got = ::pread(file.raw(), piece.data(), static_cast<std::size_t>(size), at - size);
        if (got != size)
            return got < 0 ? fail_errno(name) : fail(Code::Busy, name + " changes");
        for (auto i = size; i > 0; --i) {
            bool newline = piece[static_cast<std::size_t>(i - 1)] == '\n';
            if (newline && !at_end && --count == 0)
                return at - size + i;
            at_end = false;
        }
        at -= size;
    }
    return 0;
}

// The last lines; of a negative number those from this one on.
Result<Strings> tail_n(Machine& machine, std::int64_t count, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Strings lines;
    if (count == 0)
        return lines;
    std::uint64_t passed_over = 0;
    if (count > 0) {
        SLIPWAY_TRY(auto start, start_of_last(machine.host.cancel, file, path.str(),
                                              static_cast<std::uint64_t>(count)));
        if (::lseek(file.raw(), start, SEEK_SET) < 0)
            return fail_errno(path.str());
    } else
        passed_over = ~static_cast<std::uint64_t>(count);
    SLIPWAY_CHECK(each_line(content_of(machine.host.cancel, file, path.str()),
                            [&](std::string_view line) -> Result<bool> {
                                if (passed_over > 0)
                                    --passed_over;
                                else
                                    lines.emplace_back(line);
                                return true;
                            }));
    return lines;
}
Result<Strings> tail(Machine& machine, const GuestPath& path) {
    return tail_n(machine, usual_count, path);
}

// Sums up what `count` finds in each piece.
template <class Count>
Result<std::int64_t> count_in(Machine& machine, const GuestPath& path, Count count) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    std::int64_t sum = 0;
    SLIPWAY_CHECK(each_piece(content_of(machine.host.cancel, file, path.str()),
                             [&](std::string_view piece) -> Status {
                                 sum += count(piece);
                                 return {};
                             }));
    return sum;
}
Result<std::int64_t> wc_c(Machine& machine, const GuestPath& path) {
    return count_in(machine, path,
                    [](std::string_view piece) { return static_cast<std::int64_t>(piece.size()); });
}
Result<std::int64_t> wc_l(Machine& machine, const GuestPath& path) {
    return count_in(machine, path, [](std::string_view piece) {
        return std::count(piece.begin(), piece.end(), '\n');
    });
}
Result<std::int64_t> wc_w(Machine& machine, const GuestPath& path) {
    return count_in(machine, path, [in_word = false](std::string_view piece) mutable {
        std::int64_t words = 0;
        for (char c : piece) {
            auto byte = static_cast<unsigned char>(c);
            bool blank = byte == ' ' || (byte >= '\t' && byte <= '\r');
            // A control character neither begins a word nor ends one.
            bool begins = byte > ' ' && byte != 0x7f;
            words += begins && !in_word ? 1 : 0;
            in_word = !blank && (in_word || begins);
        }
        return words;
    });
}

std::string hex_line(std::uint64_t offset, std::string_view row) {
    constexpr std::size_t width = 16;
    auto line = fmt::format("{:08x} ", offset);
    for (std::size_t i = 0; i < width; ++i) {
        if (i % 8 == 0)
            line += ' ';
        line += i < row.size() ? fmt::format("{:02x} ", static_cast<unsigned char>(row[i])) : "   ";
    }
    line += " |";
    for (char c : row)
        line += c >= ' ' && c < 0x7f ? c : '.';
    return line + "|";
}

// As hexdump -C: rows like the one before are a single star.
Status hexdump(Machine& machine, const GuestPath& path, const Output& output) {
    static_assert(piece_size % 16 == 0, "rows do not span pieces");
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Batch batch(output);
    std::uint64_t offset = 0;
    std::string last;
    bool starred = false;
    auto add = [&](std::string_view row) -> Status {
        bool same = row == last, was_starred = std::exchange(starred, same);
        last = row;
        offset += row.size();
        if (same)
            return was_starred ? Status{} : batch.add("*", '\n');
        return batch.add(hex_line(offset - row.size(), row), '\n');
    };
    auto add_all = [&](std::string_view piece) -> Status {
        for (; !piece.empty(); piece.remove_prefix(std::min<std::size_t>(16, piece.size())))
            SLIPWAY_CHECK(add(piece.substr(0, 16)));
        return {};
    };
    SLIPWAY_CHECK(each_piece(content_of(machine.host.cancel, file, path.str()), add_all));
    if (offset > 0)
        SLIPWAY_CHECK(batch.add(fmt::format("{:08x}", offset), '\n'));
    return batch.flush();
}

struct Encoding {
    char name;
    unsigned width; ///< bytes of a character
    bool big_endian;
    bool high; ///< bytes from 128 on count, too
};
constexpr std::array encodings{Encoding{'s', 1, false, false}, Encoding{'S', 1, false, true},
                               Encoding{'b', 2, true, false},  Encoding{'l', 2, false, false},
                               Encoding{'B', 4, true, false},  Encoding{'L', 4, false, false}};

// Runs of printable characters, as strings(1) finds them: at every offset, as text need not begin
// at a multiple of the width.
class StringFinder {
public:
    StringFinder(const Encoding& encoding, Strings& found) : encoding_(encoding), found_(found) {}

    void add(std::string_view piece) {
        pending_ += piece;
        std::size_t at = 0;
        while (at + encoding_.width <= pending_.size()) {
            auto c = character_at(at);
            if (is_printable(c)) {
                run_ += static_cast<char>(c);
                at += encoding_.width;
                if (run_.size() == longest_string)
                    finish();
                continue;
            }
            finish();
            ++at;
        }
        pending_.erase(0, at);
    }
    void finish() {
        constexpr std::size_t shortest = 4;
        if (run_.size() >= shortest)
            found_.push_back(run_);
        run_.clear();
    }

private:
    [[nodiscard]] std::uint32_t character_at(std::size_t at) const {
        std::uint32_t c = 0;
        for (unsigned i = 0; i < encoding_.width; ++i) {
            auto place = encoding_.big_endian ? i : encoding_.width - 1 - i;
            c = c << 8 | static_cast<unsigned char>(pending_[at + place]);
        }
        return c;
    }
    [[nodiscard]] bool is_printable(std::uint32_t c) const {
        return c == '\t' || (c >= ' ' && c < 0x7f) || (encoding_.high && c > 0x7f && c < 0x100);
    }

    const Encoding& encoding_;
    Strings& found_;
    std::string pending_, run_;
};

Result<Strings> strings_e(Machine& machine, const std::string& name, const GuestPath& path) {
    const Encoding* encoding = nullptr;
    for (const auto& each : encodings)
        if (name == std::string_view(&each.name, 1))
            encoding = &each;
    if (encoding == nullptr)
        return fail(Code::InvalidArgument, fmt::format("'{}' is no encoding", printable(name)),
                    "use s, S, b, l, B or L");
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Strings found;
    StringFinder finder(*encoding, found);
    SLIPWAY_CHECK(each_piece(content_of(machine.host.cancel, file, path.str()),
                             [&](std::string_view piece) -> Status {
                                 finder.add(piece);
                                 return {};
                             }));
    finder.finish();
    return found;
}
Result<Strings> strings(Machine& machine, const GuestPath& path) {
    return strings_e(machine, "s", path);
}

} // namespace

Calls lines_calls() {
    static constexpr Call calls[] = {
        {"read_lines", bind<read_lines>},
        {"head", bind<head>},
        {"head_n", bind<head_n>},
        {"tail", bind<tail>},
        {"tail_n", bind<tail_n>},
        {"wc_c", bind<wc_c>},
        {"wc_l", bind<wc_l>},
        {"wc_w", bind<wc_w>},
        {"hexdump", bind<hexdump>},
        {"strings", bind<strings>},
        {"strings_e", bind<strings_e>},
    };
    return calls;
}

} // namespace slipway::calls
