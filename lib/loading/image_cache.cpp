// SPDX-License-Identifier: Apache-2.0
#include "loading/image_cache.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/directories.hpp"

namespace slipway::loading {
namespace {

constexpr std::uint64_t stays_free = 10; // a tenth of the disk

std::uint64_t sum(const std::vector<StoredImage>& images) {
    std::uint64_t bytes = 0;
    for (const auto& image : images)
        bytes += image.size;
    return bytes;
}

} // namespace

Result<ImageCache> ImageCache::open(const DiskWish& wish, std::optional<std::uint64_t> limit,
                                    const Cancel& cancel) {
    SLIPWAY_TRY(auto disk, LabelledDisk::open(wish, cancel));
    auto directory = disk.path() + "/slipway/cache";
    SLIPWAY_CHECK(sys::make_directories(directory));
    ImageStore store(directory, disk.label());
    store.give_up(); // what was being fetched when the machine was switched off
    return ImageCache(std::move(disk), std::move(store), limit);
}

std::uint64_t ImageCache::room() const {
    struct statvfs place {};
    if (::statvfs(disk_.path().c_str(), &place) != 0)
        return 0;
    std::uint64_t free = place.f_bavail * place.f_frsize, all = place.f_blocks * place.f_frsize;
    if (limit_) {
        auto taken = sum(store_.list());
        return std::min(free, taken < *limit_ ? *limit_ - taken : 0);
    }
    return free > all / stays_free ? free - all / stays_free : 0;
}

std::uint64_t ImageCache::most() const {
    auto all = room() + sum(store_.list());
    return limit_ ? std::min(all, *limit_) : all;
}

Status ImageCache::make_room(std::uint64_t bytes,
                             const std::function<void(const std::string&)>& say) const {
    if (auto all = most(); all < bytes)
        return fail(Code::NoSpace,
                    fmt::format("the image has {}, and the disk {} has room for {}",
                                format_size(bytes), printable(label()), format_size(all)));
    auto stored = store_.list();
    for (auto image = stored.rbegin(); image != stored.rend() && room() < bytes; ++image) {
        say(fmt::format("{} of {} gives way on the disk {}", image->digest, printable(image->url),
                        printable(label())));
        store_.remove(image->digest);
    }
    if (room() < bytes)
        return fail(Code::NoSpace, fmt::format("the disk {} is full", printable(label())));
    return {};
}

} // namespace slipway::loading
