// SPDX-License-Identifier: Apache-2.0
#include "vm/stage.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::vm {
namespace {

struct Sign {
    std::string_view pattern; ///< stands anywhere in the line; "*" is any text
    Stage stage;
};

// Messages that only a program of that stage prints.
constexpr std::array signs{
    Sign{"SeaBIOS (version", Stage::Firmware},
    Sign{"Booting from Hard Disk", Stage::Firmware},
    Sign{"BdsDxe:", Stage::Firmware},
    Sign{"UEFI Interactive Shell", Stage::Firmware},
    Sign{"GRUB loading", Stage::BootLoader},
    Sign{"Welcome to GRUB", Stage::BootLoader},
    Sign{"GNU GRUB  version", Stage::BootLoader},
    Sign{"grub rescue>", Stage::BootLoader},
    Sign{"Booting `", Stage::BootLoader},
    Sign{"Loading Linux ", Stage::BootLoader},
    Sign{"Loading initial ramdisk", Stage::BootLoader},
    Sign{"SYSLINUX ", Stage::BootLoader},
    Sign{"EXTLINUX ", Stage::BootLoader},
    Sign{"] Linux version ", Stage::Kernel},
    Sign{"Decompressing Linux...", Stage::Kernel},
    Sign{"EFI stub:", Stage::Kernel},
    Sign{"Kernel panic - not syncing", Stage::Kernel},
    Sign{"Run /init as init process", Stage::Initramfs},
    Sign{"Loading, please wait...", Stage::Initramfs},
    Sign{"Begin: Running /scripts/", Stage::Initramfs},
    Sign{"Begin: Mounting root file system", Stage::Initramfs},
    Sign{"Running in initrd", Stage::Initramfs},
    Sign{"Running in initial RAM", Stage::Initramfs},
    Sign{"dracut: ", Stage::Initramfs},
    Sign{"dracut-initqueue", Stage::Initramfs},
    Sign{":: running early hook", Stage::Initramfs},
    Sign{"(initramfs)", Stage::Initramfs},
    Sign{"Please unlock disk ", Stage::Initramfs},
    Sign{"cryptsetup: Waiting for encrypted source device", Stage::Initramfs},
    Sign{"EXT4-fs (*): mounted filesystem", Stage::RootMounted},
    Sign{"XFS (*): Ending clean mount", Stage::RootMounted},
    Sign{"XFS (*): Ending recovery", Stage::RootMounted},
    Sign{"BTRFS info (device *): using free", Stage::RootMounted},
    Sign{"VFS: Mounted root", Stage::RootMounted},
    Sign{"Begin: Running /scripts/local-bottom", Stage::RootMounted},
    Sign{"Begin: Running /scripts/init-bottom", Stage::RootMounted},
    Sign{"as init process", Stage::RootMounted}, // /sbin/init by a kernel without initramfs
    Sign{"OpenRC * is starting up", Stage::Init},
    Sign{"INIT: version ", Stage::Init},
    Sign{"INIT: Entering runlevel", Stage::Init},
};

struct FailureSign {
    std::string_view pattern;
    Stage at;
    bool definite;
    std::string_view likely_cause;
};

constexpr std::array failures{
    FailureSign{"No bootable device", Stage::Firmware, true,
                "the disk has no boot sector that this firmware can start; is it a disk for UEFI?"},
    FailureSign{"Boot failed: not a bootable disk", Stage::Firmware, false,
                "the disk has no boot sector that this firmware can start; is it a disk for UEFI?"},
    FailureSign{"UEFI Interactive Shell", Stage::Firmware, true,
                "the disk has no \\EFI\\BOOT\\BOOTX64.EFI; is it a disk for a BIOS?"},
    FailureSign{"BdsDxe: No bootable option", Stage::Firmware, true,
                "the disk has no \\EFI\\BOOT\\BOOTX64.EFI; is it a disk for a BIOS?"},
    FailureSign{"error: invalid magic number", Stage::BootLoader, true,
                "the kernel file is damaged: it is no kernel"},
    FailureSign{"error: you need to load the kernel first", Stage::BootLoader, true,
                "the boot loader did not find the kernel that its menu names"},
    FailureSign{"error: file `*' not found", Stage::BootLoader, false,
                "the boot loader does not find one of its files"},
    FailureSign{"error: file '*' not found", Stage::BootLoader, false,
                "the boot loader does not find one of its files"},
    FailureSign{"error: no such device", Stage::BootLoader, false,
                "the boot loader does not find the filesystem that its menu names by UUID"},
    FailureSign{"error: no such partition", Stage::BootLoader, false,
                "the boot loader looks for its files on a partition that is not there"},
    FailureSign{"error: unknown filesystem", Stage::BootLoader, false,
                "the boot loader cannot read the filesystem that holds its files"},
    FailureSign{"grub rescue>", Stage::BootLoader, true,
                "GRUB does not find its modules; install it again"},
    FailureSign{"Minimal BASH-like line editing", Stage::BootLoader, true,
                "GRUB has no menu: its grub.cfg is missing or damaged"},
    FailureSign{"Initramfs unpacking failed", Stage::Kernel, false,
                "the initramfs is damaged: the kernel cannot unpack it"},
    FailureSign{"rootfs image is not initramfs", Stage::Kernel, false,
                "the initramfs is damaged: the kernel cannot unpack it"},
    FailureSign{"Unable to mount root fs", Stage::Kernel, true,
                "the kernel has no initramfs that it can read, or no driver for the root disk"},
    FailureSign{"BUG: unable to handle", Stage::Kernel, false, "the kernel crashed"},
    FailureSign{"general protection fault", Stage::Kernel, false, "the kernel crashed"},
    FailureSign{"Out of memory: Killed process", Stage::Kernel, false,
                "the guest ran out of memory"},
    FailureSign{"System is deadlocked on memory", Stage::Kernel, true,
                "the guest ran out of memory"},
    FailureSign{"ALERT!*does not exist", Stage::Initramfs, true,
                "the root filesystem was not found: root= names a disk that is not there, or the "
                "initramfs has no driver for it"},
    FailureSign{"Waiting for encrypted source device", Stage::Initramfs, false,
                "the encrypted volume was not found: the initramfs's crypttab names a disk that is "
                "not there, or the initramfs has no driver for it"},
    FailureSign{"Gave up waiting for root", Stage::Initramfs, false,
                "the root filesystem was not found: root= names a disk that is not there, or the "
                "initramfs has no driver for it"},
    FailureSign{"dracut-initqueue*timeout", Stage::Initramfs, false,
                "the root filesystem was not found: root= names a disk that is not there, or the "
                "initramfs has no driver for it"},
    FailureSign{"Entering emergency mode. Exit the shell to continue", Stage::Initramfs, true,
                "the initramfs could not find or mount the root filesystem"},
    FailureSign{"Failed to mount /sysroot", Stage::Initramfs, false,
                "the initramfs could not mount the root filesystem"},
    FailureSign{"Target filesystem doesn't have requested", Stage::RootMounted, false,
                "the root filesystem has no init program"},
    FailureSign{"No init found. Try passing init=", Stage::RootMounted, true,
                "the root filesystem has no init program"},
    FailureSign{"No working init found", Stage::RootMounted, true,
                "the root filesystem has no init program"},
    FailureSign{"Attempted to kill init", Stage::Kernel, true,
                "the init program ended; it is damaged, or a library of it is missing"},
    FailureSign{"Kernel panic - not syncing", Stage::Kernel, true, "the kernel panicked"},
    FailureSign{"Timed out waiting for device", Stage::Init, false,
                "/etc/fstab or /etc/crypttab names a device that is not there"},
    FailureSign{"Timed out waiting for device", Stage::Initramfs, false,
                "the root filesystem was not found: root= names a disk that is not there, or the "
                "initramfs has no driver for it"},
    FailureSign{"Dependency failed for Local File Systems", Stage::Init, false,
                "a filesystem of /etc/fstab could not be mounted"},
    FailureSign{
        "You are in emergency mode", Stage::Init, true,
        "systemd is in emergency mode; mostly a filesystem of /etc/fstab could not be mounted"},
    FailureSign{"You are in rescue mode", Stage::Init, true, "the guest starts in rescue mode"},
    FailureSign{
        "Cannot open access to console, the root account is locked", Stage::Init, true,
        "systemd is in emergency mode; mostly a filesystem of /etc/fstab could not be mounted"},
    FailureSign{
        "Give root password for maintenance", Stage::Init, true,
        "systemd is in emergency mode; mostly a filesystem of /etc/fstab could not be mounted"},
};

// Each part of the pattern, in order.
bool contains(std::string_view line, std::string_view pattern) {
    std::size_t from = 0;
    for (auto part : split(pattern, '*')) {
        auto found = line.find(part, from);
        if (found == std::string_view::npos)
            return false;
        from = found + part.size();
    }
    return true;
}

// "name login:", also with a kernel message behind it, but not "Last login: …".
bool is_login(std::string_view line) {
    auto words = split_words(line);
    return words.size() >= 2 && words[1] == "login:" && words[0] != "Last";
}

// The time that the kernel puts before each message: "[   36.009018] ".
std::size_t find_kernel_message(std::string_view line) {
    for (auto at = line.find('['); at != std::string_view::npos; at = line.find('[', at + 1)) {
        auto end = line.find(']', at);
        if (end == std::string_view::npos)
            break;
        auto time = split(trim(line.substr(at + 1, end - at - 1)), '.');
        if (time.size() == 2 && parse_number(time[0]) && parse_number(time[1]))
            return at;
    }
    return std::string_view::npos;
}

bool is_systemd(std::string_view line) {
    return contains(line, "systemd[1]: ") || contains(line, "[  OK  ]");
}

// Said by systemd before it says whether it runs in an initramfs.
bool is_undecided(std::string_view line) {
    constexpr std::array<std::string_view, 4> greetings{"running in system mode",
                                                        "Detected virtualization",
                                                        "Detected architecture", "Inserted module"};
    return std::any_of(greetings.begin(), greetings.end(),
                       [line](std::string_view text) { return contains(line, text); });
}

// What systemd greets with in the guest's own system.
bool greets(std::string_view line) {
    auto lower = to_lower(line);
    return line.starts_with("Welcome to ") && !contains(lower, "initramfs") &&
           !contains(lower, "dracut");
}

bool begins_initramfs_systemd(std::string_view line) {
    auto lower = to_lower(line);
    return contains(line, "Running in initrd") || contains(line, "Running in initial RAM") ||
           (line.starts_with("Welcome to ") &&
            (contains(lower, "initramfs") || contains(lower, "dracut")));
}

} // namespace

