// SPDX-License-Identifier: Apache-2.0
#include "sys/file_copy.hpp"

#include <algorithm>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::sys {
namespace {

constexpr std::size_t largest_list = 65536;  // XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel
constexpr std::size_t piece_size = 16 << 20; // a stop is noticed in between

// Does not read what lies beyond the end: it may have been cut meanwhile.
Status copy_extent(BorrowedFd from, BorrowedFd to, off_t begin, off_t end, const std::string& shown,
                   const Cancel& cancel) {
    if (::lseek(to.raw(), begin, SEEK_SET) < 0)
        return fail_errno(shown);
    for (off_t at = begin; at < end;) {
        SLIPWAY_CHECK(cancel.check());
        auto most = std::min(static_cast<std::size_t>(end - at), piece_size);
        auto copied = ::sendfile(to.raw(), from.raw(), &at, most);
        if (copied < 0 && errno != EINTR)
            return fail_errno(shown);
        if (copied == 0)
            break;
    }
    return {};
}

} // namespace

Status copy_content(BorrowedFd from, BorrowedFd to, const std::string& shown,
                    const Cancel& cancel) {
    if (::ioctl(to.raw(), FICLONE, from.raw()) == 0)
        return {};
    auto end = ::lseek(from.raw(), 0, SEEK_END);
    for (off_t at = 0; at < end;) {
        auto data = ::lseek(from.raw(), at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) // a hole up to the end
            break;
        auto hole = data < 0 ? end : ::lseek(from.raw(), data, SEEK_HOLE);
        hole = hole < 0 ? end : hole;
        SLIPWAY_CHECK(copy_extent(from, to, std::max(data, at), hole, shown, cancel));
        at = hole;
    }
    if (end > 0 && ::ftruncate(to.raw(), end) != 0)
        return fail_errno(shown);
    return {};
}

Result<std::string> attribute_of(BorrowedFd file, const std::string& shown,
                                 const std::string& name) {
    std::string value(largest_list, '\0');
    auto size = ::getxattr(proc_path(file.raw()).c_str(), name.c_str(), value.data(), value.size());
    if (size < 0)
        return fail_errno(shown);
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Result<std::vector<std::string>> attribute_names(BorrowedFd file, const std::string& shown) {
    auto path = proc_path(file.raw());
    auto size = ::listxattr(path.c_str(), nullptr, 0); // none, of most files
    std::string list(size > 0 ? largest_list : 0, '\0');
    if (size > 0)
        size = ::listxattr(path.c_str(), list.data(), list.size());
    if (size < 0)
        return fail_errno(shown);
    list.resize(static_cast<std::size_t>(size));
    std::vector<std::string> names;
    for (auto name : split(list, '\0'))
        if (!name.empty())
            names.emplace_back(name);
    std::sort(names.begin(), names.end());
    return names;
}

Status copy_extended_attributes(BorrowedFd from, BorrowedFd to, const std::string& shown) {
    auto names = attribute_names(from, shown);
    if (!names && names.error().errno_value == ENOTSUP)
        return {};
    if (!names)
        return fail(std::move(names).error());
    auto target = proc_path(to.raw());
    for (const auto& name : *names) {
        SLIPWAY_TRY(auto value, attribute_of(from, shown, name));
        if (::setxattr(target.c_str(), name.c_str(), value.data(), value.size(), 0) != 0)
            return fail_errno(fmt::format("{}: {}", shown, printable(name)));
    }
    return {};
}

} // namespace slipway::sys
