// SPDX-License-Identifier: Apache-2.0
// The part of open_image that starts a worker over the disks.
#include <algorithm>

#include <sys/stat.h>

#include <fmt/format.h>

#include "appliance/kernel.hpp"
#include "base/strings.hpp"
#include "image/scratch_disk.hpp"
#include "ops/open_image.hpp"

namespace slipway::ops {
namespace {

// A loop device leaves out what comes after the last whole sector of a file; QEMU fills it up.
bool ends_with_a_sector(const image::Source& source) {
    struct stat info {};
    return source.kind() != image::Kind::Disk || ::fstat(source.fd().raw(), &info) != 0 ||
           info.st_size % 512 == 0;
}

image::DiskSpec disk_spec(const OpenDisk& disk) {
    image::DiskSpec spec{.kind = disk.source->kind(),
                         .format = std::string(image::name_of(disk.source->format())),
                         .graph = disk.graph(disk.overlay.has_value()),
                         .size = disk.size,
                         .writable = disk.use != Use::Look,
                         .block_size = disk.block_size,
                         .serial = disk.serial};
    bool plain = disk.source->format() == image::Format::Raw && !disk.overlay;
    if (plain && ends_with_a_sector(*disk.source))
        spec.raw_fd = spec.graph.fds.front().child;
    return spec;
}

Json to_json(const std::shared_ptr<const std::vector<storage::Key>>& keys) {
    auto json = Json::array();
    if (keys)
        for (const auto& key : *keys)
            json.push_back({{"selector", key.selector}, {"secret", key.secret.expose()}});
    return json;
}

Result<std::unique_ptr<session::Session>> start_worker(const Context& context,
                                                       const EngineOptions& options,
                                                       const OpenRequest& request,
                                                       OpenImage& opened) {
    std::vector<image::DiskSpec> disks;
    bool all_dropped = true;
    for (const auto& disk : opened.disks) {
        disks.push_back(disk_spec(disk));
        all_dropped = all_dropped && disk.use != Use::Keep;
    }
    // The worker writes to memory what a filesystem does not take where nothing is kept.
    for (auto& disk : disks)
        disk.dropped = disk.writable && all_dropped;
    if (!disks.empty() && disks.front().kind == image::Kind::Archive) {
        SLIPWAY_TRY(auto scratch,
                    image::make_scratch_disk(scratch_directory(), opened.first().next_fd()));
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
    return session::Session::open(std::move(*worker), context.host, to_json(options.keys),
                                  request.first);
}

// What this host's kernel cannot do for the image, where a sandbox can.
std::string missing_on_host(const Context& context, const EngineOptions& options,
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
bool has_machine_for_zfs(const Context& context, const EngineOptions& options) {
    auto machine = machine_options(options.sandbox);
    if (!machine || machine->machine != session::Machine::Auto || !sys::find_program("zpool"))
        return false;
    machine->machine = session::Machine::Qemu;
    auto choice = session::choose_machine(context.host, *machine);
    return choice && appliance::has_module(choice->kernel, "zfs");
}

// What the worker told of the image may ask for another engine, machine or disk: each once.
constexpr int most_restarts = 3;

Result<bool> adapt_to_image(const Context& context, const EngineOptions& options,
                            const OpenRequest& request, OpenImage& opened) {
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
    bool changed = false;
    for (auto& disk : opened.disks)
        if (disk.use == Use::Look && json_get<bool>(told, "wants_writable")) {
            disk.use = Use::Discard;
            SLIPWAY_CHECK(add_overlay(context, request, disk));
            changed = true;
        }
    return changed;
}

} // namespace

Status start_session(const Context& context, const EngineOptions& options,
                     const OpenRequest& request, OpenImage& opened) {
    auto session = start_worker(context, options, request, opened);
    if (!session)
        return fail(opened.explained(std::move(session.error())));
    opened.session = std::move(*session);
    for (int tries = 0; tries < most_restarts; ++tries) {
        SLIPWAY_TRY(bool changed, adapt_to_image(context, options, request, opened));
        if (!changed)
            break;
        SLIPWAY_CHECK(opened.session->close());
        SLIPWAY_TRY(opened.session, start_worker(context, options, request, opened));
    }
    context.host.log.debug("engine {}: {}", opened.engine, opened.engine_reason);
    return {};
}

} // namespace slipway::ops
