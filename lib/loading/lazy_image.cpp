// SPDX-License-Identifier: Apache-2.0
#include "loading/lazy_image.hpp"

#include <array>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "loading/fuse_file.hpp"
#include "sys/mount.hpp"

namespace slipway::loading {

Result<std::unique_ptr<LazyImage>> LazyImage::start(LazyParts parts, const std::string& place,
                                                    const std::string& program) {
    SLIPWAY_TRY(auto wishes, sys::make_memfd("wishes", render_source(parts.source)));
    SLIPWAY_TRY(auto list, sys::make_memfd("blocks", parts.digests.bytes()));
    SLIPWAY_TRY(auto channel, sys::make_packet_pair());
    SLIPWAY_TRY(auto device, mount_fuse_file(place));
    std::unique_ptr<LazyImage> image(new LazyImage(std::move(parts), place));
    sys::LocalRunner runner;
    SLIPWAY_TRY(image->server_, runner.start({.argv = {program, "--serve-blocks"},
                                              .fds = {{device, LazyDevice},
                                                      {image->parts_.file, LazyFile},
                                                      {list, LazyBlockList},
                                                      {wishes, LazyWishes},
                                                      {channel.second, LazyChannel}},
                                              // The thread that loads ends before the image does.
                                              .die_with_parent = false,
                                              .new_session = true}));
    image->channel_ = std::move(channel.first);
    return image; // without the device: where that process ends, reads fail
}

Result<sys::OwnedFd> LazyImage::open() const {
    SLIPWAY_TRY(auto file, sys::open_file(place_, O_RDONLY));
    // The loop device of older kernels takes the size that is known, and none is before this.
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0 ||
        static_cast<std::uint64_t>(info.st_size) != parts_.source.size)
        return fail_errno("asking for the image's size");
    return file;
}

void LazyImage::listen() {
    std::array<char, 4096> packet{};
    while (true) {
        auto got = ::recv(channel_.raw(), packet.data(), packet.size(), MSG_DONTWAIT);
        if (got <= 0)
            return;
        std::string_view said(packet.data(), static_cast<std::size_t>(got));
        if (said != lazy_is_whole) {
            parts_.say(printable(said));
            continue;
        }
        is_kept_ = true;
        parts_.keep();
    }
}

void LazyImage::give_up() const {
    ::send(channel_.raw(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

Status LazyImage::close() {
    if (place_.empty())
        return {};
    listen();
    give_up();
    auto unmounted = sys::unmount_tree(std::exchange(place_, {}));
    server_.reset();
    if (!is_kept_)
        parts_.drop();
    return unmounted;
}

LazyImage::~LazyImage() {
    [[maybe_unused]] auto closed = close();
}

} // namespace slipway::loading
