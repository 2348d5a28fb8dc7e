// SPDX-License-Identifier: Apache-2.0
// A worker whose opened root is then asked by calls: for clients that show its files elsewhere.
#pragma once

#include <memory>
#include <string_view>

#include "calls/machine.hpp"
#include "work/worker.hpp"

namespace slipway::calls {

/// A Worker, until "mount" ({root, write}) mounts its root: from then on every operation is a call
/// about the files below, with {args: [...]}. Modes of new files are taken as they are given.
class OpenedFiles final : public work::Service {
public:
    [[nodiscard]] Result<Json> handle(std::string_view operation, const Json& arguments,
                                      work::Peer& peer) override;
    [[nodiscard]] Status close() override;

private:
    work::Worker worker_;
    std::unique_ptr<Machine> files_; ///< of the mounted root; without disks of its own
};

} // namespace slipway::calls
