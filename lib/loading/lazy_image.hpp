// SPDX-License-Identifier: Apache-2.0
// An image that is entered before all of it is here: a file whose blocks come when they are read.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "loading/lazy_blocks.hpp"
#include "loading/lazy_server.hpp"
#include "sys/fd.hpp"
#include "sys/process.hpp"

namespace slipway::loading {

/// What a lazy image is made of.
struct LazyParts {
    LazySource source;
    BlockDigests digests;
    sys::OwnedFd file;                           ///< of the image's size, with the blocks so far
    std::function<void(const std::string&)> say; ///< what the operator should know
    std::function<void()> keep = [] {};          ///< all of it is here, and is what it should be
    std::function<void()> drop = [] {};          ///< it is closed without that
};

class LazyImage {
public:
    /// Mounts it as the file `place`, and starts the process that serves it, `program` again, see
    /// main(). CAP_SYS_ADMIN. Unsupported: the kernel lacks FUSE.
    [[nodiscard]] static Result<std::unique_ptr<LazyImage>>
    start(LazyParts parts, const std::string& place, const std::string& program);
    LazyImage(const LazyImage&) = delete;
    LazyImage& operator=(const LazyImage&) = delete;
    ~LazyImage();

    /// For one loop device, after which nobody needs it.
    [[nodiscard]] Result<sys::OwnedFd> open() const;
    /// Hears what the process says. Now and then.
    void listen();
    /// Reads of what is not here fail from now on, those that wait too. For any thread.
    void give_up() const;
    /// When nobody reads it any more.
    [[nodiscard]] Status close();

private:
    LazyImage(LazyParts parts, std::string place)
        : parts_(std::move(parts)), place_(std::move(place)) {}
    LazyParts parts_;
    std::string place_; ///< "": closed
    std::unique_ptr<sys::Child> server_;
    sys::OwnedFd channel_;
    bool is_kept_ = false;
};

} // namespace slipway::loading
