// SPDX-License-Identifier: Apache-2.0
#include "ops/netboot_disks.hpp"

#include <atomic>
#include <thread>

#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/complete.hpp"
#include "image/qemu_img.hpp"
#include "image/source.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {

struct RawDisks::Conversion {
    Identity identity{};
    Cancel stop{};
    std::atomic<bool> is_done{false};
    Result<sys::OwnedFd> raw{fail(Code::Internal, "")}; ///< the thread's, until it is done
    std::vector<std::pair<http::Asked, http::Answer>> waiting{};
    std::thread thread{};

    ~Conversion() {
        stop.request();
        if (thread.joinable())
            thread.join();
    }
};

namespace {

Result<sys::OwnedFd> convert(sys::Host host, const std::string& path, const Cancel& stop) {
    host.cancel = stop;
    host.progress = {};
    SLIPWAY_TRY(auto disk, image::Source::open(path, {}));
    SLIPWAY_CHECK(image::check_complete(host, disk)); // QEMU reads zeros where it was cut off
    SLIPWAY_TRY(auto raw, sys::make_scratch_file(scratch_directory()));
    SLIPWAY_CHECK(image::convert(host, disk.graph(), raw, {.format = image::Format::Raw}));
    return raw;
}

} // namespace

RawDisks::RawDisks(const Context& context, std::string folder,
                   std::function<void(const std::string&)> told)
    : context_(context), folder_(std::move(folder)), told_(std::move(told)) {}
RawDisks::~RawDisks() = default;

bool RawDisks::take(const http::Asked& asked, const http::Answer& answer, sys::BorrowedFd file) {
    struct stat info {};
    auto probe = image::probe_format(file);
    if (!probe || probe->format == image::Format::Raw || ::fstat(file.raw(), &info) != 0)
        return false;
    Identity identity{info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    auto& disk = disks_[asked.path];
    if (!disk || disk->identity != identity) {
        disk = std::make_unique<Conversion>();
        disk->identity = identity;
        if (told_)
            told_(fmt::format("{} is made raw", printable(asked.path)));
        disk->thread =
            std::thread([&into = *disk, host = context_.host, path = folder_ + asked.path] {
                into.raw = convert(host, path, into.stop);
                into.is_done = true;
            });
    }
    disk->waiting.emplace_back(asked, answer);
    settle();
    return true;
}

void RawDisks::settle() {
    for (auto& [path, disk] : disks_) {
        if (!disk->is_done)
            continue;
        if (!disk->raw && told_ && !disk->waiting.empty())
            told_(fmt::format("{}: {}", printable(path), render_line(disk->raw.error())));
        for (const auto& [asked, answer] : std::exchange(disk->waiting, {})) {
            if (disk->raw)
                answer.say_file(asked, *disk->raw);
            else
                answer.say({.status = 500, .body = render_text(disk->raw.error()) + "\n"});
        }
    }
}

} // namespace slipway::ops
