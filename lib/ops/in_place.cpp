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
#include "ops/journal.hpp"

namespace slipway::ops {
namespace {

constexpr std::array way_names{"clone", "journal", "rewrite"};

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

// Unsupported where the filesystem cannot share blocks.
Status through_clone(const Context& context, OpenImage& opened) {
    auto path = file_behind(opened.source->path());
    SLIPWAY_TRY(auto clone, sys::OutputFile::create(path, {.replace = true, .mode = 0600}));
    if (::ioctl(clone.fd().raw(), FICLONE, opened.source->fd().raw()) != 0)
        return fail(Code::Unsupported, "the filesystem cannot clone files");
    SLIPWAY_CHECK(take_over_attributes(opened.source->fd(), clone.fd()));
    auto below = opened.source->graph(true);
    below.fds.front().parent = clone.fd();
    SLIPWAY_CHECK(image::commit(context.host, opened.overlay->graph_over(below)));
    return clone.publish();
}

Status through_rewrite(const Context& context, OpenImage& opened) {
    SLIPWAY_TRY(auto rewritten, sys::OutputFile::create(file_behind(opened.source->path()),
                                                        {.replace = true, .mode = 0600}));
    const auto& source = *opened.source;
    bool is_vdi = source.format() == image::Format::Vdi;
    std::string create = source.probe().subformat == "fixed" ? "subformat=fixed" : "";
    if (is_vdi && image::is_static_vdi(source.fd()))
        create = "static=on";
    SLIPWAY_CHECK(image::convert(context.host, opened.graph(), rewritten.fd(),
                                 {.format = source.format(),
                                  .create = create,
                                  .name = std::string(basename_of(source.path()))}));
    if (is_vdi)
        SLIPWAY_CHECK(image::copy_vdi_uuids(source.fd(), rewritten.fd()));
    SLIPWAY_CHECK(take_over_attributes(opened.source->fd(), rewritten.fd()));
    return rewritten.publish();
}

} // namespace

std::string_view name_of(InPlaceWay way) {
    return way_names.at(static_cast<std::size_t>(way));
}

Result<InPlace> InPlace::open(const Context& context, const ImageOptions& options) {
    SLIPWAY_CHECK(refuse_block_device(options.path));
    SLIPWAY_CHECK(finish_interrupted_fix(context, options.path));
    SLIPWAY_TRY(auto journal, sys::OutputFile::create(journal_path(options.path), {.mode = 0600}));
    OpenRequest request{.use = Use::Keep, .access = image::Access::Write, .in_place = true};
    SLIPWAY_TRY(request.overlay_file, sys::duplicate(journal.fd()));
    SLIPWAY_TRY(auto opened, open_image(context, options, std::move(request)));
    if (!is_single_file(*opened.source) && !can_replay(*opened.source))
        return fail(
            Code::Unsupported,
            fmt::format(
                "{} is a disk of several files, which cannot be rewritten in place in this format",
                options.path),
            fmt::format("slipway migrate {} --output NEW.qcow2", options.path));
    return InPlace(std::move(journal), std::move(opened));
}

Result<InPlaceWay> InPlace::commit(const Context& context) {
    SLIPWAY_CHECK(context.host.cancel.check());
    SLIPWAY_CHECK(opened_.check_unchanged());
    // What is begun is finished: from here on a wish to stop comes too late.
    auto uninterrupted = context;
    uninterrupted.host.cancel = {};
    if (is_single_file(*opened_.source)) {
        auto cloned = through_clone(uninterrupted, opened_);
        if (cloned)
            return InPlaceWay::Clone;
        if (cloned.error().code != Code::Unsupported)
            return fail(std::move(cloned).error());
    }
    if (can_replay(*opened_.source)) {
        SLIPWAY_CHECK(commit_through_journal(uninterrupted, opened_, std::move(journal_)));
        return InPlaceWay::Journal;
    }
    SLIPWAY_CHECK(through_rewrite(uninterrupted, opened_));
    return InPlaceWay::Rewrite;
}

} // namespace slipway::ops
