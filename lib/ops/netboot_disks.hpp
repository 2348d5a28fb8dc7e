// SPDX-License-Identifier: Apache-2.0
// Disks of virtual machines in the folder of a network boot: served raw, as a bootstrap takes them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "http/server.hpp"
#include "ops/open_image.hpp"

namespace slipway::ops {

/// Each is converted once, when it is first asked for, in a thread of its own into a sparse file
/// without a name, which stays until the disk's file changes. All else here is for the server's
/// thread.
class RawDisks {
public:
    RawDisks(const Context& context, std::string folder,
             std::function<void(const std::string&)> told);
    RawDisks(const RawDisks&) = delete;
    RawDisks& operator=(const RawDisks&) = delete;
    ~RawDisks(); ///< stops what is under way

    /// False where the file is no such disk. The answer may come later.
    [[nodiscard]] bool take(const http::Asked& asked, const http::Answer& answer,
                            sys::BorrowedFd file);
    /// Answers what has become ready. To be called now and then.
    void settle();

private:
    struct Conversion;
    using Identity = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::int64_t>;
    const Context& context_;
    std::string folder_;
    std::function<void(const std::string&)> told_;
    std::map<std::string, std::unique_ptr<Conversion>> disks_; ///< by their paths
};

} // namespace slipway::ops
