// SPDX-License-Identifier: Apache-2.0
#include "ops/tree_image.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/open_image.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {
namespace {

constexpr int directory_number = 20, image_number = 21;         // in the tool's process
constexpr std::uint64_t largest_ext4 = std::uint64_t{64} << 30; // sparse

struct Maker {
    const char* filesystem;
    const char* option;
    const char* package;
    std::vector<std::string> argv;
};

// In the order of how little a kernel has to do to read them.
std::vector<Maker> makers() {
    auto directory = sys::proc_path(directory_number) + "/.", image = sys::proc_path(image_number);
    return {
        {"erofs", "EROFS_FS", "erofs-utils", {"mkfs.erofs", "-d0", image, directory}},
        {"squashfs",
         "SQUASHFS",
         "squashfs-tools",
         {"mksquashfs", directory, image, "-noappend", "-no-progress", "-quiet", "-comp", "lz4"}},
        {"ext4",
         "EXT4_FS",
         "e2fsprogs",
         {"mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", "-d", directory, image}}};
}

} // namespace

Result<TreeImage> make_tree_image(const sys::Host& host, const appliance::TestedKernel& kernel,
                                  sys::BorrowedFd directory, int number) {
    std::vector<std::string> options, packages;
    for (const auto& maker : makers()) {
        options.push_back(fmt::format("CONFIG_{}", maker.option));
        if (appliance::driver_of(kernel, maker.filesystem, maker.option) ==
            appliance::Driver::Absent)
            continue;
        if (!sys::find_program(maker.argv.front())) {
            packages.emplace_back(maker.package);
            continue;
        }
        TreeImage made;
        SLIPWAY_TRY(made.file, sys::make_scratch_file(scratch_directory()));
        if (maker.filesystem == std::string_view("ext4") &&
            ::ftruncate(made.file.raw(), static_cast<off_t>(largest_ext4)) != 0)
            return fail_errno("making an image of a directory");
        sys::ProcessSpec spec{.argv = maker.argv};
        spec.fds = {{directory, directory_number}, {made.file, image_number}};
        SLIPWAY_TRY(auto ran, sys::run(*host.runner, spec, {.cancel = host.cancel}));
        SLIPWAY_CHECK(sys::check_tool(spec, ran, "making an image of a directory"));
        made.graph.node = {{"driver", "raw"},
                           {"read-only", true},
                           {"file",
                            {{"driver", "file"},
                             {"filename", sys::proc_path(number)},
                             {"read-only", true},
                             {"locking", "off"}}}};
        made.graph.fds = {{made.file, number}};
        made.graph.read_fds = {number};
        return made;
    }
    if (!packages.empty())
        return fail(Code::Unsupported,
                    fmt::format("the kernel {} has no 9p, and no tool is here that makes an image "
                                "for it",
                                kernel.release),
                    fmt::format("apt install {}", packages.front()));
    return fail(Code::Unsupported,
                fmt::format("the kernel {} has neither 9p nor a file system for an image of the "
                            "root",
                            kernel.release),
                fmt::format("build it with CONFIG_9P_FS and CONFIG_NET_9P_VIRTIO, or one of {}",
                            join(options, ", ")));
}

} // namespace slipway::ops
