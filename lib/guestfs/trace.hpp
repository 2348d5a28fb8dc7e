// SPDX-License-Identifier: Apache-2.0
// What set_trace shows of a call. Private to the module.
#pragma once

#include <string>

#include "guestfs/signature.hpp"

namespace slipway::guestfs {

/// `mkfs "ext4" "/dev/sda1" "label:data"`: keys are hidden, of content only the size is shown.
[[nodiscard]] std::string trace_of_call(const Signature& signature, const Json& arguments);
/// `mkfs = 0`, `cat = "text"`, `cat = -1 (error)`; long ones are cut.
[[nodiscard]] std::string trace_of_result(const Signature& signature, const Result<Json>& result);

} // namespace slipway::guestfs
