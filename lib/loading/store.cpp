// SPDX-License-Identifier: Apache-2.0
#include "loading/store.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/units.hpp"
#include "loading/digests.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
constexpr auto new_name = ".new";
constexpr std::string_view record_ending = ".json";

StoredImage read_record(const std::string& digest, const Json& json) {
    return {.digest = digest,
            .size = json_get<std::uint64_t>(json, "size"),
            .unpacked = json_get<std::uint64_t>(json, "unpacked"),
            .format = json_get<std::string>(json, "format"),
            .url = json_get<std::string>(json, "url"),
            .trusted_by = json_get<std::string>(json, "trusted_by"),
            .fetched_at = json_get<std::int64_t>(json, "fetched_at")};
}

Status sync(const std::string& path) {
    SLIPWAY_TRY(auto opened, sys::open_file(path, O_RDONLY));
    return ::fsync(opened.raw()) == 0 ? Status{}
                                      : Status(fail_errno(fmt::format("writing {}", path)));
}

} // namespace

std::string ImageStore::path_of(std::string_view name) const {
    return fmt::format("{}/{}", directory_, name);
}

Result<sys::OwnedFd> ImageStore::begin() const {
    give_up();
    return sys::open_file(path_of(new_name), O_RDWR | O_CREAT | O_EXCL, 0600);
}

void ImageStore::give_up() const {
    ::unlink(path_of(new_name).c_str());
}

Status ImageStore::keep(const StoredImage& image) const {
    Json record{
        {"size", image.size}, {"unpacked", image.unpacked},     {"format", image.format},
        {"url", image.url},   {"trusted_by", image.trusted_by}, {"fetched_at", image.fetched_at}};
    auto path = path_of(image.digest);
    SLIPWAY_CHECK(sys::write_file(path + std::string(record_ending), render_json(record)));
    SLIPWAY_CHECK(sync(path_of(new_name)));
    SLIPWAY_CHECK(sync(path + std::string(record_ending)));
    if (::rename(path_of(new_name).c_str(), path.c_str()) != 0)
        return fail_errno("keeping the image");
    return sync(directory_);
}

std::vector<StoredImage> ImageStore::list() const {
    std::vector<StoredImage> images;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(directory_, failed)) {
        auto digest = entry.path().filename().string();
        if (!is_sha256(digest))
            continue;
        auto text = sys::read_file(entry.path().string() + std::string(record_ending));
        auto json = parse_json(text.value_or("{}"), "the record of an image");
        images.push_back(read_record(digest, json.value_or(Json::object())));
        images.back().disk = disk_;
        if (auto size = entry.file_size(failed); !failed)
            images.back().size = size;
    }
    std::sort(images.begin(), images.end(), [](const auto& one, const auto& other) {
        return one.fetched_at != other.fetched_at ? one.fetched_at > other.fetched_at
                                                  : one.digest < other.digest;
    });
    return images;
}

Result<sys::OwnedFd> ImageStore::open(const std::string& digest) const {
    return sys::open_file(path_of(digest), O_RDONLY);
}

Status ImageStore::verify(const StoredImage& image, const Cancel& cancel) const {
    SLIPWAY_TRY(auto file, open(image.digest));
    SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
    std::string bytes(1 << 20, '\0');
    while (true) {
        SLIPWAY_CHECK(cancel.check());
        auto got = ::read(file.raw(), bytes.data(), bytes.size());
        if (got < 0)
            return fail_errno(fmt::format("reading the image {}", image.digest));
        if (got == 0)
            break;
        digest->add({bytes.data(), static_cast<std::size_t>(got)});
    }
    if (auto found = digest->finish(); found != image.digest)
        return fail(Code::Corrupt,
                    fmt::format("the image {} has the digest {} now", image.digest, found),
                    fmt::format("fetch it again: {} fails, or a system that ran has changed it",
                                disk_.empty() ? "memory" : "the disk " + printable(disk_)));
    return {};
}

void ImageStore::remove(const std::string& digest) const {
    ::unlink(path_of(digest).c_str());
    ::unlink((path_of(digest) + std::string(record_ending)).c_str());
}

std::string render_image(const StoredImage& image) {
    // What a record on a disk says may be somebody else's by now.
    auto place = image.disk.empty() ? "" : fmt::format(", on the disk {}", printable(image.disk));
    return fmt::format("{}\n  {}, {}, fetched {}{}\n  {}\n  {}\n", image.digest,
                       format_size(image.size), printable(image.format),
                       format_utc(image.fetched_at), place, printable(image.url),
                       image.trusted_by.empty() ? "NOT VERIFIED: nobody said what its digest is"
                                                : "verified by " + printable(image.trusted_by));
}

} // namespace slipway::loading
