// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_root.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "ops/rootfs.hpp"
#include "sys/mount.hpp"

namespace slipway::ops {
namespace {

constexpr auto standard_root = "minimal";

Result<BootRoot> open_directory(const std::string& path) {
    BootRoot root{.path = path};
    SLIPWAY_TRY(root.directory, open_shown_directory(path));
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
    SLIPWAY_TRY(root.image, image::Source::open(path, {.first_fd = session::first_image_number}));
    return root;
}

// What a machine runs on is not deleted meanwhile, and what one changes no other one reads.
Result<BootRoot> open_locked(const std::string& path, RootUse use) {
    std::error_code failed; // the directory itself is locked, not a link to it
    auto real = std::filesystem::canonical(path, failed).string();
    SLIPWAY_TRY(auto root, open_directory(failed ? path : real));
    SLIPWAY_TRY(root.lock,
                lock_root(root.path, use == RootUse::ReadWrite ? RootLock::Change : RootLock::Use));
    return root;
}

// One of ours by its name.
Result<BootRoot> open_test_root(const std::string& name, RootUse use) {
    SLIPWAY_TRY(auto path, find_rootfs(name));
    return open_locked(path, use);
}

Result<BootRoot> open_minimal_root(const Context& context, RootUse use) {
    auto found = open_test_root(standard_root, use);
    if (found || found.error().code != Code::NotFound)
        return found;
    context.host.log.info("making the root '{}', which is there for the next time", standard_root);
    SLIPWAY_TRY([[maybe_unused]] auto made, create_rootfs(context, {.profile = standard_root}));
    return open_test_root(standard_root, use);
}

} // namespace

Result<sys::OwnedFd> open_shown_directory(const std::string& path) {
    SLIPWAY_TRY(auto plain, sys::open_file(path, O_RDONLY | O_DIRECTORY));
    if (::geteuid() != 0)
        return plain;
    return sys::open_mount_without_devices(path);
}

Status check_boot_root(const std::string& named) {
    std::error_code failed;
    if (named.empty() || named == "host" || std::filesystem::exists(named, failed))
        return {};
    SLIPWAY_TRY(auto path, find_rootfs(named));
    return {};
}

Result<BootRoot> open_boot_root(const Context& context, const BootKernelRequest& request) {
    const auto& named = request.root;
    if (named.empty())
        return open_minimal_root(context, request.root_use);
    if (named == "host") {
        if (request.root_use == RootUse::ReadWrite)
            return fail(Code::InvalidArgument, "this host's tree is only read", "leave --rw out");
        SLIPWAY_TRY(auto root, open_directory("/"));
        root.in_own_namespace = false;
        return root;
    }
    std::error_code failed;
    bool is_path = named.find('/') != std::string::npos;
    if (!is_path) {
        auto root = open_test_root(named, request.root_use);
        if (root || root.error().code != Code::NotFound || !std::filesystem::exists(named, failed))
            return root;
    }
    auto path = std::filesystem::absolute(named, failed).lexically_normal().string();
    if (request.root_use == RootUse::ReadWrite && std::filesystem::equivalent(path, "/", failed))
        return fail(Code::InvalidArgument, "this host's tree is only read", "leave --rw out");
    if (!std::filesystem::is_directory(path, failed))
        return open_image_root(path, request.root_use);
    return open_locked(path, request.root_use);
}

} // namespace slipway::ops
