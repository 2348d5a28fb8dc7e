// SPDX-License-Identifier: Apache-2.0
#include "boot_options.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"

namespace slipway::app {
namespace {

Result<ops::SharedDirectory> parse_shared(const std::string& text, bool writable) {
    auto equals = text.find('=');
    // One name: the same in the machine as here.
    auto guest = text.substr(0, equals);
    auto host = equals == std::string::npos ? text : text.substr(equals + 1);
    if (guest.empty() || host.empty())
        return fail(Code::InvalidArgument, fmt::format("'{}' names no directory", text),
                    "write GUEST=HOST, such as /fstests=/home/me/xfstests");
    return ops::SharedDirectory{guest, host, writable};
}

Result<ops::TestDisk> parse_disk(const std::string& text, std::size_t index) {
    ops::TestDisk disk{.serial = fmt::format("disk{}", index)};
    constexpr std::string_view option = ",serial=";
    auto at = text.rfind(option);
    auto what = text.substr(0, at);
    if (at != std::string::npos)
        disk.serial = text.substr(at + option.size());
    // With a slash it is a file, whatever its name.
    bool is_path = what.find('/') != std::string::npos;
    if (auto comma = what.find(','); comma != std::string::npos && !is_path)
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no option of a disk", printable(what.substr(comma + 1))),
                    "write --disk SIZE|FILE,serial=NAME; a file with a comma in its name as ./a,b");
    if (auto size = parse_size(what); size && !is_path)
        disk.size = *size;
    else
        disk.file = what;
    return disk;
}

} // namespace

Result<unsigned> parse_memory(const std::string& text) {
    constexpr std::uint64_t least = std::uint64_t{64} << 20, most = std::uint64_t{1} << 44;
    auto size = parse_size(text);
    if (!size || *size < least || *size > most)
        return fail(Code::InvalidArgument, fmt::format("'{}' is no memory of a machine", text),
                    "write it as 512M or 2G; a machine needs 64M at least");
    return static_cast<unsigned>(*size >> 20);
}

void add_boot_options(CLI::App& command, BootOptions& options) {
    auto& request = options.request;
    command
        .add_option("--kernel", request.kernel,
                    "bzImage, vmlinux, build tree, User-mode Linux program or DEB package; or host")
        ->required();
    command.add_option("--root", request.root,
                       "Test root by name, directory or disk image; host: this machine's own "
                       "tree, read-only; minimal if it is left out");
    auto* read_write =
        command.add_flag("--rw", options.read_write, "Changes go to the root itself");
    command.add_flag("--overlay", options.overlay, "Changes are kept in memory (the default)")
        ->excludes(read_write);
    command
        .add_option("--rwdir", options.shared,
                    "GUEST=HOST: a directory of this host, for writing; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--rodir", options.shared_read_only, "The same for reading")
        ->allow_extra_args(false);
    command
        .add_option("--disk", options.disks,
                    "SIZE or FILE (raw), with ,serial=NAME: /dev/disk/by-id/virtio-NAME in the "
                    "machine; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--memory", options.memory, "Of the machine")->capture_default_str();
    command.add_option("--cpus", request.cpus, "Processors")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--accel", request.accelerator, "auto, kvm or tcg")->capture_default_str();
    command
        .add_option("--timeout", options.timeout,
                    "Seconds after which the machine is stopped (exit code 124)")
        ->check(CLI::Range(0.001, longest_timeout));
    command.add_option("--append", request.append, "More for the kernel's command line");
    command.add_option("--env", request.env, "NAME=value for the command; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--cwd", request.cwd, "Directory in the machine to run in")
        ->capture_default_str();
    command.add_option("--console", options.console,
                       "Write what the kernel prints to this file; -: to standard error");
}

Status understand(BootOptions& options) {
    auto& request = options.request;
    SLIPWAY_TRY(request.memory_mib, parse_memory(options.memory));
    request.root_use = options.read_write ? ops::RootUse::ReadWrite : ops::RootUse::Overlay;
    request.timeout = std::chrono::milliseconds(static_cast<long>(options.timeout * 1000));
    for (const auto* list : {&options.shared, &options.shared_read_only})
        for (const auto& text : *list) {
            SLIPWAY_TRY(auto shared, parse_shared(text, list == &options.shared));
            request.shared.push_back(std::move(shared));
        }
    for (const auto& text : options.disks) {
        SLIPWAY_TRY(auto disk, parse_disk(text, request.disks.size()));
        request.disks.push_back(std::move(disk));
    }
    return ops::check(request);
}

} // namespace slipway::app
