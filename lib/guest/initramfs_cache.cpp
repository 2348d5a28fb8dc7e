// SPDX-License-Identifier: Apache-2.0
#include "guest/initramfs_cache.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "sys/output_file.hpp"

namespace slipway::guest {
namespace {

constexpr std::size_t buffer_size = 256 << 10;
constexpr std::size_t max_record = 1 << 20;
constexpr int format_version = 3; // raise it when InitramfsContents changes

} // namespace

Result<std::string> digest_of(sys::BorrowedFd file) {
    SLIPWAY_TRY(auto digest, archive::open_digest("sha512-256"));
    std::string buffer(buffer_size, '\0');
    for (off_t at = 0;;) {
        auto got = ::pread(file.raw(), buffer.data(), buffer.size(), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading an initramfs");
        if (got == 0)
            break;
        digest->add({buffer.data(), static_cast<std::size_t>(got)});
        at += got;
    }
    return digest->finish();
}

Result<InitramfsContents> InitramfsCache::contents_of(sys::BorrowedFd file,
                                                      const std::string& kernel) const {
    if (directory_.empty())
        return read_initramfs_contents(file, kernel);
    SLIPWAY_TRY(auto digest, digest_of(file));
    auto path = fmt::format("{}/initramfs-v{}-{}-{}.json", directory_, format_version, digest,
                            replace_all(kernel, "/", "_"));
    if (auto known = find(path))
        return std::move(*known);
    SLIPWAY_TRY(auto contents, read_initramfs_contents(file, kernel));
    remember(path, contents);
    return contents;
}

std::optional<InitramfsContents> InitramfsCache::find(const std::string& path) const {
    auto text = sys::read_file(path, max_record);
    if (!text)
        return std::nullopt;
    auto json = parse_json(*text, path);
    if (!json || !json_at(*json, "modules").is_array())
        return std::nullopt;
    return contents_from_json(*json);
}

void InitramfsCache::remember(const std::string& path, const InitramfsContents& contents) const {
    ::mkdir(directory_.c_str(), 0700);
    auto file = sys::OutputFile::create(path, {.replace = true, .mode = 0600});
    if (file && sys::write_all(file->fd(), render_json(to_json(contents)))) [[maybe_unused]]
        auto published = file->publish();
}

} // namespace slipway::guest
