// SPDX-License-Identifier: Apache-2.0
// A process that is locked into the guest's root, for the libraries of guest/path_editor.hpp: it
// answers calls for as long as its owner lives.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "sys/process.hpp"
#include "sys/root_dir.hpp"

namespace slipway::calls {

class Inside {
public:
    /// `role`: "augeas" or "hive". Errors of the editor's making and of its `begin`.
    [[nodiscard]] static Result<std::unique_ptr<Inside>> start(sys::Runner& runner,
                                                               const sys::RootDir& root,
                                                               const std::string& role,
                                                               const Json& opening);
    /// ToolFailed when the process has died; every later call then fails in the same way.
    [[nodiscard]] Result<Json> call(std::string_view name, const Json& arguments);

private:
    Inside() = default;
    sys::OwnedFd socket_;
    std::unique_ptr<sys::Child> child_;
};

/// The process itself: descriptor 3 is the socket, 4 the root. Returns the exit status.
[[nodiscard]] int serve_inside(std::string_view role);

} // namespace slipway::calls
