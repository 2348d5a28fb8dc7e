// SPDX-License-Identifier: Apache-2.0
#include "vm/kernel_reports.hpp"

#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/strings.hpp"

namespace slipway::vm {
namespace {

constexpr std::size_t longest_report = 60; // lines
constexpr double longest_pause = 1;        // second, between two lines of one report

// What a report begins with. The texts are those of the kernel's own sources; each stands at the
// beginning of its message, so that no word of another message looks like one.
struct Sign {
    std::string_view text;
    const char* kind;
    bool fatal = false;
};
constexpr std::array signs{
    Sign{"Kernel panic - not syncing", "panic", true},
    Sign{"BUG: KASAN:", "kasan"},
    Sign{"BUG: KMSAN:", "kmsan"},
    Sign{"BUG: KCSAN:", "kcsan"},
    Sign{"BUG: KFENCE:", "kfence"},
    Sign{"UBSAN:", "ubsan"},
    Sign{"BUG: kernel NULL pointer dereference", "oops"},
    Sign{"BUG: unable to handle", "oops"},
    Sign{"general protection fault", "oops"},
    Sign{"Unable to handle kernel", "oops"},
    Sign{"stack segment:", "oops"},
    Sign{"invalid opcode:", "oops"},
    Sign{"divide error:", "oops"},
    Sign{"Oops:", "oops"},
    Sign{"kernel BUG at ", "bug"},
    Sign{"watchdog: BUG: soft lockup", "soft-lockup"},
    Sign{"BUG: soft lockup", "soft-lockup"},
    Sign{"NMI watchdog: Watchdog detected hard LOCKUP", "hard-lockup"},
    Sign{"watchdog: Watchdog detected hard LOCKUP", "hard-lockup"},
    Sign{"WARNING: possible circular locking dependency detected", "lockdep"},
    Sign{"WARNING: possible recursive locking detected", "lockdep"},
    Sign{"WARNING: possible irq lock inversion dependency detected", "lockdep"},
    Sign{"WARNING: inconsistent lock state", "lockdep"},
    Sign{"WARNING: bad unlock balance detected", "lockdep"},
    Sign{"WARNING: suspicious RCU usage", "lockdep"},
    Sign{"WARNING: held lock freed", "lockdep"},
    Sign{"WARNING: lock held when returning to user space", "lockdep"},
    Sign{"BUG: sleeping function called from invalid context", "bug"},
    Sign{"BUG: scheduling while atomic", "bug"},
    Sign{"BUG: spinlock", "bug"},
    Sign{"BUG: workqueue lockup", "soft-lockup"},
    Sign{"BUG: Bad page", "bug"},
    Sign{"BUG: Bad rss-counter state", "bug"},
    Sign{"BUG: memory leak", "memory-leak"},
    Sign{"WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "lockdep"},
    Sign{"WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", "lockdep"},
    Sign{"WARNING: Nested lock was not taken", "lockdep"},
    Sign{"[ BUG: Invalid wait context ]", "lockdep"},
    Sign{"INFO: trying to register non-static key", "lockdep"},
    Sign{"BUG: ", "bug"}, // such as "BUG: Dentry … still in use"
    Sign{"BUG ", "bug"},  // of the slab allocator: "BUG kmalloc-64 (Tainted: …): …"
    Sign{"WARNING: CPU:", "warning"},
    Sign{"WARNING: at ", "warning"},
    Sign{"rcu: INFO: rcu_", "rcu-stall"},
    Sign{"INFO: rcu_", "rcu-stall"},
    Sign{"Out of memory:", "oom"},
    Sign{"Memory cgroup out of memory:", "oom"},
    Sign{"XFS: Assertion failed:", "assertion"},
    Sign{"assertion failed:", "assertion"},
    Sign{"kmemleak: ", "memory-leak"},
};

struct Line {
    double at = 0;
    std::string_view text; ///< without time stamp and what comes with it
};

// "[   12.345678] text", "[   12.345678][  T123] text", "<4>[ 1.0] text", or just text.
Line parse(std::string_view line) {
    Line parsed{.text = trim(line)};
    if (parsed.text.size() > 2 && parsed.text[0] == '<' && parsed.text.find('>') <= 4)
        parsed.text.remove_prefix(parsed.text.find('>') + 1);
    bool first = true;
    while (parsed.text.starts_with("[")) {
        auto end = parsed.text.find(']');
        if (end == std::string_view::npos)
            break;
        auto inside = trim(parsed.text.substr(1, end - 1));
        bool is_time = !inside.empty() &&
                       inside.find_first_not_of("0123456789.") == std::string_view::npos &&
                       inside.find('.') != std::string_view::npos;
        bool is_caller = !first && !inside.empty() && (inside[0] == 'T' || inside[0] == 'C');
        if (!is_time && !is_caller)
            break;
        if (is_time)
            parsed.at = std::strtod(std::string(inside).c_str(), nullptr);
        parsed.text = trim(parsed.text.substr(end + 1));
        first = false;
    }
    return parsed;
}

// "INFO: task NAME:PID blocked for more than 120 seconds."
bool is_hung_task(std::string_view text) {
    return text.starts_with("INFO: task ") &&
           text.find(" blocked for more than ") != std::string_view::npos;
}

// "WARNING: fs/x.c:12 at function+0x1/0x2, CPU#0: COMMAND/PID", since Linux 6.19.
bool is_warning(std::string_view text) {
    return text.starts_with("WARNING: ") && text.find(" at ") != std::string_view::npos &&
           text.find(", CPU#") != std::string_view::npos;
}

// "kmemleak: 3 new suspected memory leaks", and no other word of kmemleak.
bool is_false_alarm(const Sign& sign, std::string_view text) {
    if (sign.text == "kmemleak: ")
        return text.find("new suspected memory leak") == std::string_view::npos;
    // "BUG kmalloc-64 (Not tainted): Redzone overwritten"
    if (sign.text == "BUG ")
        return text.find("): ") == std::string_view::npos &&
               text.find("ainted") == std::string_view::npos;
    if (sign.text == "rcu: INFO: rcu_" || sign.text == "INFO: rcu_")
        return text.find("stall") == std::string_view::npos;
    return false;
}

std::optional<Sign> sign_of(std::string_view text) {
    if (is_hung_task(text))
        return Sign{"INFO: task ", "hung-task"};
    if (is_warning(text))
        return Sign{"WARNING: ", "warning"};
    for (const auto& sign : signs)
        if (text.starts_with(sign.text) && !is_false_alarm(sign, text))
            return sign;
    return std::nullopt;
}

constexpr std::string_view place_mark = "RIP: 0010:"; // of the kernel, not of a program

// "name+0x12/0x34 [module]" without what follows the name, or "". What has a question mark before
// it only lay on the stack.
std::string function_in(std::string_view text) {
    std::string_view before;
    for (auto word : split_words(text)) {
        auto plus = word.find("+0x");
        bool is_certain = std::exchange(before, word) != "?";
        if (plus == std::string_view::npos || plus == 0 || !is_certain ||
            word.find('/') == std::string_view::npos)
            continue;
        // In a trace stand return addresses: after a call that never returns begins another
        // function.
        if (word.substr(plus).starts_with("+0x0/") && !text.starts_with(place_mark))
            continue;
        auto name = word.substr(0, plus);
        if (auto colon = name.rfind(':'); colon != std::string_view::npos) // "0010:name"
            name.remove_prefix(colon + 1);
        if (!name.empty() && name[0] != '0')
            return std::string(name.substr(0, name.find('.'))); // ".cold", ".isra.0"
    }
    return {};
}

// Frames of the machinery that reports, above the function that is meant.
bool is_reporter(std::string_view name) {
    for (const auto* start : {"dump_stack", "print_", "kasan_", "__kasan_", "check_memory_region",
                              "lockdep_", "show_stack", "panic", "__warn", "report_bug",
                              "handle_bug", "exc_", "asm_exc_", "__might_", "__asan_", "_printk"})
        if (name.starts_with(start))
            return true;
    return false;
}

std::string process_in(std::string_view text) {
    constexpr std::string_view mark = "Comm: ";
    auto at = text.find(mark);
    if (at == std::string_view::npos)
        return {};
    auto rest = text.substr(at + mark.size());
    auto end = rest.find(" Not tainted");
    end = std::min(end, rest.find(" Tainted:"));
    return std::string(trim(rest.substr(0, std::min(end, rest.find("  ")))));
}

// One trouble that is told in several messages: the panic that ends an oops is a report of its own,
// for it says that the kernel is gone; what repeats the kind is not.
bool continues(const KernelReport& report, const Sign& sign) {
    auto is = [&](std::string_view a, std::string_view b) {
        return report.kind == a && std::string_view(sign.kind) == b;
    };
    return report.kind == sign.kind || is("bug", "oops") || is("kasan", "oops") ||
           is("kmsan", "oops") || is("assertion", "bug") || is("assertion", "oops");
}

} // namespace

void KernelReports::see(std::string_view line) {
    ++lines_;
    auto parsed = parse(line);
    auto sign = sign_of(parsed.text);
    // A report is printed in one go.
    bool open = left_ > 0 && parsed.at <= last_ + longest_pause;
    last_ = parsed.at;
    if (sign && !(open && continues(found_.back(), *sign))) {
        found_.push_back({.kind = sign->kind,
                          .title = std::string(parsed.text),
                          .at = parsed.at,
                          .line = lines_,
                          .fatal = sign->fatal});
        left_ = longest_report;
        open = true;
    }
    if (!open) {
        left_ = 0;
        return;
    }
    auto& report = found_.back();
    report.text.emplace_back(parsed.text);
    --left_;
    if (report.process.empty())
        report.process = process_in(parsed.text);
    auto name = function_in(parsed.text);
    bool is_place = parsed.text.starts_with(place_mark);
    if (!name.empty() && (is_place || (report.function.empty() && !is_reporter(name))))
        report.function = name;
    // The end of a trace; what comes next is another matter.
    if (parsed.text.starts_with("---[ end "))
        left_ = 0;
}

} // namespace slipway::vm
