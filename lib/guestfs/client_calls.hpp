// SPDX-License-Identifier: Apache-2.0
// The calls that need no worker, by family. Private to the module.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guestfs/state.hpp"

namespace slipway::guestfs {

struct ClientEntry {
    std::string_view name;
    ClientCall call;
};
using ClientCalls = std::span<const ClientEntry>;

/// get_X and set_X.
[[nodiscard]] ClientCalls setting_calls();
/// Images that are no drives of the handle.
[[nodiscard]] ClientCalls disk_image_calls();

// An argument, or "", false, 0 and an empty list where it was left out.
[[nodiscard]] std::string text_at(const Json& arguments, std::size_t index);
[[nodiscard]] bool truth_at(const Json& arguments, std::size_t index);
[[nodiscard]] std::int64_t number_at(const Json& arguments, std::size_t index);
[[nodiscard]] std::vector<std::string> list_at(const Json& arguments, std::size_t index);

} // namespace slipway::guestfs
