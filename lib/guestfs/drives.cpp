// SPDX-License-Identifier: Apache-2.0
#include "guestfs/drives.hpp"

#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/output_file.hpp"

namespace slipway::guestfs {
namespace {

Result<sys::OwnedFd> make_scratch_disk(std::uint64_t size) {
    SLIPWAY_TRY(auto file, sys::make_scratch_file(ops::scratch_directory()));
    if (::ftruncate(file.raw(), static_cast<off_t>(size)) != 0)
        return fail_errno("making a scratch drive");
    return file;
}

// One that is written is nobody else's.
Status check_twice(const std::vector<Drive>& drives) {
    std::error_code none;
    for (std::size_t i = 0; i < drives.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (!(drives[i].readonly && drives[j].readonly) &&
                std::filesystem::equivalent(drives[i].path, drives[j].path, none))
                return fail(Code::InvalidArgument,
                            fmt::format("{} was added twice, and not only to be read",
                                        printable(drives[i].path)),
                            "add it once, or both times with readonly=True");
    return {};
}

} // namespace

Result<std::unique_ptr<OpenDrives>> OpenDrives::open(const ops::Context& context,
                                                     const std::vector<Drive>& drives,
                                                     const LaunchOptions& options) {
    SLIPWAY_CHECK(check_twice(drives));
    std::vector<ops::DiskOptions> disks;
    std::vector<sys::OwnedFd> scratch;
    bool make_new = false;
    for (const auto& drive : drives) {
        make_new = make_new || !drive.readonly;
        ops::DiskOptions disk{.path = drive.path,
                              .format = drive.format,
                              .allow_backing = drive.allow_backing,
                              .use = drive.readonly ? ops::Use::Discard : ops::Use::Keep,
                              .may_repeat = drive.readonly,
                              .block_size = drive.block_size,
                              .serial = drive.label};
        if (drive.scratch > 0) {
            SLIPWAY_TRY(auto file, make_scratch_disk(drive.scratch));
            disk.path = sys::proc_path(file.raw());
            disk.format = image::Format::Raw;
            disk.use = ops::Use::Discard;
            scratch.push_back(std::move(file));
        }
        disks.push_back(std::move(disk));
    }
    ops::EngineOptions engine{.engine = options.engine};
    engine.sandbox.memory_mib = options.memory_mib;
    SLIPWAY_TRY(auto opened, ops::InPlace::open(context, engine, disks,
                                                {.operation = "launch",
                                                 .arguments = {{"network", options.network},
                                                               {"make_new", make_new}}}));
    return std::unique_ptr<OpenDrives>(new OpenDrives(std::move(scratch), std::move(opened)));
}

Result<Json> OpenDrives::call(const std::string& operation, Json arguments,
                              const session::CallHooks& hooks) const {
    return disks_.opened().session->call(operation, std::move(arguments), hooks);
}

Status OpenDrives::commit(const ops::Context& context) {
    SLIPWAY_CHECK(disks_.opened().close());
    SLIPWAY_TRY([[maybe_unused]] auto way, disks_.commit(context));
    return {};
}

} // namespace slipway::guestfs
