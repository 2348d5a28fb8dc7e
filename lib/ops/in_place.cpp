// SPDX-License-Identifier: Apache-2.0
#include "ops/in_place.hpp"

#include <array>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/identity.hpp"
#include "ops/journal_group.hpp"

namespace slipway::ops {
namespace {

constexpr std::array way_names{"clone", "journal", "rewrite", "none"};

bool is_single_file(const image::Source& source) {
    return !source.is_split();
}

// Formats whose allocated data never moves, or whose metadata QEMU writes in a safe order (qcow2),
// may be copied into again and again after an interruption.
bool can_replay(const image::Source& source) {
    if (source.is_split())
        return source.format() ==
               image::Format::Vmdk; // flat extents: others are not opened for writing
    return source.format() == image::Format::Raw || source.format() == image::Format::Qcow2;
}

// A journal beside the node would lie in /dev, which a power cut empties.
Status refuse_block_device(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISBLK(info.st_mode))
        return {};
    return fail(Code::Unsupported,
                fmt::format("{} is a block device, which cannot be changed in place safely", path),
                fmt::format("slipway migrate {} --output NEW.qcow2", path));
}

// The new file takes the name, so it takes owner and mode too.
Status take_over_attributes(sys::BorrowedFd from, sys::BorrowedFd to) {
    struct stat info {};
    if (::fstat(from.raw(), &info) != 0 || ::fchown(to.raw(), info.st_uid, info.st_gid) != 0 ||
        ::fchmod(to.raw(), info.st_mode & 07777) != 0)
        return fail_errno("giving the new image its owner and mode");
    return {};
}

// Before any work.
Status refuse_unwritable(const OpenImage& opened) {
    for (const auto& disk : opened.disks) {
        const auto& source = *disk.source;
        if (disk.use != Use::Keep || can_replay(source))
            continue;
        if (source.is_split())
            return fail(Code::Unsupported,
                        fmt::format("{} is a disk of several files, which cannot be rewritten in "
                                    "place in this format",
                                    source.path()),
                        fmt::format("slipway migrate {} --output NEW.qcow2", source.path()));
        if (opened.group)
            return fail(
                Code::Unsupported,
                fmt::format("{} is a {} image, which cannot be changed in one step with "
                            "other disks",
                            source.path(), image::name_of(source.format())),
                fmt::format("qemu-img convert -O qcow2 {} NEW.qcow2, and use that", source.path()));
    }
    return {};
}

// Unsupported where the filesystem cannot share blocks.
Status through_clone(const Context& context, const OpenDisk& disk) {
    auto path = file_behind(disk.source->path());
    SLIPWAY_TRY(auto clone, sys::OutputFile::create(path, {.replace = true, .mode = 0600}));
    if (::ioctl(clone.fd().raw(), FICLONE, disk.source->fd().raw()) != 0)
        return fail(Code::Unsupported, "the filesystem cannot clone files");
    SLIPWAY_CHECK(take_over_attributes(disk.source->fd(), clone.fd()));
    auto below = disk.source->graph(true);
    below.fds.front().parent = clone.fd();
    SLIPWAY_CHECK(image::commit(context.host, disk.overlay->graph_over(below)));
    return clone.publish();
}

Status through_rewrite(const Context& context, const OpenDisk& disk) {
    const auto& source = *disk.source;
    SLIPWAY_TRY(auto rewritten, sys::OutputFile::create(file_behind(source.path()),
                                                        {.replace = true, .mode = 0600}));
    bool is_vdi = source.format() == image::Format::Vdi;
    std::string create = source.probe().subformat == "fixed" ? "subformat=fixed" : "";
    if (is_vdi && image::is_static_vdi(source.fd()))
        create = "static=on";
    SLIPWAY_CHECK(image::convert(context.host, disk.graph(), rewritten.fd(),
                                 {.format = source.format(),
                                  .create = create,
                                  .name = std::string(basename_of(source.path()))}));
    if (is_vdi)
        SLIPWAY_CHECK(image::copy_vdi_uuids(source.fd(), rewritten.fd()));
    SLIPWAY_CHECK(take_over_attributes(source.fd(), rewritten.fd()));
    return rewritten.publish();
}

Result<InPlaceWay> commit_one(const Context& context, OpenDisk& disk) {
    if (is_single_file(*disk.source)) {
        auto cloned = through_clone(context, disk);
        if (cloned)
            return InPlaceWay::Clone;
        if (cloned.error().code != Code::Unsupported)
            return fail(std::move(cloned).error());
    }
    if (can_replay(*disk.source)) {
        SLIPWAY_CHECK(commit_through_journal(context, disk));
        return InPlaceWay::Journal;
    }
    SLIPWAY_CHECK(through_rewrite(context, disk));
    return InPlaceWay::Rewrite;
}

} // namespace

std::string_view name_of(InPlaceWay way) {
    return way_names.at(static_cast<std::size_t>(way));
}

Result<InPlace> InPlace::open(const Context& context, const ImageOptions& options) {
    return open(context, options, disks_of(options, Use::Keep));
}

Result<InPlace> InPlace::open(const Context& context, const EngineOptions& options,
                              const std::vector<DiskOptions>& disks, session::FirstCall first) {
    for (const auto& disk : disks)
        if (disk.use == Use::Keep)
            SLIPWAY_CHECK(refuse_block_device(disk.path));
    OpenRequest request{.in_place = true, .first = std::move(first)};
    SLIPWAY_TRY(auto opened, open_disks(context, options, disks, request));
    SLIPWAY_CHECK(refuse_unwritable(opened));
    SLIPWAY_CHECK(start_session(context, options, request, opened));
    return InPlace(std::move(opened));
}

Result<InPlaceWay> InPlace::commit(const Context& context) {
    SLIPWAY_CHECK(context.host.cancel.check());
    SLIPWAY_CHECK(opened_.check_unchanged());
    // What is begun is finished: from here on a wish to stop comes too late.
    auto uninterrupted = context;
    uninterrupted.host.cancel = {};
    if (opened_.group) {
        SLIPWAY_CHECK(commit_group(uninterrupted, opened_));
        return InPlaceWay::Journal;
    }
    for (auto& disk : opened_.disks)
        if (disk.use == Use::Keep)
            return commit_one(uninterrupted, disk);
    return InPlaceWay::None;
}

} // namespace slipway::ops
