// SPDX-License-Identifier: Apache-2.0
// How far a boot came, and why it went no further, from the text of its console. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::vm {

/// In the order of a boot: to have reached one is to have reached those before it.
enum class Stage { None, Firmware, BootLoader, Kernel, Initramfs, RootMounted, Init, Login };
/// "none", "firmware", "boot-loader", "kernel", "initramfs", "root-mounted", "init", "login".
[[nodiscard]] std::string_view name_of(Stage stage);

/// The first line that showed a stage.
struct Sighting {
    Stage stage = Stage::None;
    double seconds = 0; ///< since the start of the machine
    std::string evidence{};
};

/// A message of a boot that goes wrong.
struct Failure {
    Stage at = Stage::None; ///< the stage whose program says it
    std::string evidence{};
    std::string likely_cause{};
    bool definite = false; ///< nothing comes after it
};

/// Reads a console line by line. Knows SeaBIOS, OVMF, GRUB, Linux, initramfs-tools, dracut,
/// mkinitcpio, systemd, OpenRC and sysvinit.
class BootTrace {
public:
    /// `seconds` is when the line came. A line that is still growing may be given again and again.
    void see(std::string_view text, double seconds = 0);
    [[nodiscard]] Stage reached() const { return reached_; }
    [[nodiscard]] const std::vector<Sighting>& sightings() const { return sightings_; }
    /// The first failure that no later stage has belied.
    [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }
    /// The boot loader has said that it is starting a kernel.
    [[nodiscard]] bool handed_over() const { return handed_over_; }
    /// How often the firmware began anew. Once is common: relabelling for SELinux ends with a
    /// restart.
    [[nodiscard]] unsigned restarts() const { return restarts_; }

private:
    void reach(Stage stage, std::string_view line, double seconds);
    void count_restart(std::string_view line);
    void follow_interruption(std::string_view line);
    [[nodiscard]] Stage stage_of(std::string_view line) const;

    Stage reached_ = Stage::None;
    std::vector<Sighting> sightings_;
    std::optional<Failure> failure_;
    std::string previous_;    ///< the line before this one, or this one while it was shorter
    std::string interrupted_; ///< what a program had printed when kernel messages came between
    bool handed_over_ = false;
    unsigned restarts_ = 0;
    bool greeted_ = false; ///< the firmware has said its name, and nothing has come since
    bool kernel_since_start_ = false;
    bool systemd_in_initramfs_ = false; ///< what systemd says is not the guest's init yet
};

/// A program of the boot asks at the console for what opens an encrypted volume.
struct PassphrasePrompt {
    std::string volume;     ///< as the guest calls it
    std::size_t length = 0; ///< of the line up to the answer
};
/// Knows cryptsetup-initramfs, systemd, cryptsetup itself (mkinitcpio, Alpine) and GRUB.
[[nodiscard]] std::optional<PassphrasePrompt> passphrase_prompt(std::string_view line);

/// What a boot that fell silent after a stage most likely suffers from.
[[nodiscard]] std::string cause_of_silence(Stage reached);

} // namespace slipway::vm
