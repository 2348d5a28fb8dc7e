// SPDX-License-Identifier: Apache-2.0
#include "work/machine.hpp"

#include <array>
#include <filesystem>
#include <initializer_list>

#include <malloc.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/kernel_module.hpp"
#include "sys/mount.hpp"
#include "vm/qemu_spec.hpp"
#include "vm/sandbox.hpp"

namespace slipway::work {
namespace {

constexpr std::chrono::seconds device_deadline{10};

struct Place {
    const char* target;
    const char* type;
    const char* options;
};
constexpr std::array places{
    Place{"/proc", "proc", ""},          Place{"/sys", "sysfs", ""},
    Place{"/dev", "devtmpfs", ""},       Place{"/run", "tmpfs", "mode=0755"},
    Place{"/tmp", "tmpfs", "mode=1777"},
};

Status mount_places() {
    for (const auto& place : places) {
        auto mounted = sys::mount({.source = place.type,
                                   .target = place.target,
                                   .type = place.type,
                                   .flags = MS_NOSUID,
                                   .options = place.options});
        // Kernels can mount devtmpfs themselves.
        if (!mounted && mounted.error().code != Code::Busy)
            return mounted;
    }
    return {};
}

Status make_raw(sys::BorrowedFd terminal) {
    termios settings{};
    if (::tcgetattr(terminal.raw(), &settings) != 0)
        return fail_errno("opening the line to the client");
    ::cfmakeraw(&settings);
    if (::tcsetattr(terminal.raw(), TCSANOW, &settings) != 0)
        return fail_errno("opening the line to the client");
    return {};
}

void load_drivers(std::initializer_list<const char*> drivers) {
    for (const auto* driver : drivers)
        [[maybe_unused]] auto loaded = sys::load_module(driver);
}

Result<MachineLinks> uml_links() {
    load_drivers({"virtio_blk"});
    MachineLinks links;
    SLIPWAY_TRY(links.control, sys::open_file("/dev/ttyS0", O_RDWR | O_NOCTTY));
    SLIPWAY_CHECK(make_raw(links.control));
    SLIPWAY_TRY(links.window, sys::open_file("/dev/ubda", O_RDWR | O_DIRECT));
    return links;
}

// The name of the device of a class whose attribute has this text, or "".
std::string device_with(const std::string& class_directory, const char* attribute,
                        std::string_view text) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(class_directory, ignored))
        if (auto found = sys::read_file(entry.path().string() + "/" + attribute);
            found && trim(*found) == text)
            return entry.path().filename().string();
    return {};
}

// A port of virtio appears some time after its driver was loaded: the machine tells of it later.
Result<sys::OwnedFd> open_device(const std::string& class_directory, const char* attribute,
                                 std::string_view text, int flags) {
    auto until = Clock::now() + device_deadline;
    auto name = device_with(class_directory, attribute, text);
    while (name.empty() && Clock::now() < until) {
        ::usleep(1000);
        name = device_with(class_directory, attribute, text);
    }
    if (name.empty())
        return fail(Code::Unsupported, fmt::format("this machine has no device {}", text),
                    "its kernel lacks a driver: virtio_pci, virtio_blk or virtio_console");
    return sys::open_file("/dev/" + name, flags);
}

Result<MachineLinks> qemu_links() {
    load_drivers({"virtio_pci", "virtio_blk", "virtio_console"});
    MachineLinks links;
    SLIPWAY_TRY(links.control,
                open_device("/sys/class/virtio-ports", "name", vm::control_port, O_RDWR));
    SLIPWAY_TRY(links.window,
                open_device("/sys/block", "serial", vm::window_serial, O_RDWR | O_DIRECT));
    return links;
}

} // namespace

Result<MachineLinks> bring_up_machine() {
    // Memory that went back to the kernel comes again page by page, and page faults are slow in
    // User-mode Linux: with malloc's own limits `put` takes four times as long.
    constexpr int kept = 32 << 20; // more is refused by mallopt(3)
    ::mallopt(M_MMAP_THRESHOLD, kept);
    ::mallopt(M_TRIM_THRESHOLD, kept);
    SLIPWAY_CHECK(mount_places());
    // The kernel asks this program for modules, see load_wanted_module.
    std::array<char, 4096> own{};
    auto length = ::readlink("/proc/self/exe", own.data(), own.size() - 1);
    if (length > 0) [[maybe_unused]]
        auto written = sys::write_file("/proc/sys/kernel/modprobe",
                                       {own.data(), static_cast<std::size_t>(length)});
    return ::access("/sys/block/ubda", F_OK) == 0 ? uml_links() : qemu_links();
}

Status start_pulse(const MachineLinks& links) {
    auto child = ::fork();
    if (child < 0)
        return fail_errno("starting the machine's pulse");
    if (child > 0)
        return {};
    alignas(vm::pulse_size) static std::array<std::uint64_t, vm::pulse_size / 8> block{};
    while (true) {
        ++block[0];
        if (::pwrite(links.window.raw(), block.data(), sizeof block, vm::window_size) < 0)
            ::_exit(1);
        ::sleep(1);
    }
}

void switch_off_machine() {
    ::sync();
    ::reboot(RB_POWER_OFF);
    ::_exit(1); // the kernel panics, and the machine ends with that
}

int load_wanted_module(const char* name) {
    return sys::load_module(name) ? 0 : 1;
}

} // namespace slipway::work
