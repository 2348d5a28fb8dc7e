// SPDX-License-Identifier: Apache-2.0
// One file that a process of our own reads for the kernel: FUSE, spoken at /dev/fuse. The file is
// the root of its filesystem, so that there are no names. See linux/fuse.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::loading {

/// Mounts it at `place`, an empty file; what is returned is to be given to a FuseFile, in this or
/// another process. It can be read when that one answers, and by this user only. CAP_SYS_ADMIN.
/// Unsupported: the kernel lacks FUSE.
[[nodiscard]] Result<sys::OwnedFd> mount_fuse_file(const std::string& place);

class FuseFile {
public:
    FuseFile(sys::OwnedFd device, std::uint64_t size);

    struct Read {
        std::uint64_t id = 0;
        std::uint64_t offset = 0, bytes = 0; ///< within the file
    };
    /// Waits for the next thing that the kernel wants; what is no read is answered here. Nothing
    /// where it was one of those. NotFound: it is not mounted any more.
    [[nodiscard]] Result<std::optional<Read>> next();
    /// For any thread. A read that nobody waits for any more is no error.
    void answer(const Read& read, std::string_view content) const;
    void refuse(const Read& read, int error) const;
    [[nodiscard]] sys::BorrowedFd fd() const { return device_; }

private:
    void reply(std::uint64_t id, int error, std::string_view content) const;
    template <class Record> void reply_with(std::uint64_t id, const Record& record) const;
    void obey(std::uint32_t operation, std::uint64_t id) const;
    sys::OwnedFd device_;
    std::uint64_t size_;
    std::string buffer_;
};

} // namespace slipway::loading
