// SPDX-License-Identifier: Apache-2.0
// The files of a handle under a directory of this machine, through FUSE. Private to the module.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/cancel.hpp"
#include "base/json.hpp"

namespace slipway::guestfs {

struct LocalMountOptions {
    std::string directory;
    bool readonly = false;
    std::string options{};       ///< further mount options
    unsigned cache_timeout = 60; ///< seconds for which the kernel keeps names and attributes
};

class LocalMount {
public:
    /// Carries out a call of the API.
    using Carry = std::function<Result<Json>(const char* name, const Json& arguments)>;

    /// The directory shows the files when it returns, and waits for `run` to answer. Root, or
    /// fusermount3. Unsupported, with the remedy, without FUSE; InvalidArgument where it is no
    /// directory.
    [[nodiscard]] static Result<std::unique_ptr<LocalMount>> make(LocalMountOptions options,
                                                                  Carry carry);
    LocalMount(const LocalMount&) = delete;
    LocalMount& operator=(const LocalMount&) = delete;
    ~LocalMount();

    /// Answers the kernel until the directory is unmounted. Cancelled, and unmounted, on request.
    [[nodiscard]] Status run(const Cancel& cancel);
    /// From any thread. Busy while a file below is open.
    [[nodiscard]] Status unmount() const;

private:
    struct State;
    explicit LocalMount(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace slipway::guestfs
