// SPDX-License-Identifier: Apache-2.0
#include "ops/open_image.hpp"

#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/complete.hpp"
#include "ops/journal.hpp"
#include "ops/journal_group.hpp"

namespace slipway::ops {
namespace {

// Less than a cluster of a qcow2 overlay and its tables need.
constexpr std::uint64_t full_below = 256 << 10; // bytes

// What can be said before the image is looked at.
Status choose_engine(const EngineOptions& options, OpenImage& opened) {
    auto choose = [&opened](const char* engine, const char* reason) {
        opened.engine = engine;
        opened.engine_reason = reason;
        return Status{};
    };
    if (options.engine != "auto" && options.engine != "host" && options.engine != "sandbox")
        return fail(Code::InvalidArgument, fmt::format("'{}' is not an engine", options.engine),
                    "use auto, host or sandbox");
    if (options.untrusted && options.engine == "host")
        return fail(Code::InvalidArgument,
                    "with the host engine the host's kernel parses the image, which is not for "
                    "untrusted ones",
                    "leave --engine away, or --untrusted (SLIPWAY_UNTRUSTED)");
    if (names_machine(options.sandbox) && options.engine == "host")
        return fail(Code::InvalidArgument, "--sandbox chooses a machine of the sandbox engine",
                    "leave --engine host or --sandbox away");
    if (options.untrusted)
        return choose("sandbox", "the image is not trusted");
    if (options.engine != "auto")
        return choose(options.engine.c_str(), "asked for");
    if (names_machine(options.sandbox))
        return choose("sandbox", "--sandbox asks for it");
    if (::geteuid() != 0)
        return choose("sandbox", "the host engine needs root");
    return choose("host", "root, and a kernel that can do all that the image needs; the host's "
                          "kernel parses the image");
}

Status check_unused(const Context& context, const image::Source& source, Use use) {
    if (!source.is_held())
        return {};
    if (use == Use::Keep)
        return fail(Code::Busy,
                    fmt::format("{} is mounted or otherwise in use on this machine", source.path()),
                    "unmount it, or give a snapshot of it");
    context.host.log.warning(
        "{} is mounted or otherwise in use on this machine; what is read may be out of date",
        source.path());
    return {};
}

Result<sys::OwnedFd> overlay_file(OpenDisk& disk, const OpenRequest& request) {
    if (!request.in_place || disk.use != Use::Keep)
        return sys::make_scratch_file(request.scratch_dir.empty() ? scratch_directory()
                                                                  : request.scratch_dir);
    SLIPWAY_TRY(disk.journal,
                sys::OutputFile::create(journal_path(disk.source->path()), {.mode = 0600}));
    return sys::duplicate(disk.journal->fd());
}

bool is_same_file(const image::Source& one, const image::Source& other) {
    struct stat first {};
    struct stat second {};
    return ::fstat(one.fd().raw(), &first) == 0 && ::fstat(other.fd().raw(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Status check_first_time(const OpenImage& opened, const image::Source& source, bool may_repeat) {
    for (const auto& disk : opened.disks)
        if (is_same_file(*disk.source, source) && (!may_repeat || disk.use == Use::Keep))
            return fail(Code::InvalidArgument, fmt::format("{} was given twice", source.path()),
                        "a machine has each of its disks once");
    return {};
}

Status open_source(const Context& context, const DiskOptions& options, const OpenRequest& request,
                   OpenImage& opened) {
    bool is_first = opened.disks.empty();
    if (!is_first && opened.first().source->kind() != image::Kind::Disk)
        return fail(
            Code::InvalidArgument,
            fmt::format("{} is no disk, so it has no further ones", opened.first().source->path()),
            "leave --disk away");
    OpenDisk disk{.use = options.use, .block_size = options.block_size, .serial = options.serial};
    bool in_place = request.in_place && options.use == Use::Keep;
    image::OpenOptions how{.access = in_place ? image::Access::Write : image::Access::Read,
                           .in_place = in_place,
                           .format = options.format,
                           .allow_backing = options.allow_backing,
                           .any_kind = request.any_kind && is_first};
    if (!is_first)
        how.first_fd = opened.disks.back().next_fd();
    SLIPWAY_TRY(auto source, image::Source::open(options.path, how));
    SLIPWAY_CHECK(check_first_time(opened, source, options.may_repeat));
    SLIPWAY_CHECK(check_unused(context, source, options.use));
    SLIPWAY_TRY(disk.size, source.virtual_size(context.host));
    if (options.use == Use::Keep)
        SLIPWAY_CHECK(image::check_complete(context.host, source));
    if (is_first)
        disk.size += request.grow_by;
    disk.source = std::make_unique<image::Source>(std::move(source));
    opened.disks.push_back(std::move(disk));
    return {};
}

} // namespace

std::string scratch_directory() {
    const char* temporary = std::getenv("TMPDIR");
    return temporary != nullptr && *temporary == '/' ? temporary : "/var/tmp";
}

image::BlockGraph OpenDisk::graph(bool writable) const {
    auto below = source->graph();
    return overlay ? overlay->graph_over(below, writable) : below;
}

Result<Json> OpenImage::call(const std::string& operation, Json arguments,
                             const session::CallHooks& hooks) const {
    auto answer = session->call(operation, std::move(arguments), hooks);
    if (!answer)
        return fail(explained(std::move(answer).error()));
    return answer;
}

Status OpenImage::close() const {
    auto closed = session->close();
    if (!closed)
        return fail(explained(std::move(closed).error()));
    return closed;
}

std::string OpenImage::names() const {
    std::vector<std::string> paths;
    for (const auto& disk : disks)
        paths.push_back(disk.source->path());
    return join(paths, ", ");
}

Status OpenImage::check_unchanged() const {
    for (const auto& disk : disks)
        SLIPWAY_CHECK(disk.source->check_unchanged());
    return {};
}

Status OpenImage::check_complete() const {
    for (const auto& disk : disks)
        if (!disk.overlay)
            SLIPWAY_CHECK(image::check_complete(host, *disk.source));
    return {};
}

Error OpenImage::explained(Error error) const {
    if (error.code != Code::Cancelled)
        if (auto unchanged = check_unchanged(); !unchanged)
            return std::move(unchanged).error();
    if (auto full = full_scratch(); !full.empty() && error.code != Code::Cancelled)
        return {.code = Code::NoSpace,
                .what = fmt::format("{}: no space left in {} for the changes ({})", names(), full,
                                    error.what),
                .hint = "make room there; changes that are dropped go to TMPDIR"};
    // Checking the whole image costs time, so where it is only looked at, that is done when a
    // filesystem is damaged or nothing was found; of a file that is not there the kernel tells.
    bool nothing_found = error.code == Code::NotFound && error.errno_value == 0;
    if (error.code == Code::Corrupt || nothing_found)
        if (auto complete = check_complete(); !complete)
            return std::move(complete).error();
    if (error.code == Code::Permission && !disks.empty() &&
        first().source->kind() == image::Kind::Directory)
        error.hint =
            "a directory is read with the caller's rights in it; as root, use --engine host";
    if (error.code == Code::NoSpace && scratch.valid())
        return {.code = Code::NoSpace,
                .what = fmt::format("{}: no space left in {} to unpack it", names(),
                                    scratch_directory()),
                .hint = "make room there, or set TMPDIR"};
    if (error.code == Code::NoSpace && error.hint.empty())
        error.hint = "make room in the guest's filesystem";
    return disks.empty() ? error : std::move(error).in(names());
}

std::string OpenImage::full_scratch() const {
    std::vector<sys::BorrowedFd> files;
    for (const auto& disk : disks)
        if (disk.overlay)
            files.push_back(disk.overlay->fd());
    if (scratch.valid())
        files.push_back(scratch);
    for (auto file : files) {
        struct statvfs info {};
        if (::fstatvfs(file.raw(), &info) != 0 ||
            std::uint64_t{info.f_bavail} * info.f_frsize > full_below)
            continue;
        std::error_code ignored;
        auto path = std::filesystem::read_symlink(sys::proc_path(file.raw()), ignored);
        return path.parent_path().string();
    }
    return {};
}

std::vector<DiskOptions> disks_of(const ImageOptions& options, Use use) {
    std::vector<std::string> paths{options.path};
    paths.insert(paths.end(), options.further_disks.begin(), options.further_disks.end());
    std::vector<DiskOptions> disks;
    disks.reserve(paths.size());
    for (auto& path : paths)
        disks.push_back({.path = std::move(path),
                         .format = options.format,
                         .allow_backing = options.allow_backing,
                         .use = use});
    return disks;
}

Status add_overlay(const Context& context, const OpenRequest& request, OpenDisk& disk,
                   const std::optional<JournalGroup>& group) {
    SLIPWAY_TRY(auto mark, overlay_mark(*disk.source, group));
    SLIPWAY_TRY(auto file, overlay_file(disk, request));
    SLIPWAY_TRY(disk.overlay, image::Overlay::create(context.host, std::move(file), disk.size,
                                                     disk.source->next_fd(), mark));
    return {};
}

Result<OpenImage> open_disks(const Context& context, const EngineOptions& options,
                             const std::vector<DiskOptions>& disks, const OpenRequest& request) {
    OpenImage opened;
    opened.host = context.host;
    SLIPWAY_CHECK(choose_engine(options, opened));
    // Before any is locked: what is to be finished may be a change of several of them.
    std::error_code ignored;
    for (const auto& disk : disks)
        if (!std::filesystem::is_directory(disk.path, ignored))
            SLIPWAY_CHECK(finish_interrupted_fix(context, disk.path));
    for (const auto& disk : disks)
        SLIPWAY_CHECK(open_source(context, disk, request, opened));
    if (request.in_place)
        opened.group = group_of(opened);
    for (auto& disk : opened.disks)
        if (disk.use != Use::Look && disk.source->kind() == image::Kind::Disk)
            SLIPWAY_CHECK(add_overlay(context, request, disk,
                                      disk.use == Use::Keep ? opened.group : std::nullopt));
    return opened;
}

Result<OpenImage> open_image(const Context& context, const ImageOptions& options, Use use,
                             const OpenRequest& request) {
    SLIPWAY_TRY(auto opened, open_disks(context, options, disks_of(options, use), request));
    SLIPWAY_CHECK(start_session(context, options, request, opened));
    return opened;
}

} // namespace slipway::ops
