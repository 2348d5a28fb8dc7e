// SPDX-License-Identifier: Apache-2.0
#include "image/scratch_disk.hpp"

#include <algorithm>

#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/output_file.hpp"

namespace slipway::image {
namespace {

// With more the filesystem on it takes longer to make than it is worth.
constexpr std::uint64_t largest = std::uint64_t{64} << 30, smallest = 16 << 20; // bytes
constexpr std::uint64_t whole = 1 << 20;

// A part stays free: whoever shares the disk with us needs some too.
Result<std::uint64_t> usable_space(sys::BorrowedFd file, const std::string& directory) {
    struct statvfs info {};
    if (::fstatvfs(file.raw(), &info) != 0)
        return fail_errno(fmt::format("looking at the free space of {}", directory));
    auto space = std::uint64_t{info.f_bavail} * info.f_frsize / 16 * 15 / whole * whole;
    if (space < smallest)
        return fail(Code::NoSpace, fmt::format("no space is left in {}", directory),
                    "make room there, or set TMPDIR");
    return std::min(space, largest);
}

} // namespace

Result<ScratchDisk> make_scratch_disk(const std::string& directory, int number) {
    ScratchDisk disk;
    SLIPWAY_TRY(disk.file, sys::make_scratch_file(directory));
    SLIPWAY_TRY(disk.spec.size, usable_space(disk.file, directory));
    if (::ftruncate(disk.file.raw(), static_cast<off_t>(disk.spec.size)) != 0)
        return fail_errno(fmt::format("making a scratch disk in {}", directory));
    disk.spec.kind = Kind::Scratch;
    disk.spec.format = "raw";
    disk.spec.raw_fd = number;
    disk.spec.writable = true;
    Json file{{"driver", "file"}, {"filename", sys::proc_path(number)}, {"locking", "off"}};
    // What is on it need not survive anything.
    disk.spec.graph.node = {{"driver", "raw"}, {"cache", {{"no-flush", true}}}, {"file", file}};
    disk.spec.graph.fds = {{disk.file, number}};
    disk.spec.graph.write_fds = {number};
    return disk;
}

} // namespace slipway::image
