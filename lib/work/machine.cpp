// SPDX-License-Identifier: Apache-2.0
#include "work/machine.hpp"

#include <array>

#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "sys/kernel_module.hpp"
#include "sys/mount.hpp"

namespace slipway::work {
namespace {

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

} // namespace

Result<MachineLinks> bring_up_machine() {
    SLIPWAY_CHECK(mount_places());
    // The kernel asks this program for modules, see load_wanted_module.
    std::array<char, 4096> own{};
    auto length = ::readlink("/proc/self/exe", own.data(), own.size() - 1);
    if (length > 0) [[maybe_unused]]
        auto written = sys::write_file("/proc/sys/kernel/modprobe",
                                       {own.data(), static_cast<std::size_t>(length)});
    for (const auto* driver : {"virtio_blk"})
        [[maybe_unused]] auto loaded = sys::load_module(driver);
    MachineLinks links;
    SLIPWAY_TRY(links.control, sys::open_file("/dev/ttyS0", O_RDWR | O_NOCTTY));
    SLIPWAY_CHECK(make_raw(links.control));
    SLIPWAY_TRY(links.window, sys::open_file("/dev/ubda", O_RDWR | O_DIRECT));
    return links;
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