std::string_view name_of(Stage stage) {
    constexpr std::array<std::string_view, 8> names{
        "none", "firmware", "boot-loader", "kernel", "initramfs", "root-mounted", "init", "login"};
    return names.at(static_cast<std::size_t>(stage));
}

void BootTrace::follow_interruption(std::string_view line) {
    if (line.starts_with(previous_)) { // it is still growing
        previous_ = line;
        return;
    }
    auto message = find_kernel_message(previous_);
    if (message == std::string_view::npos)
        interrupted_.clear();
    else if (message > 0)
        interrupted_ = previous_.substr(0, message);
    previous_ = line;
}

Stage BootTrace::stage_of(std::string_view line) const {
    if (is_login(line))
        return Stage::Login;
    // The space between the two may have gone with the end of a line.
    if (!interrupted_.empty() && (is_login(interrupted_ + std::string(line)) ||
                                  is_login(fmt::format("{} {}", interrupted_, line))))
        return Stage::Login;
    if (begins_initramfs_systemd(line))
        return Stage::Initramfs;
    if (contains(line, "Switching root")) // said by systemd too
        return Stage::RootMounted;
    bool decided = reached_ >= Stage::RootMounted || !is_undecided(line);
    if (!systemd_in_initramfs_ &&
        ((is_systemd(line) && decided) || (reached_ >= Stage::Kernel && greets(line))))
        return Stage::Init;
    for (const auto& sign : signs)
        if (contains(line, sign.pattern))
            return sign.stage;
    return Stage::None;
}

