// SPDX-License-Identifier: Apache-2.0
// PID 1 of the initramfs of network boot.
#include <cstdio>
#include <string_view>

#include <unistd.h>

#include "boot/bootstrap.hpp"
#include "boot/image.hpp"
#include "boot/modules.hpp"

int main(int count, char** arguments) {
    // Started by itself, for an archive that nobody trusts.
    if (count == 3 && std::string_view(arguments[1]) == "--unpack") {
        auto unpacked = ::chdir(arguments[2]) == 0 && ::chroot(".") == 0
                            ? slipway::boot::unpack_standard_input()
                            : slipway::Status(slipway::fail_errno("entering the image's root"));
        if (!unpacked)
            std::fputs(slipway::render_text(unpacked.error()).c_str(), stderr);
        return unpacked ? 0 : 1;
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
    slipway::boot::run_bootstrap();
}
