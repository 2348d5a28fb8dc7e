// SPDX-License-Identifier: Apache-2.0
#include "boot/screen.hpp"

#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kd.h>
#include <linux/keyboard.h>
#include <linux/vt.h>
#include <sys/ioctl.h>

#include "boot/device_node.hpp"

namespace slipway::boot {
namespace {

constexpr unsigned most_terminals = 16; // that VT_GETSTATE tells of
constexpr std::string_view reset = "\x1b"
                                   "c"; // colours, scrolling, characters

Result<sys::OwnedFd> open_terminal(unsigned number) {
    return open_device(fmt::format("/dev/tty{}", number), DeviceMajor::Terminal,
                       O_RDWR | O_NOCTTY | O_NONBLOCK);
}

std::map<std::pair<unsigned, unsigned>, int> read_keys(sys::BorrowedFd terminal) {
    std::map<std::pair<unsigned, unsigned>, int> keys;
    for (unsigned map = 0; map < MAX_NR_KEYMAPS; ++map)
        for (unsigned code = 0; code < NR_KEYS; ++code) {
            kbentry entry{.kb_table = static_cast<unsigned char>(map),
                          .kb_index = static_cast<unsigned char>(code),
                          .kb_value = 0};
            if (::ioctl(terminal.raw(), KDGKBENT, &entry) != 0)
                return keys;
            bool is_there = entry.kb_value != K_NOSUCHMAP;
            keys[{map, code}] = is_there ? entry.kb_value : -1;
            if (!is_there)
                break;
        }
    return keys;
}

void write_key(sys::BorrowedFd terminal, std::pair<unsigned, unsigned> place, int value) {
    kbentry entry{.kb_table = static_cast<unsigned char>(place.first),
                  .kb_index = static_cast<unsigned char>(place.second),
                  .kb_value = static_cast<unsigned short>(value == -1 ? int{K_NOSUCHMAP} : value)};
    ::ioctl(terminal.raw(), KDSKBENT, &entry);
}

void restore_keys(sys::BorrowedFd terminal,
                  const std::map<std::pair<unsigned, unsigned>, int>& before) {
    auto now = read_keys(terminal);
    for (const auto& [place, value] : before) {
        auto found = now.find(place);
        if (found == now.end() || found->second != value)
            write_key(terminal, place, value);
    }
}

// Each that is in use: one in graphics, whose program has gone, refuses to be left.
void make_text(unsigned number, int keyboard) {
    auto terminal = open_terminal(number);
    if (!terminal)
        return;
    vt_mode mode{};
    mode.mode = VT_AUTO;
    ::ioctl(terminal->raw(), VT_SETMODE, &mode);
    ::ioctl(terminal->raw(), KDSETMODE, KD_TEXT);
    ::ioctl(terminal->raw(), KDSKBMODE, keyboard);
    std::ignore = sys::write_all(*terminal, reset);
}

} // namespace

ScreenState look_at_screen(sys::BorrowedFd terminal) {
    ScreenState state;
    vt_stat found{};
    if (::ioctl(terminal.raw(), VT_GETSTATE, &found) != 0 ||
        ::ioctl(terminal.raw(), KDGKBMODE, &state.keyboard) != 0)
        return state;
    state.number = found.v_active;
    state.keys = read_keys(terminal);
    return state;
}

Result<sys::OwnedFd> restore_screen(const ScreenState& before) {
    if (before.number == 0)
        return fail(Code::NotFound, "this is no screen of the kernel's");
    SLIPWAY_TRY(auto terminal, open_terminal(before.number));
    ::ioctl(terminal.raw(), VT_UNLOCKSWITCH, 0);
    vt_stat found{};
    ::ioctl(terminal.raw(), VT_GETSTATE, &found);
    for (unsigned number = 1; number < most_terminals; ++number)
        if ((found.v_state >> number & 1) != 0 || number == found.v_active)
            make_text(number, before.keyboard);
    ::ioctl(terminal.raw(), VT_ACTIVATE, before.number);
    ::ioctl(terminal.raw(), VT_DISALLOCATE, 0); // those that nobody uses
    restore_keys(terminal, before.keys);
    return terminal;
}

} // namespace slipway::boot
