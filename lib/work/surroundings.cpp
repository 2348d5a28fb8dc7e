// SPDX-License-Identifier: Apache-2.0
#include "work/surroundings.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "sys/mount.hpp"

namespace slipway::work {
namespace {

constexpr auto workspace_path = "/run/slipway";

struct Node {
    const char* name;
    unsigned major_number;
    unsigned minor_number;
    mode_t mode;
};
// Documentation/admin-guide/devices.txt
constexpr Node nodes[] = {{"null", 1, 3, 0666},    {"zero", 1, 5, 0666},
                          {"full", 1, 7, 0666},    {"random", 1, 8, 0666},
                          {"urandom", 1, 9, 0666}, {"tty", 5, 0, 0666},
                          {"fuse", 10, 229, 0600}, {"loop-control", 10, 237, 0600}};

// The node of the host's /dev is not ours to use: this one shows no disk of the host.
Status make_private_dev() {
    SLIPWAY_CHECK(sys::mount({.source = "slipway",
                              .target = "/dev",
                              .type = "tmpfs",
                              .flags = MS_NOSUID,
                              .options = "mode=0755"}));
    for (const auto& node : nodes)
        if (::mknod(fmt::format("/dev/{}", node.name).c_str(), S_IFCHR | node.mode,
                    makedev(node.major_number, node.minor_number)) != 0)
            return fail_errno(fmt::format("making /dev/{}", node.name));
    return {};
}

Result<std::string> make_workspace() {
    if (::mkdir(workspace_path, 0755) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", workspace_path));
    SLIPWAY_CHECK(sys::mount({.source = "slipway",
                              .target = workspace_path,
                              .type = "tmpfs",
                              .flags = MS_NOSUID | MS_NODEV,
                              .options = "mode=0700"}));
    for (const auto* name : {"root", "scratch"})
        if (::mkdir(fmt::format("{}/{}", workspace_path, name).c_str(), 0755) != 0)
            return fail_errno(fmt::format("making {}/{}", workspace_path, name));
    return std::string(workspace_path);
}

} // namespace

Result<std::string> make_surroundings() {
    SLIPWAY_CHECK(sys::enter_private_mount_namespace());
    SLIPWAY_CHECK(make_private_dev());
    return make_workspace();
}

Result<std::string> make_disk_node(const std::string& name, dev_t device) {
    auto path = fmt::format("/dev/{}", name);
    if (::mknod(path.c_str(), S_IFBLK | 0600, device) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", path));
    return path;
}

} // namespace slipway::work
