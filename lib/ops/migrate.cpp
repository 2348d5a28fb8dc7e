// SPDX-License-Identifier: Apache-2.0
#include "ops/migrate.hpp"

#include <sys/statvfs.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {
namespace {

// Virtual Hard Disk Image Format Specification 1.0; QEMU's block/vpc.c has the same limit.
constexpr std::uint64_t largest_vhd = std::uint64_t{2040} << 30;

Status check_request(const MigrateRequest& request) {
    if (request.output.empty())
        return fail(Code::InvalidArgument, "migrate needs --output");
    if (request.compress && request.format != image::Format::Qcow2 &&
        request.format != image::Format::Vmdk)
        return fail(Code::InvalidArgument,
                    fmt::format("{} images cannot be compressed", image::name_of(request.format)),
                    "leave --compress away, or use --format qcow2");
    return {};
}

// A hint before the work, not a promise: holes and compression make the true size unknown.
Status check_space(const MigrateRequest& request, const OpenImage& opened) {
    struct statvfs info {};
    if (::statvfs(std::string(dirname_of(request.output)).c_str(), &info) != 0)
        return {};
    auto available = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
    if (request.compress || opened.first().source->is_block_device() ||
        available >= opened.first().source->allocated())
        return {};
    return fail(Code::NoSpace,
                fmt::format("the output needs about {}, and {} has {} free",
                            format_size(opened.first().source->allocated()),
                            dirname_of(request.output), format_size(available)),
                "make room, or choose another directory for --output");
}

void note_growth(const MigrateRequest& request, report::Report& report) {
    if (request.grow_by > 0)
        report.findings.push_back(
            {.id = "disk-grown",
             .severity = report::Severity::Info,
             .where = request.output,
             .text = fmt::format(
                 "the disk is {} larger; partitions and filesystems have their old size",
                 format_size(request.grow_by)),
             .remedy = "grow them in the guest, with growpart and resize2fs or xfs_growfs"});
}

} // namespace

Status migrate(const Context& context, const MigrateRequest& request, report::Report& report) {
    SLIPWAY_CHECK(check_request(request));
    report.dry_run = request.dry_run;
    std::optional<sys::OutputFile> output;
    if (!request.dry_run) {
        SLIPWAY_TRY(output, sys::OutputFile::create(request.output, {}));
    }
    auto open = [&] {
        return open_image(
            context, request.image, Use::Keep,
            {.scratch_dir = std::string(dirname_of(request.output)), .grow_by = request.grow_by});
    };
    SLIPWAY_TRY(auto opened, timed(context, report, "open", open));
    report.source = {{"path", request.image.path},
                     {"format", image::name_of(opened.first().source->format())},
                     {"virtual_size", opened.first().size - request.grow_by}};
    report.destination = {{"path", request.output},
                          {"format", image::name_of(request.format)},
                          {"virtual_size", opened.first().size}};
    if (request.format == image::Format::Vpc && opened.first().size > largest_vhd)
        return fail(Code::InvalidArgument,
                    fmt::format("a VHD holds at most {}, and the disk has {}",
                                format_size(largest_vhd), format_size(opened.first().size)),
                    "use --format vhdx");
    if (!request.dry_run)
        SLIPWAY_CHECK(check_space(request, opened));
    SLIPWAY_CHECK(
        mend(context, opened,
             {.root = request.image.root, .policy = request.policy, .dry_run = request.dry_run},
             report));
    if (request.dry_run)
        return {};
    note_growth(request, report);
    image::ConvertOptions options{.format = request.format,
                                  .compress = request.compress,
                                  .name = std::string(basename_of(request.output))};
    if (request.compress && request.format == image::Format::Vmdk)
        options.create = "subformat=streamOptimized";
    auto converted = timed(context, report, "convert", [&] {
        return image::convert(context.host, opened.first().graph(), output->fd(), options);
    });
    if (!converted && converted.error().code == Code::NoSpace)
        converted.error().hint =
            fmt::format("make room in {}, or choose another directory", dirname_of(request.output));
    SLIPWAY_CHECK(std::move(converted));
    SLIPWAY_CHECK(context.host.cancel.check());
    SLIPWAY_CHECK(opened.check_unchanged());
    return timed(context, report, "publish", [&] { return output->publish(); });
}

} // namespace slipway::ops
