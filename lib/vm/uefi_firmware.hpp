// SPDX-License-Identifier: Apache-2.0
// Where distributions keep the UEFI firmware of virtual machines.
#pragma once

#include "base/error.hpp"
#include "vm/qemu_spec.hpp"

namespace slipway::vm {

/// Readable files of this machine; `vars` is a template, to be copied for each guest. Unsupported,
/// with the remedy, where none is installed.
[[nodiscard]] Result<UefiFiles> find_uefi_firmware();

} // namespace slipway::vm
