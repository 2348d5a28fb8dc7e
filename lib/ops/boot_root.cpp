// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_root.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::ops {
namespace {

constexpr int first_image_number = 60; // of descriptors, see session/testbed_place

Result<BootRoot> open_directory(const std::string& path) {
    BootRoot root{.path = path};
    SLIPWAY_TRY(root.directory, sys::open_file(path, O_RDONLY | O_DIRECTORY));
    struct stat info {};
    if (::fstat(root.directory.raw(), &info) != 0)
        return fail_errno(fmt::format("looking at {}", path));
    root.in_own_namespace = ::geteuid() != 0 && info.st_uid == ::geteuid();
    return root;
}

Result<BootRoot> open_image_root(const std::string& path, RootUse use) {
    if (use == RootUse::ReadWrite)
        return fail(Code::Unsupported,
                    fmt::format("{} is an image, which --rw cannot change", path),
                    "leave --rw out: changes are kept in memory then; or change it with slipway "
                    "run --write");
    BootRoot root{.path = path};
    SLIPWAY_TRY(root.image, image::Source::open(path, {.first_fd = first_image_number}));
    return root;
}

} // namespace

Result<BootRoot> open_boot_root(const Context&, const BootKernelRequest& request) {
    if (request.root == "host") {
        if (request.root_use == RootUse::ReadWrite)
            return fail(Code::InvalidArgument, "this host's tree is only read", "leave --rw out");
        SLIPWAY_TRY(auto root, open_directory("/"));
        root.in_own_namespace = false;
        return root;
    }
    std::error_code failed;
    auto path = std::filesystem::absolute(request.root, failed).lexically_normal().string();
    if (std::filesystem::is_directory(path, failed))
        return open_directory(path);
    return open_image_root(path, request.root_use);
}

} // namespace slipway::ops
