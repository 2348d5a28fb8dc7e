// SPDX-License-Identifier: Apache-2.0
// What the verbs below `slipway rootfs` share.
#pragma once

#include <string>

#include "invocation.hpp"
#include "ops/rootfs.hpp"

namespace slipway::app {

/// A verb with the options of output.
CLI::App* add_rootfs_verb(CLI::App& rootfs, Invocation& invocation, const char* name,
                          const char* help);
/// delete, list, export, import and profile.
void declare_rootfs_upkeep(CLI::App& rootfs, Invocation& invocation);

/// Prints one of them, as the user has chosen.
[[nodiscard]] Status print_rootfs(Invocation& invocation, const Json& json,
                                  const std::string& text);
/// The same of what was done, which -q leaves out.
[[nodiscard]] Status tell_rootfs(Invocation& invocation, const Json& json, const std::string& text);
/// Size, release and users, a line each.
[[nodiscard]] std::string rootfs_facts(const ops::TestRoot& root);

} // namespace slipway::app
