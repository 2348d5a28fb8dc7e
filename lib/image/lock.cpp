// SPDX-License-Identifier: Apache-2.0
#include "image/lock.hpp"

#include <fcntl.h>

#include <chrono>
#include <random>
#include <thread>

#include <fmt/format.h>

namespace slipway::image {
namespace {

constexpr off_t permission_base = 100;
constexpr off_t unshared_base = 200;
constexpr unsigned consistent_read = 1U << 0, write_data = 1U << 1, resize = 1U << 3;
constexpr unsigned all_bits = 4;
constexpr int attempts = 8;
constexpr unsigned longest_pause_ms = 20;

struct flock byte_lock(short type, off_t at) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = at;
    lock.l_len = 1;
    return lock;
}

void unlock(sys::BorrowedFd file) {
    for (off_t base : {permission_base, unshared_base}) {
        auto lock = byte_lock(F_UNLCK, base);
        lock.l_len = all_bits;
        ::fcntl(file.raw(), F_OFD_SETLK, &lock);
    }
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

unsigned permissions(Access access) {
    return access == Access::Write ? consistent_read | write_data | resize : consistent_read;
}

bool try_lock(sys::BorrowedFd file, Access access, Access announced) {
    unsigned unshared = write_data | resize;
    int error = take(file, permissions(announced), permission_base);
    if (error == 0)
        error = take(file, unshared, unshared_base);
    // ENOLCK, EINVAL, EOPNOTSUPP: a filesystem without locks; QEMU goes on there as well.
    return error != EAGAIN && error != EACCES &&
           !taken_by_others(file, permissions(access), unshared_base) &&
           !taken_by_others(file, unshared, permission_base);
}

Status lock(sys::BorrowedFd file, Access access, Access announced, const std::string& name) {
    // Whoever comes takes first and looks then, so that two who come at once see each other and
    // both would go. Each therefore lets go and comes again, at a moment of its own.
    std::random_device random;
    for (int attempt = 0; !try_lock(file, access, announced); ++attempt) {
        unlock(file);
        if (attempt == attempts)
            return fail(
                Code::Busy,
                fmt::format("{} is in use by another program, such as a running virtual machine",
                            name),
                "shut the virtual machine down, or wait for the other program");
        std::this_thread::sleep_for(std::chrono::milliseconds(1 + random() % longest_pause_ms));
    }
    return {};
}

} // namespace

Status lock_image(sys::BorrowedFd file, Access access, const std::string& name) {
    return lock(file, access, access, name);
}

Status lock_extent(sys::BorrowedFd file, Access access, const std::string& name) {
    return lock(file, access, Access::Read, name);
}

} // namespace slipway::image
