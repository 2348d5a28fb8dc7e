// SPDX-License-Identifier: Apache-2.0
#include "boot/screen_view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fb.h>
#include <linux/kd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "boot/device_node.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {
namespace {

constexpr std::size_t largest_text = 1 << 20, largest_picture = 64 << 20; // bytes

std::string big_endian(std::uint32_t number) {
    return {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
            static_cast<char>(number >> 8), static_cast<char>(number)};
}

// Of PNG's specification, as zip and Ethernet have it.
std::uint32_t crc_of(std::string_view bytes) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t at = 0; at < made.size(); ++at) {
            auto value = at;
            for (int bit = 0; bit < 8; ++bit)
                value = (value & 1) != 0 ? 0xedb88320U ^ (value >> 1) : value >> 1;
            made[at] = value;
        }
        return made;
    }();
    std::uint32_t crc = ~0U;
    for (char byte : bytes)
        crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xff] ^ (crc >> 8);
    return ~crc;
}

std::uint32_t adler_of(std::string_view bytes) {
    std::uint32_t low = 1, high = 0;
    for (char byte : bytes) {
        low = (low + static_cast<unsigned char>(byte)) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

std::string chunk(std::string_view type, const std::string& content) {
    auto body = std::string(type) + content;
    return big_endian(static_cast<std::uint32_t>(content.size())) + body + big_endian(crc_of(body));
}

// zlib's frame around blocks that are stored as they are.
std::string stored(std::string_view bytes) {
    constexpr std::size_t largest_block = 65535;
    std::string out = "\x78\x01";
    auto sum = adler_of(bytes);
    do {
        auto size = std::min(bytes.size(), largest_block);
        out += static_cast<char>(size == bytes.size() ? 1 : 0); // the last
        for (auto number : {size, ~size})
            out += {static_cast<char>(number), static_cast<char>(number >> 8)};
        out += bytes.substr(0, size);
        bytes.remove_prefix(size);
    } while (!bytes.empty());
    return out + big_endian(sum);
}

void add_utf8(std::string& text, std::uint32_t character) {
    constexpr std::uint32_t largest = 0x10ffff;
    if (character < 0x20 || character > largest || (character >= 0xd800 && character < 0xe000))
        character = ' ';
    if (character < 0x80)
        text += static_cast<char>(character);
    else if (character < 0x800)
        text += {static_cast<char>(0xc0 | character >> 6),
                 static_cast<char>(0x80 | (character & 0x3f))};
    else if (character < 0x10000)
        text += {static_cast<char>(0xe0 | character >> 12),
                 static_cast<char>(0x80 | (character >> 6 & 0x3f)),
                 static_cast<char>(0x80 | (character & 0x3f))};
    else
        text += {static_cast<char>(0xf0 | character >> 18),
                 static_cast<char>(0x80 | (character >> 12 & 0x3f)),
                 static_cast<char>(0x80 | (character >> 6 & 0x3f)),
                 static_cast<char>(0x80 | (character & 0x3f))};
}

bool shows_pictures() {
    int mode = KD_TEXT;
    auto front = open_device("/dev/tty0", DeviceMajor::Terminal, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    return front && ::ioctl(front->raw(), KDGETMODE, &mode) == 0 && mode == KD_GRAPHICS;
}

Result<ScreenView> look_at_text() {
    SLIPWAY_TRY(auto screen, open_device("/dev/vcsa", DeviceMajor::Screen, O_RDONLY));
    SLIPWAY_TRY(auto characters, open_device("/dev/vcsu", DeviceMajor::Screen, O_RDONLY));
    SLIPWAY_TRY(auto attributed, sys::read_all(screen, largest_text));
    SLIPWAY_TRY(auto cells, sys::read_all(characters, largest_text));
    if (attributed.size() < 4 || attributed[1] == 0)
        return fail(Code::Unsupported, "the screen has no columns");
    return ScreenView{"text/plain; charset=utf-8",
                      render_screen_text(cells, static_cast<unsigned char>(attributed[1]))};
}

unsigned part_of(std::uint32_t pixel, const fb_bitfield& field) {
    if (field.length == 0 || field.length > 8)
        return 0;
    auto value = pixel >> field.offset & ((1U << field.length) - 1);
    return value * 255 / ((1U << field.length) - 1);
}

Result<ScreenView> look_at_pixels() {
    SLIPWAY_TRY(auto file, open_device("/dev/fb0", DeviceMajor::FrameBuffer, O_RDONLY));
    fb_var_screeninfo about{};
    fb_fix_screeninfo fixed{};
    if (::ioctl(file.raw(), FBIOGET_VSCREENINFO, &about) != 0 ||
        ::ioctl(file.raw(), FBIOGET_FSCREENINFO, &fixed) != 0)
        return fail_errno("asking for the screen's size");
    auto bytes = about.bits_per_pixel / 8;
    auto size = std::size_t{fixed.line_length} * about.yres;
    if (bytes < 2 || bytes > 4 || size > largest_picture || about.xres * bytes > fixed.line_length)
        return fail(Code::Unsupported, fmt::format("a screen of {} × {} with {} bits", about.xres,
                                                   about.yres, about.bits_per_pixel));
    std::string raw(size, '\0');
    auto got = ::pread(file.raw(), raw.data(), raw.size(),
                       static_cast<off_t>(fixed.line_length) * about.yoffset);
    if (got < 0)
        return fail_errno("reading the screen");
    Pixels pixels{.width = about.xres, .height = about.yres};
    pixels.rgb.reserve(std::size_t{3} * about.xres * about.yres);
    for (unsigned y = 0; y < about.yres; ++y)
        for (unsigned x = 0; x < about.xres; ++x) {
            std::uint32_t pixel = 0;
            std::memcpy(&pixel, &raw[y * std::size_t{fixed.line_length} + x * bytes], bytes);
            for (const auto& field : {about.red, about.green, about.blue})
                pixels.rgb += static_cast<char>(part_of(pixel, field));
        }
    return ScreenView{"image/png", render_png(pixels)};
}

} // namespace

Result<ScreenView> view_screen() {
    if (!shows_pictures())
        if (auto text = look_at_text())
            return text;
    auto pixels = look_at_pixels();
    if (!pixels && pixels.error().code == Code::NotFound)
        return fail(Code::Unsupported, "the machine has no screen",
                    "its console on the serial line is all there is");
    return pixels;
}

std::string render_png(const Pixels& pixels) {
    std::string rows;
    auto length = std::size_t{3} * pixels.width;
    for (unsigned row = 0; row < pixels.height; ++row) {
        rows += '\0'; // no filter
        rows += pixels.rgb.substr(row * length, length);
    }
    // 8 bits a channel, of red, green and blue.
    auto head = big_endian(pixels.width) + big_endian(pixels.height) + std::string{8, 2, 0, 0, 0};
    return "\x89PNG\r\n\x1a\n" + chunk("IHDR", head) + chunk("IDAT", stored(rows)) +
           chunk("IEND", "");
}

std::string render_screen_text(std::string_view cells, unsigned columns) {
    std::string text, line;
    unsigned column = 0;
    for (std::size_t at = 0; at + 4 <= cells.size(); at += 4) {
        std::uint32_t character = 0;
        std::memcpy(&character, &cells[at], 4);
        add_utf8(line, character);
        if (++column < columns)
            continue;
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
        line.clear();
        column = 0;
    }
    return text;
}

} // namespace slipway::boot
