// SPDX-License-Identifier: Apache-2.0
#include "ops/open_image.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "appliance/kernel.hpp"
#include "base/strings.hpp"
#include "image/complete.hpp"
#include "image/scratch_disk.hpp"
#include "ops/journal.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {
namespace {

// Less than a cluster of a qcow2 overlay and its tables need.
constexpr std::uint64_t full_below = 256 << 10; // bytes

// What can be said before the image is looked at.
Status choose_engine(const ImageOptions& options, OpenImage& opened) {
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

// A loop device leaves out what comes after the last whole sector of a file; QEMU fills it up.
bool ends_with_a_sector(const image::Source& source) {
    struct stat info {};
    return source.kind() != image::Kind::Disk || ::fstat(source.fd().raw(), &info) != 0 ||
           info.st_size % 512 == 0;
}

image::DiskSpec disk_spec(const OpenDisk& disk, Use use) {
    image::DiskSpec spec{.kind = disk.source->kind(),
                         .format = std::string(image::name_of(disk.source->format())),
                         .graph = disk.graph(disk.overlay.has_value()),
                         .size = disk.size,
                         .writable = use != Use::Look,
                         .dropped = use == Use::Discard};
    bool plain = disk.source->format() == image::Format::Raw && !disk.overlay;
    if (plain && ends_with_a_sector(*disk.source))
        spec.raw_fd = spec.graph.fds.front().child;
    return spec;
}

Status add_overlay(const Context& context, OpenDisk& disk, OpenRequest& request) {
    sys::OwnedFd file;
    if (request.overlay_file)
        file = std::move(*request.overlay_file);
    else {
        SLIPWAY_TRY(file,
                    sys::make_scratch_file(request.scratch_dir.empty() ? scratch_directory()
                                                                       : request.scratch_dir));
    }
    SLIPWAY_TRY(disk.overlay,
                image::Overlay::create(context.host, std::move(file), disk.size,
                                       disk.source->next_fd(), overlay_mark(*disk.source)));
    return {};
}

Status add_overlays(const Context& context, OpenImage& opened, OpenRequest& request) {
    SLIPWAY_CHECK(add_overlay(context, opened, request));
    for (auto& disk : opened.further_disks)
        SLIPWAY_CHECK(add_overlay(context, disk, request));
    return {};
}

// Numbers of descriptors in children: each disk leaves one to its overlay.
constexpr int fds_of_overlay = 1;

bool is_same_file(const image::Source& one, const image::Source& other) {
    struct stat first {};
    struct stat second {};
    return ::fstat(one.fd().raw(), &first) == 0 && ::fstat(other.fd().raw(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Status check_first_time(const OpenImage& opened, const image::Source& source) {
    bool twice = is_same_file(*opened.source, source);
    for (const auto& disk : opened.further_disks)
        twice = twice || is_same_file(*disk.source, source);
    if (twice)
        return fail(Code::InvalidArgument, fmt::format("{} was given twice", source.path()),
                    "a machine has each of its disks once");
    return {};
}

Status open_further_disks(const Context& context, const ImageOptions& options, OpenImage& opened) {
    if (options.further_disks.empty())
        return {};
    if (opened.use == Use::Keep)
        return fail(Code::Unsupported, "a guest of several disks can only be read, or run",
                    "without --write, what a program writes is dropped");
    if (opened.source->kind() != image::Kind::Disk)
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no disk, so it has no further ones", options.path),
                    "leave --disk away");
    int next = opened.source->next_fd() + fds_of_overlay;
    for (const auto& path : options.further_disks) {
        OpenDisk disk;
        SLIPWAY_TRY(auto source, image::Source::open(path, {.format = options.format,
                                                            .allow_backing = options.allow_backing,
                                                            .first_fd = next}));
        SLIPWAY_CHECK(check_first_time(opened, source));
        disk.source = std::make_unique<image::Source>(std::move(source));
        SLIPWAY_CHECK(check_unused(context, *disk.source, opened.use));
        SLIPWAY_TRY(disk.size, disk.source->virtual_size(context.host));
        next = disk.source->next_fd() + fds_of_overlay;
        opened.further_disks.push_back(std::move(disk));
    }
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

Status OpenImage::check_unchanged() const {
    SLIPWAY_CHECK(source->check_unchanged());
    for (const auto& disk : further_disks)
        SLIPWAY_CHECK(disk.source->check_unchanged());
    return {};
}

Error OpenImage::explained(Error error) const {
    if (error.code != Code::Cancelled)
        if (auto unchanged = check_unchanged(); !unchanged)
            return std::move(unchanged).error();
    if (auto full = full_scratch(); !full.empty() && error.code != Code::Cancelled)
        return {.code = Code::NoSpace,
                .what = fmt::format("{}: no space left in {} for the changes ({})", source->path(),
                                    full, error.what),
                .hint = "make room there; changes that are dropped go to TMPDIR"};
    // Checking the whole image costs time, so where it is only looked at, that is done when a
    // filesystem is damaged or nothing was found; of a file that is not there the kernel tells.
    bool nothing_found = error.code == Code::NotFound && error.errno_value == 0;
    if (!overlay && (error.code == Code::Corrupt || nothing_found))
        if (auto complete = image::check_complete(host, *source); !complete)
            return std::move(complete).error();
    if (error.code == Code::Permission && source->kind() == image::Kind::Directory)
        error.hint =
            "a directory is read with the caller's rights in it; as root, use --engine host";
    if (error.code == Code::NoSpace && scratch.valid())
        return {.code = Code::NoSpace,
                .what = fmt::format("{}: no space left in {} to unpack it", source->path(),
                                    scratch_directory()),
                .hint = "make room there, or set TMPDIR"};
    if (error.code == Code::NoSpace && error.hint.empty())
        error.hint = "make room in the guest's filesystem";
    return std::move(error).in(source->path());
}

std::string OpenImage::full_scratch() const {
    struct statvfs info {};
    auto file = overlay ? overlay->fd() : scratch.borrow(); // those of further disks lie beside it
    if (!file.valid() || ::fstatvfs(file.raw(), &info) != 0 ||
        std::uint64_t{info.f_bavail} * info.f_frsize > full_below)
        return {};
    std::error_code ignored;
    auto path = std::filesystem::read_symlink(sys::proc_path(file.raw()), ignored);
    return path.parent_path().string();
}

Result<OpenImage> open_disk(const Context& context, const ImageOptions& options,
                            OpenRequest& request) {
    OpenImage opened;
    opened.host = context.host;
    opened.use = request.use;
    SLIPWAY_CHECK(choose_engine(options, opened));
    std::error_code ignored;
    if (!std::filesystem::is_directory(options.path, ignored))
        SLIPWAY_CHECK(finish_interrupted_fix(context, options.path));
    SLIPWAY_TRY(auto source,
                image::Source::open(options.path, {.access = request.access,
                                                   .in_place = request.in_place,
                                                   .format = options.format,
                                                   .allow_backing = options.allow_backing,
                                                   .any_kind = request.any_kind}));
    opened.source = std::make_unique<image::Source>(std::move(source));
    SLIPWAY_CHECK(check_unused(context, *opened.source, request.use));
    SLIPWAY_TRY(opened.size, opened.source->virtual_size(context.host));
    if (request.use == Use::Keep)
        SLIPWAY_CHECK(image::check_complete(context.host, *opened.source));
    opened.size += request.grow_by;
    SLIPWAY_CHECK(open_further_disks(context, options, opened));
    if (request.use == Use::Look || opened.source->kind() != image::Kind::Disk)
        return opened;
    SLIPWAY_CHECK(add_overlays(context, opened, request));
    return opened;
}

namespace {

Json to_json(const std::shared_ptr<const std::vector<storage::Key>>& keys) {
    auto json = Json::array();
    if (keys)
        for (const auto& key : *keys)
            json.push_back({{"selector", key.selector}, {"secret", key.secret.expose()}});
    return json;
}

Result<std::unique_ptr<session::Session>>
start_session(const Context& context, const ImageOptions& options, OpenImage& opened) {
    std::vector<image::DiskSpec> disks{disk_spec(opened, opened.use)};
    for (const auto& disk : opened.further_disks)
        disks.push_back(disk_spec(disk, opened.use));
    if (opened.source->kind() == image::Kind::Archive) {
        SLIPWAY_TRY(auto scratch,
                    image::make_scratch_disk(scratch_directory(), opened.source->next_fd()));
        opened.scratch = std::move(scratch.file);
        disks.push_back(std::move(scratch.spec));
    }
    SLIPWAY_TRY(auto machine, machine_options(options.sandbox));
    machine.raid6 = opened.raid6;
    if (opened.needs_qemu)
        machine.machine = session::Machine::Qemu;
    auto worker = opened.engine == "host"
                      ? session::start_on_host(*context.runner, disks)
                      : session::start_in_sandbox(*context.runner, context.host, disks, machine);
    if (!worker)
        return fail(std::move(worker).error());
    return session::Session::open(std::move(*worker), context.host, to_json(options.keys));
}

// What this host's kernel cannot do for the image, where a sandbox can.
std::string missing_on_host(const Context& context, const ImageOptions& options,
                            const OpenImage& opened) {
    auto missing =
        json_get<std::vector<std::string>>(opened.session->opened(), "missing_in_kernel");
    if (missing.empty())
        return {};
    auto machine = machine_options(options.sandbox);
    if (!machine || !session::choose_machine(context.host, *machine))
        return {};
    return join(missing, ", ");
}

// User-mode Linux has no ZFS; the kernel for QEMU may have.
bool has_machine_for_zfs(const Context& context, const ImageOptions& options) {
    auto machine = machine_options(options.sandbox);
    if (!machine || machine->machine != session::Machine::Auto || !sys::find_program("zpool"))
        return false;
    machine->machine = session::Machine::Qemu;
    auto choice = session::choose_machine(context.host, *machine);
    return choice && appliance::has_module(choice->kernel, "zfs");
}

// What the worker told of the image may ask for another engine, machine or disk: each once.
constexpr int most_restarts = 3;

Result<bool> adapt_to_image(const Context& context, const ImageOptions& options,
                            OpenRequest& request, OpenImage& opened) {
    const auto& told = opened.session->opened();
    if (opened.engine == "host" && options.engine == "auto")
        if (auto missing = missing_on_host(context, options, opened); !missing.empty()) {
            opened.engine = "sandbox";
            opened.engine_reason = fmt::format("this host's kernel lacks {}", missing);
            return true;
        }
    auto missing = json_get<std::vector<std::string>>(told, "missing_in_kernel");
    if (opened.engine == "sandbox" && !opened.needs_qemu &&
        std::find(missing.begin(), missing.end(), "ZFS") != missing.end() &&
        has_machine_for_zfs(context, options)) {
        opened.needs_qemu = true;
        return true;
    }
    if (!opened.raid6 && json_get<bool>(told, "wants_raid6")) {
        opened.raid6 = true;
        return true;
    }
    // A thin pool of LVM cannot be opened without a write.
    if (!opened.overlay && json_get<bool>(told, "wants_writable")) {
        opened.use = Use::Discard;
        SLIPWAY_CHECK(add_overlays(context, opened, request));
        return true;
    }
    return false;
}

} // namespace

Result<OpenImage> open_image(const Context& context, const ImageOptions& options,
                             OpenRequest request) {
    SLIPWAY_TRY(auto opened, open_disk(context, options, request));
    auto session = start_session(context, options, opened);
    if (!session)
        return fail(opened.explained(std::move(session.error())));
    opened.session = std::move(*session);
    for (int tries = 0; tries < most_restarts; ++tries) {
        SLIPWAY_TRY(bool changed, adapt_to_image(context, options, request, opened));
        if (!changed)
            break;
        SLIPWAY_CHECK(opened.session->close());
        SLIPWAY_TRY(opened.session, start_session(context, options, opened));
    }
    context.host.log.debug("engine {}: {}", opened.engine, opened.engine_reason);
    return opened;
}

} // namespace slipway::ops
