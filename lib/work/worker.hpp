// SPDX-License-Identifier: Apache-2.0
// What a worker does on one opened root: it owns the devices, mounts and namespaces and answers
// requests. Single-threaded. Needs root and a process of its own: it makes itself a mount
// namespace, an empty network namespace and a /dev of its own.
#pragma once

#include <memory>
#include <string_view>

#include "work/service.hpp"

namespace slipway::work {

struct OpenedRoot;

class Worker final : public Service {
public:
    Worker();
    ~Worker() override;

    /// The operations, their arguments and answers stand in README.md; "open" begins.
    [[nodiscard]] Result<Json> handle(std::string_view operation, const Json& arguments,
                                      Peer& peer) override;
    [[nodiscard]] Status close() override;

private:
    void log_to(Peer& peer);
    std::unique_ptr<OpenedRoot> opened_;
};

} // namespace slipway::work
