// SPDX-License-Identifier: Apache-2.0
// Libraries that open files by their paths. They run in a process of their own, which is locked
// into the guest's root before they open the first of its files.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"

namespace slipway::guest {

class PathEditor {
public:
    PathEditor() = default;
    PathEditor(const PathEditor&) = delete;
    PathEditor& operator=(const PathEditor&) = delete;
    virtual ~PathEditor() = default;

    /// The process is inside the root now, and nothing can be loaded from outside any more.
    [[nodiscard]] virtual Status begin() = 0;
    /// A call of the API by its name. Text of answers may be of any bytes.
    [[nodiscard]] virtual Result<Json> call(std::string_view name, const Json& arguments) = 0;
};

/// Reads the lenses of this machine. `opening`: "root", a path inside the root; "flags" as of
/// aug_init(3). Calls: aug_….
[[nodiscard]] Result<std::unique_ptr<PathEditor>> make_augeas(const Json& opening);
/// A Windows registry. `opening`: "path", and the truths "write" and "unsafe". Calls: hivex_….
/// A file that is cut off while it is open ends the process.
[[nodiscard]] Result<std::unique_ptr<PathEditor>> make_hive(const Json& opening);

} // namespace slipway::guest