void BootTrace::reach(Stage stage, std::string_view line, double seconds) {
    if (stage <= reached_)
        return;
    reached_ = stage;
    sightings_.push_back({stage, seconds, printable(line)});
    if (failure_ && failure_->at < stage)
        failure_.reset();
}

void BootTrace::count_restart(std::string_view line) {
    if (line.empty())
        return;
    // UEFI names itself for each entry that it tries; only after a kernel is that a new start.
    bool firmware = contains(line, "SeaBIOS (version") ||
                    (contains(line, "BdsDxe: loading") && kernel_since_start_);
    if (firmware && !greeted_ && reached_ > Stage::None) {
        ++restarts_;
        handed_over_ = systemd_in_initramfs_ = kernel_since_start_ = false;
    }
    greeted_ = firmware;
    kernel_since_start_ = kernel_since_start_ || contains(line, "] Linux version ");
}

void BootTrace::see(std::string_view text, double seconds) {
    auto line = trim(text);
    count_restart(line);
    follow_interruption(line);
    auto shown = printable(line);
    if (!sightings_.empty() && shown.starts_with(sightings_.back().evidence))
        sightings_.back().evidence = shown;
    if (failure_ && shown.starts_with(failure_->evidence))
        failure_->evidence = shown;
    if (begins_initramfs_systemd(line))
        systemd_in_initramfs_ = true;
    // journald swallows "Switching root." where it runs; the greeting comes on the console.
    if (contains(line, "Switching root") || greets(line))
        systemd_in_initramfs_ = false;
    if (contains(line, "Booting `") || contains(line, "Loading Linux ") ||
        contains(line, "Loading initial ramdisk"))
        handed_over_ = true;
    reach(stage_of(line), line, seconds);
    for (const auto& sign : failures) {
        // The same messages come from the systemd of an initramfs and mean something else there.
        if (!contains(line, sign.pattern) || (sign.at == Stage::Init && systemd_in_initramfs_))
            continue;
        reach(sign.at, line, seconds);
        // The first message is nearest to the cause; what follows only makes it final.
        if (!failure_)
            failure_ =
                Failure{reached_, printable(line), std::string(sign.likely_cause), sign.definite};
        failure_->definite = failure_->definite || sign.definite;
        return;
    }
}

