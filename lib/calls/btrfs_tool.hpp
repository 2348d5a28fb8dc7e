// SPDX-License-Identifier: Apache-2.0
// The tools of btrfs, run on what a descriptor names. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "calls/machine.hpp"

namespace slipway::calls {

constexpr int place_number = 3; // the descriptor's number in the tool
constexpr std::string_view placed = "/proc/self/fd/3";
[[nodiscard]] Result<std::string> run_btrfs(Machine& machine, sys::BorrowedFd directory,
                                            std::vector<std::string> words,
                                            const std::vector<int>& accepted = {0});
[[nodiscard]] Result<sys::OwnedFd> open_place(Machine& machine, const sys::GuestPath& path);
[[nodiscard]] Status btrfs_at(Machine& machine, const sys::GuestPath& path,
                              std::vector<std::string> words);
[[nodiscard]] Status btrfs_at_parent(Machine& machine, const sys::GuestPath& path,
                                     std::vector<std::string> words);
[[nodiscard]] Status check_qgroup(const std::string& id);
[[nodiscard]] Status run_tool_on(Machine& machine, std::vector<std::string> words,
                                 const Device& device, const std::vector<int>& accepted = {0});

} // namespace slipway::calls
