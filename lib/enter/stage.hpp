// SPDX-License-Identifier: Apache-2.0
// The small tmpfs from which commands get their /sys and the files that cover entries of /proc.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "enter/guest_machine.hpp"

namespace slipway::enter {

/// Mounted in this process's own mount namespace, so that nothing of it is ever on a disk or
/// outlives the namespace. Its destructor detaches it.
class Stage {
public:
    [[nodiscard]] static Result<Stage> mount();
    Stage(Stage&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Stage& operator=(Stage&&) = delete;
    ~Stage();

    [[nodiscard]] const std::string& path() const { return path_; }
    /// Makes entries; parent directories are made as needed.
    [[nodiscard]] Status add(const Tree& tree) const;
    /// From now on read-only, as are the binds that are made of it.
    [[nodiscard]] Status seal() const;

private:
    explicit Stage(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

/// The entries of `directory` (/proc) that are no processes.
[[nodiscard]] Result<std::vector<ProcEntry>> list_proc(const std::string& directory);

} // namespace slipway::enter
