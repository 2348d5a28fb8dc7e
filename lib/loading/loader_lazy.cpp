// SPDX-License-Identifier: Apache-2.0
// Of the loader: images that are entered before all of them is here.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "loading/loader.hpp"
#include "loading/range_fetch.hpp"

namespace slipway::loading {
namespace {

constexpr std::uint64_t list_entry = 32;                // bytes
constexpr std::chrono::milliseconds between_looks{100}; // for requests to stop

tl::unexpected<Error> no_blocks(const LoadRequest& request) {
    bool is_half = !request.sha256.empty() && request.blocks_sha256.empty();
    return fail(Code::Unsupported, "nobody says which blocks it has",
                is_half ? "give --blocks-sha256 too (blocks_sha256 of its manifest), or sign it"
                        : "pack it with `slipway netboot pack`, which writes its manifest");
}

// The image's beginning, which tells whether it can be entered so.
Result<std::string> fetch_head(const LazyParts& parts, const Cancel& cancel) {
    const auto& source = parts.source;
    RangeFetch fetcher({.urls = source.urls,
                        .client = {.ca_file = source.ca_file, .insecure = source.insecure},
                        .size = source.size});
    auto whole = (head_size + source.block_size - 1) / source.block_size * source.block_size;
    Result<std::string> head;
    for (std::size_t tries = 0; tries < source.urls.size(); ++tries)
        if ((head = fetcher.fetch(0, std::min<std::uint64_t>(whole, source.size), cancel)))
            break;
    if (head)
        SLIPWAY_CHECK(parts.digests.check(0, *head));
    return head;
}

} // namespace

Result<StoredImage> Loader::begin_lazily(http::Client& client, const LoadRequest& request,
                                         const Expected& expected, const Cancel& cancel) {
    if (expected.block_size == 0 || !expected.size)
        return no_blocks(request);
    SLIPWAY_TRY(auto trust, read_trust(options_.trust));
    LazySource source{.urls = request.urls,
                      .size = *expected.size,
                      .block_size = expected.block_size,
                      .sha256 = expected.sha256,
                      .blocks_sha256 = expected.blocks_sha256,
                      .ca_file = trust.ca_file,
                      .insecure = request.insecure,
                      .pause = request.pause};
    source.rest_after = options_.lazy_rest_after;
    source.rest_when_idle = std::min(source.rest_when_idle, options_.lazy_rest_after);
    std::vector<http::Url> lists;
    for (const auto& url : request.urls)
        lists.push_back(url_beside(url, ".blocks"));
    auto blocks = (source.size + source.block_size - 1) / source.block_size;
    SLIPWAY_TRY(
        auto list,
        fetch_small(
            {.client = client, .urls = request.urls, .pause = request.pause, .say = options_.say},
            lists, blocks * list_entry, cancel));
    SLIPWAY_TRY(auto digests, BlockDigests::read(std::move(list), source.blocks_sha256, source.size,
                                                 source.block_size));
    LazyParts parts{.source = std::move(source),
                    .digests = std::move(digests),
                    .file = {},
                    .say = options_.say};
    SLIPWAY_TRY(auto head, fetch_head(parts, cancel));
    SLIPWAY_TRY(auto format, identify_image(head));
    SLIPWAY_CHECK(check_whole(head, format, parts.source.size));
    if (format != ImageFormat::Squashfs && format != ImageFormat::Erofs)
        return fail(Code::Unsupported,
                    fmt::format("it is {}, not squashfs or erofs", name_of(format)));
    StoredImage image{.digest = expected.sha256,
                      .size = parts.source.size,
                      .format = std::string(name_of(format)),
                      .url = request.urls[0].str(),
                      .trusted_by = expected.by,
                      .fetched_at = std::time(nullptr)};
    auto disk = cache();
    if (disk)
        if (auto room = disk->make_room(image.size, options_.say); !room) {
            options_.say(
                fmt::format("it is kept in memory instead: {}", render_line(room.error())));
            disk = nullptr;
        }
    SLIPWAY_CHECK(check_room(disk ? 0 : image.size, 0));
    image.disk = disk ? disk->label() : "";
    SLIPWAY_TRY(parts.file, store_of(image, disk).begin());
    SLIPWAY_CHECK(sys::write_all_at(parts.file, head, 0));
    if (::ftruncate(parts.file.raw(), static_cast<off_t>(image.size)) != 0)
        return fail_errno("making room for the image");
    parts.source.blocks_here =
        (head.size() + parts.source.block_size - 1) / parts.source.block_size;
    parts.keep = [this, image, disk] {
        auto kept = store_of(image, disk).keep(image);
        options_.say(kept ? fmt::format("all of the image {} is here now", image.digest)
                          : render_text(kept.error()));
    };
    parts.drop = [this, image, disk] { store_of(image, disk).give_up(); };
    options_.say(fmt::format("of {}, {}, what is needed is fetched when it is needed",
                             format_size(image.size), image.format));
    options_.say("each block is verified by " + expected.by);
    lazy_.emplace(std::move(parts));
    return image;
}

Result<std::unique_ptr<LazyImage>> Loader::start_lazily() {
    auto parts = std::exchange(lazy_, std::nullopt);
    if (auto loaded = options_.load_module("fuse");
        !loaded && loaded.error().code != Code::NotFound)
        return fail(std::move(loaded.error()));
    return LazyImage::start(std::move(*parts), options_.target + "/lazy", options_.program);
}

Result<Entrance> Loader::enter_lazily(const LoadRequest& request, const StoredImage& image,
                                      const Cancel& cancel) {
    SLIPWAY_TRY(auto started, start_lazily());
    std::shared_ptr<LazyImage> lazy(std::move(started));
    SLIPWAY_TRY(auto file, lazy->open());
    // Who waits for a block cannot be stopped otherwise.
    std::atomic<bool> is_done{false};
    std::thread watch([&is_done, &cancel, asked = lazy] {
        while (!is_done && !cancel.requested())
            std::this_thread::sleep_for(between_looks);
        if (!is_done)
            asked->give_up();
    });
    auto format =
        image.format == name_of(ImageFormat::Erofs) ? ImageFormat::Erofs : ImageFormat::Squashfs;
    auto entrance = make_entrance(request, image, {std::move(file), format, std::move(lazy)});
    is_done = true;
    watch.join();
    if (!entrance)
        SLIPWAY_CHECK(cancel.check());
    return entrance;
}

} // namespace slipway::loading
