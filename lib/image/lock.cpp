// SPDX-License-Identifier: Apache-2.0
#include "image/lock.hpp"

#include <fcntl.h>

#include <fmt/format.h>

namespace slipway::image {
namespace {

constexpr off_t permission_base = 100;
constexpr off_t unshared_base = 200;
constexpr unsigned consistent_read = 1U << 0, write_data = 1U << 1, resize = 1U << 3;
constexpr unsigned all_bits = 4;

struct flock byte_lock(short type, off_t at) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = at;
    lock.l_len = 1;
    return lock;
}

// 0, or the errno.
int take(sys::BorrowedFd file, unsigned mask, off_t base) {
    for (unsigned bit = 0; bit < all_bits; ++bit) {
        if ((mask >> bit & 1) == 0)
            continue;
        auto lock = byte_lock(F_RDLCK, base + static_cast<off_t>(bit));
        if (::fcntl(file.raw(), F_OFD_SETLK, &lock) != 0)
            return errno;
    }
    return 0;
}

bool taken_by_others(sys::BorrowedFd file, unsigned mask, off_t base) {
    for (unsigned bit = 0; bit < all_bits; ++bit) {
        if ((mask >> bit & 1) == 0)
            continue;
        auto lock = byte_lock(F_WRLCK, base + static_cast<off_t>(bit));
        if (::fcntl(file.raw(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
            return true;
    }
    return false;
}

} // namespace

Status lock_image(sys::BorrowedFd file, Access access, const std::string& name) {
    unsigned have =
        access == Access::Write ? consistent_read | write_data | resize : consistent_read;
    unsigned unshared = write_data | resize;
    int error = take(file, have, permission_base);
    if (error == 0)
        error = take(file, unshared, unshared_base);
    if (error == EAGAIN || error == EACCES || taken_by_others(file, have, unshared_base) ||
        taken_by_others(file, unshared, permission_base))
        return fail(
            Code::Busy,
            fmt::format("{} is in use by another program, such as a running virtual machine", name),
            "shut the virtual machine down, or wait for the other program");
    // ENOLCK, EINVAL, EOPNOTSUPP: a filesystem without locks; QEMU goes on there as well.
    return {};
}

} // namespace slipway::image
