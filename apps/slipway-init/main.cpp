// SPDX-License-Identifier: Apache-2.0
// PID 1 of the initramfs of network boot.
#include <chrono>
#include <cstdio>
#include <string_view>
#include <tuple>

#include <sys/stat.h>
#include <unistd.h>

#include "boot/bootstrap.hpp"
#include "boot/first_process.hpp"
#include "boot/machine.hpp"
#include "boot/modules.hpp"
#include "loading/image.hpp"
#include "loading/lazy_server.hpp"

int main(int count, char** arguments) {
    // Started by itself, for an archive that nobody trusts.
    if (count == 3 && std::string_view(arguments[1]) == "--unpack") {
        slipway::boot::let_be_killed();
        auto unpacked = ::chdir(arguments[2]) == 0 && ::chroot(".") == 0
                            ? slipway::loading::unpack_standard_input()
                            : slipway::Status(slipway::fail_errno("entering the image's root"));
        if (!unpacked)
            std::fputs(slipway::render_text(unpacked.error()).c_str(), stderr);
        return unpacked ? 0 : 1;
    }
    // Started by itself, for as long as a system runs from an image that is not all here.
    if (count == 2 && std::string_view(arguments[1]) == "--serve-blocks") {
        arguments[0][0] = '@'; // systemd's last signals spare processes that are called so
        std::ignore = slipway::boot::protect_this_process();
        return slipway::loading::serve_blocks();
    }
    // Started by the kernel: "/sbin/modprobe -q -- fs-squashfs".
    if (std::string_view(arguments[0]).ends_with("modprobe") && count > 1) {
        auto modules = slipway::boot::ModuleLoader::open();
        return modules.load(arguments[count - 1]) ? 0 : 1;
    }
    if (::getpid() != 1) {
        std::fputs("slipway-init: it is the init of an initramfs, see `slipway netboot build`\n",
                   stderr);
        return 2;
    }
    auto bootstrap = [] { slipway::boot::run_bootstrap(std::chrono::seconds(SLIPWAY_BUILD_TIME)); };
    if (std::string_view(arguments[0]) == "/shutdown")
        slipway::boot::come_back_as_first_process(count > 1 ? arguments[1] : "", bootstrap,
                                                  arguments[0], count > 2 ? arguments[2] : "");
    ::umask(022);
    [[maybe_unused]] auto moved =
        slipway::boot::leave_rootfs(); // told by `status`, where it matters
    slipway::boot::run_first_process(bootstrap, arguments[0]);
}
