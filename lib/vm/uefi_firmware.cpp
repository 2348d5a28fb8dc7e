// SPDX-License-Identifier: Apache-2.0
#include "vm/uefi_firmware.hpp"

#include <array>

#include <unistd.h>

namespace slipway::vm {
namespace {

struct Place {
    const char* code;
    const char* vars;
};
constexpr std::array places{
    Place{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
    Place{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
    Place{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
    Place{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
    Place{"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"}};

} // namespace

Result<UefiFiles> find_uefi_firmware() {
    for (const auto& place : places)
        if (::access(place.code, R_OK) == 0 && ::access(place.vars, R_OK) == 0)
            return UefiFiles{place.code, place.vars};
    return fail(Code::Unsupported, "UEFI firmware for QEMU is not installed", "apt install ovmf");
}

} // namespace slipway::vm
