// SPDX-License-Identifier: Apache-2.0
// rpm's databases: sqlite (rpmdb.sqlite), Berkeley DB (Packages), ndb (Packages.db). Without
// librpm, which takes a root by its path and runs macros of the guest.
#pragma once

#include <functional>

#include "base/error.hpp"
#include "guest/rpm_header.hpp"
#include "sys/fd.hpp"

namespace slipway::guest {

/// Gets each header in turn; an error ends the walk and comes back.
using HeaderVisitor = std::function<Status(HeaderBlob&)>;

/// Each visits all headers of an open database file. Nothing is written, locked or mapped, and what
/// a hostile file can cost is limited by its size. Corrupt where it is no such database.
[[nodiscard]] Status visit_sqlite(sys::BorrowedFd file, const HeaderVisitor& visit);
[[nodiscard]] Status visit_berkeley(sys::BorrowedFd file, const HeaderVisitor& visit);
[[nodiscard]] Status visit_ndb(sys::BorrowedFd file, const HeaderVisitor& visit);

} // namespace slipway::guest
