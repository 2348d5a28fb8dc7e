// SPDX-License-Identifier: Apache-2.0
// Trees between the caller's files and the guest: tar of this host at one end, the worker's at the
// other, a pipe between them.
#pragma once

#include "guestfs/state.hpp"

namespace slipway::guestfs {

/// copy_in(localpath, remotedir)
[[nodiscard]] Result<Json> copy_in(HandleState& state, const Json& arguments);
/// copy_out(remotepath, localdir)
[[nodiscard]] Result<Json> copy_out(HandleState& state, const Json& arguments);

} // namespace slipway::guestfs
