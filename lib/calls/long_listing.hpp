// SPDX-License-Identifier: Apache-2.0
// What `ls -la` prints of a directory.
#pragma once

#include <functional>
#include <string_view>

#include "base/cancel.hpp"
#include "sys/root_dir.hpp"

namespace slipway::calls {

/// Lines of a directory, of what a link to one leads to, or of one file, with owners as numbers and
/// times in UTC. `contexts`: with the label of SELinux, as of `ls -laZ`.
/// Cancelled.
[[nodiscard]] Status long_listing(const sys::RootDir& root, const sys::GuestPath& path,
                                  bool contexts, const Cancel& cancel,
                                  const std::function<Status(std::string_view)>& take);

} // namespace slipway::calls
