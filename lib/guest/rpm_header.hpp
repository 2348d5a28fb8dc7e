// SPDX-License-Identifier: Apache-2.0
// The header of an installed package as rpm's databases keep it.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.hpp"
#include "report/packages.hpp"

namespace slipway::guest {

/// A value of a database, read in pieces: a header is tens of kilobytes, of which we want a few
/// hundred bytes.
class HeaderBlob {
public:
    HeaderBlob() = default;
    HeaderBlob(const HeaderBlob&) = delete;
    HeaderBlob& operator=(const HeaderBlob&) = delete;
    virtual ~HeaderBlob() = default;
    [[nodiscard]] virtual std::size_t size() const = 0;
    /// Exactly `count` bytes, all of them below `size()`.
    [[nodiscard]] virtual Result<std::string> read(std::size_t offset, std::size_t count) = 0;
};

/// Corrupt where it is no header or names no package.
[[nodiscard]] Result<report::Package> parse_rpm_header(HeaderBlob& blob);

} // namespace slipway::guest