std::optional<PassphrasePrompt> passphrase_prompt(std::string_view line) {
    constexpr std::array<std::string_view, 3> questions{
        "Please unlock disk ", "lease enter passphrase for disk ", "nter passphrase for "};
    for (auto question : questions) {
        auto at = line.find(question);
        if (at == std::string_view::npos)
            continue;
        auto begin = at + question.size();
        // GRUB's "hd0,msdos1 (UUID)" and systemd's "QEMU_HARDDISK (sda2_crypt)" hold no colon.
        auto colon = line.find(':', begin);
        if (colon != std::string_view::npos)
            return PassphrasePrompt{printable(trim(line.substr(begin, colon - begin))), colon + 1};
    }
    return std::nullopt;
}

std::string cause_of_silence(Stage reached) {
    switch (reached) {
    case Stage::None:
        return "the firmware printed nothing on the serial line";
    case Stage::Firmware:
        return "the firmware started the boot sector, and nothing came after it: the boot loader's "
               "first part is damaged or missing";
    case Stage::BootLoader:
        return "the boot loader ran, but no kernel said anything";
    case Stage::Kernel:
        return "the kernel started, but no initramfs or init did";
    case Stage::Initramfs:
        return "the initramfs ran, but did not mount the root filesystem in time";
    case Stage::RootMounted:
        return "the root filesystem was mounted, but no init program said anything";
    case Stage::Init:
        return "init started, but showed no login prompt in time";
    case Stage::Login:
        break;
    }
    return {};
}

} // namespace slipway::vm
