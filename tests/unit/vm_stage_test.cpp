// SPDX-License-Identifier: Apache-2.0
// The fixtures are consoles of real guests; see tests/fixtures/console/README.md.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/fd.hpp"
#include "vm/console.hpp"
#include "vm/stage.hpp"

namespace slipway::vm {
namespace {

BootTrace trace_of(const std::string& bytes) {
    BootTrace trace;
    Console console;
    console.feed(bytes, [&trace](std::string_view line) { trace.see(line); });
    trace.see(console.partial());
    return trace;
}

struct Captured {
    const char* name;
    Stage reached;
    const char* likely_cause; ///< part of it; "" for no failure
};
void PrintTo(const Captured& captured, std::ostream* out) {
    *out << captured.name;
}

class RealConsole : public testing::TestWithParam<Captured> {};

TEST_P(RealConsole, TellsStageAndCause) {
    auto text = sys::read_file(std::string(SLIPWAY_SOURCE_DIR "/tests/fixtures/console/") +
                               GetParam().name + ".txt");
    ASSERT_TRUE(text) << GetParam().name;
    auto trace = trace_of(*text);
    EXPECT_EQ(name_of(trace.reached()), name_of(GetParam().reached));
    if (*GetParam().likely_cause == '\0') {
        EXPECT_FALSE(trace.failure()) << trace.failure()->evidence;
        return;
    }
    ASSERT_TRUE(trace.failure());
    EXPECT_THAT(trace.failure()->likely_cause, testing::HasSubstr(GetParam().likely_cause));
    EXPECT_TRUE(trace.failure()->definite);
}

INSTANTIATE_TEST_SUITE_P(
    Guests, RealConsole,
    testing::Values(Captured{"debian12-stock", Stage::Login, ""},
                    Captured{"prove-firmware", Stage::Firmware, ""},
                    Captured{"prove-loader", Stage::BootLoader, "does not find one of its files"},
                    Captured{"prove-kernel", Stage::BootLoader, "is no kernel"},
                    Captured{"prove-initramfs", Stage::Kernel, "initramfs is damaged"},
                    Captured{"prove-root", Stage::Initramfs, "root filesystem was not found"},
                    Captured{"prove-init", Stage::RootMounted, "no init program"},
                    Captured{"prove-login", Stage::Init, "/etc/fstab"},
                    Captured{"prove-noserial", Stage::BootLoader, ""},
                    // Waits for a passphrase.
                    Captured{"debian12-luks", Stage::Initramfs, ""},
                    Captured{"debian12-luks-unlocked", Stage::Login, ""},
                    Captured{"dracut-stock", Stage::Login, ""},
                    Captured{"dracut-root", Stage::Initramfs, "root filesystem was not found"}),
    [](const auto& guest) {
        std::string name = guest.param.name;
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    });

TEST(BootTrace, EveryStageOfAWholeBootIsSeenInOrder) {
    auto text = sys::read_file(SLIPWAY_SOURCE_DIR "/tests/fixtures/console/debian12-stock.txt");
    ASSERT_TRUE(text);
    auto trace = trace_of(*text);
    std::vector<std::string_view> seen;
    for (const auto& sighting : trace.sightings())
        seen.push_back(name_of(sighting.stage));
    EXPECT_THAT(seen, testing::ElementsAre("firmware", "boot-loader", "kernel", "initramfs",
                                           "root-mounted", "init", "login"));
    EXPECT_TRUE(trace.handed_over());
}

TEST(BootTrace, InitIsSeenAfterASystemdInTheInitramfs) {
    auto text = sys::read_file(SLIPWAY_SOURCE_DIR "/tests/fixtures/console/dracut-stock.txt");
    ASSERT_TRUE(text);
    auto trace = trace_of(*text);
    std::vector<std::string_view> seen;
    for (const auto& sighting : trace.sightings())
        seen.push_back(name_of(sighting.stage));
    EXPECT_THAT(seen, testing::ElementsAre("firmware", "kernel", "initramfs", "root-mounted",
                                           "init", "login"));
}

TEST(BootTrace, SystemdInTheInitramfsIsNotInit) {
    auto trace = trace_of("[    0.0] Linux version 6.5\n[    1.9] systemd[1]: systemd 254 running "
                          "in system mode (+PAM)\n[    2.0] systemd[1]: Running in "
                          "initrd.\nWelcome to Fedora Linux 39 dracut-059 (Initramfs)!\n"
                          "[  OK  ] Reached target basic.target\n");
    EXPECT_EQ(trace.reached(), Stage::Initramfs);
    trace.see("[    5.0] systemd[1]: Switching root.");
    EXPECT_EQ(trace.reached(), Stage::RootMounted);
    trace.see("[    6.0] systemd[1]: Reached target basic.target");
    EXPECT_EQ(trace.reached(), Stage::Init);
}

TEST(BootTrace, ALaterStageBeliesAFailure) {
    auto trace = trace_of("error: file `/boot/grub/locale/en.gmo' not found.\n");
    ASSERT_TRUE(trace.failure());
    EXPECT_FALSE(trace.failure()->definite);
    trace.see("[    0.0] Linux version 6.5");
    EXPECT_FALSE(trace.failure());
}

TEST(BootTrace, CountsRestartsOnce) {
    BootTrace trace;
    for (int start = 0; start < 3; ++start) {
        trace.see("SeaBIOS (version 1");
        trace.see("SeaBIOS (version 1.16)");
        trace.see("");
        trace.see("Booting from Hard Disk...");
    }
    EXPECT_EQ(trace.restarts(), 2U);
}

TEST(BootTrace, FirmwareThatTriesItsEntriesIsNoRestart) {
    BootTrace trace;
    trace.see("BdsDxe: loading Boot0001 \"disk\"");
    trace.see("BdsDxe: failed to load Boot0001");
    trace.see("BdsDxe: loading Boot0002 \"shell\"");
    EXPECT_EQ(trace.restarts(), 0U);
    trace.see("[    0.0] Linux version 6.5");
    trace.see("BdsDxe: loading Boot0002 \"disk\"");
    EXPECT_EQ(trace.restarts(), 1U);
}

TEST(BootTrace, TheEvidenceGrowsWithItsLine) {
    BootTrace trace;
    trace.see("SeaBIOS (version");
    trace.see("SeaBIOS (version 1.16)");
    EXPECT_EQ(trace.sightings().at(0).evidence, "SeaBIOS (version 1.16)");
}

TEST(BootTrace, LastLoginIsNoLoginPrompt) {
    EXPECT_EQ(trace_of("Last login: Mon\n").reached(), Stage::None);
    EXPECT_EQ(trace_of("host login: ").reached(), Stage::Login);
}

TEST(BootTrace, KernelMessagesBreakThePromptInTwo) {
    constexpr auto* message = "[   36.009018] powernow_k8: no transitions\n";
    for (std::string_view prompt : {"host login: ", "a.long-name login: "})
        for (std::size_t at = 1; at < prompt.size(); ++at) {
            auto text = fmt::format("Debian 12 host ttyS0\n\n{}{}{}{}{}", prompt.substr(0, at),
                                    message, message, prompt.substr(at), message);
            EXPECT_EQ(trace_of(text).reached(), Stage::Login) << text;
            BootTrace grows;
            Console console;
            for (char byte : text) {
                console.feed({&byte, 1}, [&grows](std::string_view line) { grows.see(line); });
                grows.see(console.partial());
            }
            EXPECT_EQ(grows.reached(), Stage::Login) << text;
        }
    EXPECT_EQ(trace_of(fmt::format("Last {}login: Mon\n", message)).reached(), Stage::None);
    EXPECT_EQ(trace_of(fmt::format("host{}and now\nlogin: \n", message)).reached(), Stage::None);
}

TEST(PassphrasePrompt, StandsAtTheEndOfAConsoleThatWaits) {
    auto text = sys::read_file(SLIPWAY_SOURCE_DIR "/tests/fixtures/console/debian12-luks.txt");
    ASSERT_TRUE(text);
    Console console;
    console.feed(*text);
    auto prompt = passphrase_prompt(console.partial());
    ASSERT_TRUE(prompt);
    EXPECT_EQ(prompt->volume, "sda2_crypt");
}

TEST(PassphrasePrompt, IsToldFromOtherLines) {
    struct Example {
        const char* line;
        const char* volume;
        const char* asked; ///< the line up to the answer
    };
    for (const auto& [line, volume, asked] :
         {Example{"Please unlock disk sda2_crypt: ****", "sda2_crypt",
                  "Please unlock disk sda2_crypt:"},
          Example{"\xf0\x9f\x94\x90 Please enter passphrase for disk QEMU_HARDDISK (luks-1): "
                  "(press TAB "
                  "for no echo) ",
                  "QEMU_HARDDISK (luks-1)",
                  "\xf0\x9f\x94\x90 Please enter passphrase for disk QEMU_HARDDISK (luks-1):"},
          Example{"Enter passphrase for /dev/sda2: ", "/dev/sda2",
                  "Enter passphrase for /dev/sda2:"},
          Example{"Enter passphrase for hd0,msdos1 (3d2f9c1b): ", "hd0,msdos1 (3d2f9c1b)",
                  "Enter passphrase for hd0,msdos1 (3d2f9c1b):"}}) {
        auto prompt = passphrase_prompt(line);
        ASSERT_TRUE(prompt) << line;
        EXPECT_EQ(prompt->volume, volume);
        EXPECT_EQ(std::string_view(line).substr(0, prompt->length), asked);
    }
    for (const auto* line : {"", "Please unlock disk sda2_cr",
                             "debian login: ", "cryptsetup: sda2_crypt: set up successfully"})
        EXPECT_FALSE(passphrase_prompt(line)) << line;
}

} // namespace
} // namespace slipway::vm
