// SPDX-License-Identifier: Apache-2.0
// What a worker does on one opened root: it owns the devices, mounts and namespaces and answers
// requests. Single-threaded. Needs root and a process of its own: it makes itself a mount
// namespace, an empty network namespace and a /dev of its own.
#pragma once

#include <memory>
#include <string_view>

#include "base/json.hpp"
#include "work/peer.hpp"

namespace slipway::work {

struct OpenedRoot;

class Worker {
public:
    Worker();
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Answers one request. The operations, their arguments and answers stand in README.md.
    /// InvalidArgument for an unknown operation, and for one that comes before "open".
    [[nodiscard]] Result<Json> handle(std::string_view operation, const Json& arguments,
                                      Peer& peer);
    /// Unmounts, flushes and detaches; the first error counts, the rest is done all the same.
    [[nodiscard]] Status close();

private:
    void log_to(Peer& peer);
    std::unique_ptr<OpenedRoot> opened_;
};

} // namespace slipway::work
