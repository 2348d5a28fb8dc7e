// SPDX-License-Identifier: Apache-2.0
// PID 1 of the initramfs of network boot.
#include <cstdio>

#include <unistd.h>

#include "boot/bootstrap.hpp"

int main() {
    if (::getpid() != 1) {
        std::fputs("slipway-init: it is the init of an initramfs, see `slipway netboot build`\n",
                   stderr);
        return 2;
    }
    slipway::boot::run_bootstrap();
}
