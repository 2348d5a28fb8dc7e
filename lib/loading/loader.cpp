// SPDX-License-Identifier: Apache-2.0
#include "loading/loader.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/machine_memory.hpp"

namespace slipway::loading {
namespace {

constexpr std::uint64_t own_reserve = 64 << 20; // bytes that images leave alone
constexpr std::uint64_t usual_growth = 3;       // of what a compressor has packed
constexpr std::size_t columns = 79;

// What an archive takes besides its own file.
std::uint64_t unpacked_size(std::string_view head, std::uint64_t size, const Expected& expected) {
    bool is_plain = head.size() > 262 && head.substr(257, 5) == "ustar";
    return expected.unpacked.value_or(is_plain ? size : size * usual_growth);
}

// What another place than a disk would change.
bool is_of_the_disk(const Error& error) {
    constexpr std::array errors{EIO, ENOSPC, EDQUOT, EROFS, EUCLEAN, ESTALE};
    return error.code == Code::NoSpace ||
           std::find(errors.begin(), errors.end(), error.errno_value) != errors.end();
}

} // namespace

DiskWish Loader::disk_wish(const std::string& label, const char* use) const {
    return {.label = label,
            .place = fmt::format("{}/{}", options_.disks, use),
            .wait = options_.disk_wait,
            .look_for_devices = options_.look_for_devices,
            .loops = options_.loop_disks};
}

void Loader::use_cache(const std::string& label, std::optional<std::uint64_t> size,
                       const Cancel& cancel) {
    auto opened = ImageCache::open(disk_wish(label, "cache"), size, cancel);
    if (!opened)
        return options_.say(
            fmt::format("images are kept in memory: {}", render_text(opened.error())));
    auto cache = std::make_shared<const ImageCache>(std::move(*opened));
    options_.say(fmt::format("images are kept on the disk {}, which has {} now", printable(label),
                             cache->store().list().size()));
    std::lock_guard guard(lock_);
    cache_ = std::move(cache);
}

Loader::Cache Loader::cache() const {
    std::lock_guard guard(lock_);
    return cache_;
}

const ImageStore& Loader::store_of(const StoredImage& image, const Cache& cache) const {
    return image.disk.empty() || !cache ? store_ : cache->store();
}

std::vector<StoredImage> Loader::list() const {
    auto images = store_.list();
    if (auto disk = cache()) {
        auto more = disk->store().list();
        images.insert(images.end(), more.begin(), more.end());
        std::stable_sort(images.begin(), images.end(), [](const auto& one, const auto& other) {
            return one.fetched_at > other.fetched_at;
        });
    }
    return images;
}

std::uint64_t Loader::room() const {
    auto free = options_.memory.value_or(sys::machine_memory().available);
    struct statvfs place {};
    if (::statvfs(options_.images.c_str(), &place) == 0)
        free = std::min<std::uint64_t>(free, place.f_bavail * place.f_frsize);
    return free;
}

void Loader::make_room(std::uint64_t bytes, const std::string& but) const {
    auto stored = store_.list();
    for (auto image = stored.rbegin(); image != stored.rend() && room() < bytes; ++image) {
        if (image->digest == but)
            continue;
        options_.say(fmt::format("{} of {} gives way", image->digest, image->url));
        store_.remove(image->digest);
    }
}

// Of what is to come: the file, and what is in it.
Status Loader::check_room(std::uint64_t image, std::uint64_t unpacked,
                          const std::string& but) const {
    auto needed = image + unpacked + own_reserve;
    make_room(needed, but);
    auto free = room();
    if (free >= needed)
        return {};
    auto content =
        unpacked == 0 ? "" : fmt::format(", about {} for what is in it", format_size(unpacked));
    return fail(Code::NoSpace,
                fmt::format("the image needs {} of memory ({} for itself{}, {} to work with), and "
                            "{} are free",
                            format_size(needed), format_size(image), content,
                            format_size(own_reserve), format_size(free)),
                unpacked == 0 ? "give the machine more memory"
                              : "give the machine more memory, or take the image as squashfs or "
                                "erofs, which is not unpacked");
}

std::optional<StoredImage> Loader::find(const Expected& expected, const Cancel& cancel) const {
    if (expected.sha256.empty())
        return std::nullopt;
    auto disk = cache();
    for (auto& image : list()) {
        if (image.digest != expected.sha256)
            continue;
        if (auto same = store_of(image, disk).verify(image, cancel); !same) {
            options_.say(render_line(same.error()));
            continue;
        }
        image.trusted_by = expected.by;
        return image;
    }
    return std::nullopt;
}

Result<StoredImage> Loader::fetch(const LoadRequest& request, const Cancel& cancel) {
    if (request.insecure)
        options_.say("WARNING: certificates are not checked");
    lazy_.reset();
    SLIPWAY_TRY(auto trust, read_trust(options_.trust));
    SLIPWAY_TRY(auto client,
                http::Client::open({.ca_file = trust.ca_file, .insecure = request.insecure}));
    SLIPWAY_TRY(auto expected, ask_what_to_expect(trust,
                                                  {.client = client,
                                                   .urls = request.urls,
                                                   .sha256 = request.sha256,
                                                   .in_blocks = request.lazy,
                                                   .blocks_sha256 = request.blocks_sha256,
                                                   .pause = request.pause,
                                                   .say = options_.say},
                                                  cancel));
    if (auto known = find(expected, cancel)) {
        options_.say(fmt::format("the image {} is here already{}", known->digest,
                                 known->disk.empty() ? ""
                                                     : ", on the disk " + printable(known->disk) +
                                                           ", and was read again"));
        return *known;
    }
    SLIPWAY_CHECK(cancel.check());
    if (request.lazy) {
        auto begun = begin_lazily(client, request, expected, cancel);
        if (begun || begun.error().code == Code::Cancelled)
            return begun;
        options_.say(
            fmt::format("all of the image is fetched first: {}", render_text(begun.error())));
    }
    return transfer(client, request, expected, cancel);
}

Result<StoredImage> Loader::transfer(http::Client& client, const LoadRequest& request,
                                     const Expected& expected, const Cancel& cancel) {
    if (auto disk = cache()) {
        auto image = transfer_to(disk, client, request, expected, cancel);
        if (image)
            return image;
        disk->store().give_up();
        if (!is_of_the_disk(image.error()))
            return image;
        options_.say(fmt::format("it is kept in memory instead: {}", render_line(image.error())));
    }
    auto image = transfer_to(nullptr, client, request, expected, cancel);
    if (!image)
        store_.give_up();
    return image;
}

// Before the first byte of one whose size is known.
Status Loader::check_length(const Cache& cache, std::uint64_t size, std::uint64_t unpacked) const {
    if (!cache)
        return check_room(size, unpacked);
    SLIPWAY_CHECK(cache->make_room(size, options_.say));
    return check_room(0, unpacked);
}

// On the disk, or in memory where there is none.
Result<StoredImage> Loader::transfer_to(const Cache& cache, http::Client& client,
                                        const LoadRequest& request, const Expected& expected,
                                        const Cancel& cancel) {
    const auto& store = cache ? cache->store() : store_;
    SLIPWAY_TRY(auto file, store.begin());
    StoredImage image{.trusted_by = expected.by, .disk = cache ? cache->label() : ""};
    auto most = cache ? cache->most() : room();
    for (const auto& each : cache ? std::vector<StoredImage>() : store_.list())
        most += each.size;
    DownloadRequest wanted{.urls = request.urls,
                           .sha256 = expected.sha256,
                           .size = expected.size,
                           .limit = most,
                           .pause = request.pause,
                           .head_size = head_size};
    wanted.on_length = [&](std::optional<std::uint64_t> size) -> Status {
        if (size)
            return check_length(cache, *size, expected.unpacked.value_or(0));
        if (cache)
            return cache->make_room(most, options_.say);
        make_room(most);
        return {};
    };
    wanted.on_first_bytes = [&](std::string_view head,
                                std::optional<std::uint64_t> size) -> Status {
        SLIPWAY_TRY(auto format, identify_image(head));
        image.format = name_of(format);
        if (size)
            SLIPWAY_CHECK(check_whole(head, format, *size));
        if (format == ImageFormat::Tar)
            image.unpacked = unpacked_size(head, size.value_or(head.size()), expected);
        return check_room(cache ? 0 : size.value_or(0), image.unpacked);
    };
    wanted.on_progress = [this](const Progress& progress) {
        options_.say_passing(render_progress(progress, columns));
    };
    wanted.on_retry = [this](const Error& error) { options_.say(render_line(error)); };
    SLIPWAY_TRY(auto done, download(client, wanted, file, cancel));
    image.digest = done.sha256;
    image.size = done.size;
    image.url = done.url.str();
    image.fetched_at = std::time(nullptr);
    SLIPWAY_CHECK(store.keep(image));
    options_.say(fmt::format("fetched {}, {}, SHA-256 {}{}", format_size(image.size), image.format,
                             image.digest,
                             cache ? ", onto the disk " + printable(image.disk) : ""));
    options_.say(image.trusted_by.empty()
                     ? "WARNING: the image is NOT VERIFIED: nobody says what its digest is"
                     : "verified by " + image.trusted_by);
    return image;
}

Result<Entrance> Loader::prepare(const LoadRequest& request, const StoredImage& image,
                                 const Cancel& cancel) {
    if (lazy_)
        return enter_lazily(request, image, cancel);
    SLIPWAY_TRY(auto file, store_of(image, cache()).open(image.digest));
    std::string head(head_size, '\0');
    auto got = ::pread(file.raw(), head.data(), head.size(), 0);
    head.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    SLIPWAY_TRY(auto format, identify_image(head));
    SLIPWAY_CHECK(check_room(0, image.unpacked, image.digest));
    return make_entrance(request, image, {std::move(file), format});
}

Result<Entrance> Loader::make_entrance(const LoadRequest& request, const StoredImage& image,
                                       Content content) {
    if (auto loaded = options_.load_module("loop");
        !loaded && loaded.error().code != Code::NotFound)
        return fail(std::move(loaded.error()));
    RootPlaces places{.directory = options_.target,
                      .program = options_.program,
                      .written = {},
                      .lazy = std::move(content.lazy)};
    if (!request.persist.empty()) {
        SLIPWAY_TRY(places.written, open_written_place(disk_wish(request.persist, "persist"),
                                                       image.digest, image.url));
        options_.say(
            fmt::format("what it writes stays on the disk {}", printable(request.persist)));
    }
    SLIPWAY_TRY(auto root, ImageRoot::open(content.file, content.format, std::move(places)));
    SLIPWAY_TRY(auto init, find_init(root.path()));
    auto systemd = systemd_version(root.path());
    return Entrance{.root = std::move(root),
                    .init = std::move(init),
                    .entry = request.entry,
                    .systemd = systemd,
                    .digest = image.digest,
                    .url = image.url,
                    .return_after = request.return_after,
                    .deadline = request.deadline};
}

Status Loader::verify(const std::string& digest, const Cancel& cancel) const {
    std::size_t count = 0;
    auto disk = cache();
    for (const auto& image : list()) {
        if (!image.digest.starts_with(to_lower(digest)))
            continue;
        ++count;
        auto same = store_of(image, disk).verify(image, cancel);
        if (!same && same.error().code == Code::Cancelled)
            return same;
        options_.say(same ? fmt::format("{} is as it was fetched", image.digest)
                          : render_text(same.error()));
    }
    if (count == 0)
        return fail(Code::NotFound, digest.empty()
                                        ? "no image was fetched"
                                        : fmt::format("there is no image {}", printable(digest)));
    return {};
}

} // namespace slipway::loading
