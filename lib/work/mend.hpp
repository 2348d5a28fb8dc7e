// SPDX-License-Identifier: Apache-2.0
// Requests that look at the opened root as a whole, and repair it.
#pragma once

#include "base/json.hpp"
#include "work/opened_root.hpp"

namespace slipway::work {

/// {"root", "deep", "cache_dir"} -> {"inventory", "foreign"}
[[nodiscard]] Result<Json> inspect_root(OpenedRoot& opened, const Json& arguments, Peer& peer);
/// {"root", "from"} -> {"database", "packages", "more", "findings"}: a page of what is installed.
[[nodiscard]] Result<Json> list_packages(OpenedRoot& opened, const Json& arguments, Peer& peer);
/// {"root", "policy"} -> {"plan", "text", "needed": how many actions, "inventory"}. Remembers it
/// for "apply".
[[nodiscard]] Result<Json> plan_repairs(OpenedRoot& opened, const Json& arguments, Peer& peer);
/// {"root"} -> {"outcomes", "notes"}: carries out the remembered plan, mounting read-write.
[[nodiscard]] Result<Json> apply_plan(OpenedRoot& opened, const Json& arguments, Peer& peer);
/// {"cache_dir"} -> {"findings", "inventory"}: reads everything back from the mounted root.
[[nodiscard]] Result<Json> verify_root(OpenedRoot& opened, const Json& arguments, Peer& peer);

} // namespace slipway::work
