// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_kernel.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t longest_serial = 20;           // of virtio-blk
constexpr std::uint64_t least_disk = 4096;           // bytes
constexpr std::string_view own_serials = "slipway-"; // disks that the machine itself needs

Status check(const TestDisk& disk) {
    bool usual = disk.serial.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                                               "UVWXYZ0123456789_.-") == std::string::npos;
    if (disk.serial.empty() || disk.serial.size() > longest_serial || !usual)
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' cannot be a disk's serial number", printable(disk.serial)),
                    "use up to 20 letters, digits, '.', '_' and '-'");
    if (disk.serial.starts_with(own_serials))
        return fail(
            Code::InvalidArgument,
            fmt::format("the serial number {} is kept for disks of Slipway's own", disk.serial),
            "let it not begin with slipway-");
    if (disk.file.empty() && disk.size < least_disk)
        return fail(Code::InvalidArgument, fmt::format("the disk {} has no size", disk.serial),
                    "write --disk 10G, or a file with a slash in its name: --disk ./0");
    return {};
}

Json to_json(const vm::KernelReport& report) {
    return {{"kind", report.kind},       {"title", report.title}, {"function", report.function},
            {"process", report.process}, {"at", report.at},       {"line", report.line},
            {"text", report.text},       {"fatal", report.fatal}};
}

} // namespace

Status check(const BootKernelRequest& request) {
    if (request.argv.empty())
        return fail(Code::InvalidArgument, "no command was given",
                    "write it after --, such as: slipway boot --kernel K -- uname -a");
    constexpr std::array accelerators{"auto", "kvm", "tcg"};
    if (std::find(accelerators.begin(), accelerators.end(), request.accelerator) ==
        accelerators.end())
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no accelerator", printable(request.accelerator)),
                    "use auto, kvm or tcg");
    if (request.disks.size() > session::most_disks || request.shared.size() > session::most_shares)
        return fail(Code::InvalidArgument,
                    fmt::format("a machine has at most {} disks and {} shared directories, not {} "
                                "and {}",
                                session::most_disks, session::most_shares, request.disks.size(),
                                request.shared.size()),
                    "give it fewer; one directory may hold others");
    for (const auto& disk : request.disks) {
        SLIPWAY_CHECK(check(disk));
        auto same = std::count_if(request.disks.begin(), request.disks.end(),
                                  [&](const auto& other) { return other.serial == disk.serial; });
        if (same > 1)
            return fail(Code::InvalidArgument,
                        fmt::format("two disks have the serial number {}", disk.serial));
    }
    for (const auto& shared : request.shared)
        if (!shared.guest.starts_with('/'))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no absolute path in the machine", shared.guest),
                        "write --rwdir /in/the/machine=/on/this/host");
    for (const auto& each : request.env)
        if (each.find('=') == std::string::npos || each.starts_with('='))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' sets no variable", printable(each)), "write NAME=value");
    if (!request.cwd.starts_with('/'))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no absolute path in the machine", printable(request.cwd)),
                    "write --cwd /in/the/machine");
    return {};
}

std::string_view name_of(MachineEnd end) {
    constexpr std::string_view names[] = {"exited", "panicked", "timed-out", "died"};
    return names[static_cast<std::size_t>(end)];
}

Json to_json(const BootKernelResult& result) {
    Json json{{"end", name_of(result.end)},
              {"status", result.status ? Json(*result.status) : Json()},
              {"kernel_release", result.kernel_release},
              {"machine", result.machine},
              {"accelerator", result.accelerator},
              {"root_share", result.root_share},
              {"seconds_to_command", result.seconds_to_command},
              {"seconds", result.seconds},
              {"reports", Json::array()},
              {"console_tail", result.console_tail}};
    for (const auto& report : result.reports)
        json["reports"].push_back(to_json(report));
    return json;
}

} // namespace slipway::ops
