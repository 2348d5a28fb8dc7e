// SPDX-License-Identifier: Apache-2.0
#include "testbed/root_tree.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/fd.hpp"
#include "sys/kernel_module.hpp"
#include "sys/mount.hpp"

namespace slipway::testbed {
namespace {

namespace fs = std::filesystem;

constexpr auto new_root = "/run/slipway-root", lower = "/run/slipway-lower",
               memory = "/run/slipway-memory";
constexpr std::chrono::seconds disk_deadline{10};

struct Place {
    const char* target;
    const char* type;
    const char* options;
    bool needed;
};
// Of the new root. Tests look at more of the kernel than programs usually do.
constexpr std::array places{
    Place{"/proc", "proc", "", true},
    Place{"/sys", "sysfs", "", true},
    Place{"/dev", "devtmpfs", "", true},
    Place{"/dev/pts", "devpts", "mode=0620,gid=5,ptmxmode=0666", true},
    Place{"/dev/shm", "tmpfs", "mode=1777", true},
    Place{"/run", "tmpfs", "mode=0755", true},
    Place{"/tmp", "tmpfs", "mode=1777", true},
    Place{"/sys/fs/cgroup", "cgroup2", "", false},
    Place{"/sys/kernel/debug", "debugfs", "", false},
    Place{"/sys/kernel/tracing", "tracefs", "", false},
    Place{"/sys/kernel/config", "configfs", "", false},
    Place{"/sys/fs/bpf", "bpf", "", false},
};

Status make_directory(const std::string& path) {
    std::error_code failed;
    fs::create_directories(path, failed);
    if (failed)
        return fail_errno(fmt::format("making {} in the machine", path), failed.value());
    return {};
}

void load_drivers(std::initializer_list<const char*> drivers) {
    for (const auto* driver : drivers)
        [[maybe_unused]] auto loaded = sys::load_module(driver);
}

std::string disk_with_serial(const std::string& serial) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored))
        if (auto text = sys::read_file(entry.path().string() + "/serial");
            text && trim(*text) == serial)
            return "/dev/" + entry.path().filename().string();
    return {};
}

Result<std::string> wait_for_disk(const std::string& serial) {
    auto until = Clock::now() + disk_deadline;
    auto node = disk_with_serial(serial);
    while (node.empty() && Clock::now() < until) {
        ::usleep(1000);
        node = disk_with_serial(serial);
    }
    if (node.empty())
        return fail(Code::Unsupported, fmt::format("the machine has no disk {}", serial),
                    "its kernel needs CONFIG_VIRTIO_BLK");
    return node;
}

Error lacks(Error error, std::string_view wanted) {
    error.code = Code::Unsupported;
    error.hint = fmt::format("the kernel needs {}", wanted);
    return error;
}

// The disk itself, then its partitions.
std::vector<std::string> with_partitions(const std::string& disk) {
    std::vector<std::string> devices{disk};
    std::error_code ignored;
    auto name = std::string(basename_of(disk));
    for (const auto& entry : fs::directory_iterator("/sys/block/" + name, ignored))
        if (auto part = entry.path().filename().string(); part.starts_with(name))
            devices.push_back("/dev/" + part);
    std::sort(devices.begin() + 1, devices.end());
    return devices;
}

bool is_root(const std::string& directory) {
    std::error_code ignored;
    for (const auto* name : {"/etc/passwd", "/etc/os-release", "/usr/lib/os-release"})
        if (fs::is_symlink(fs::symlink_status(directory + name, ignored)) ||
            fs::exists(fs::symlink_status(directory + name, ignored)))
            return true;
    return false;
}

Status mount_share(const Share& share, const std::string& target) {
    sys::MountSpec spec{.source = share.source, .target = target, .type = share.kind};
    if (!share.writable)
        spec.flags |= MS_RDONLY;
    if (share.kind == "9p") {
        load_drivers({"9pnet_virtio", "9p"});
        // What only we read may be kept in memory; what both write may be mapped at least.
        spec.options = fmt::format("trans=virtio,version=9p2000.L,msize=524288,cache={}",
                                   share.writable ? "mmap" : "loose");
        if (auto mounted = sys::mount(spec); !mounted)
            return fail(
                lacks(std::move(mounted.error()),
                      "CONFIG_NET_9P_VIRTIO and CONFIG_9P_FS (and CONFIG_9P_FS_POSIX_ACL)"));
        return {};
    }
    if (share.kind == "hostfs") {
        spec.options = share.source;
        spec.source = "none";
        if (auto mounted = sys::mount(spec); !mounted)
            return fail(lacks(std::move(mounted.error()), "CONFIG_HOSTFS"));
        return {};
    }
    if (!share.source.starts_with("/dev/")) {
        SLIPWAY_TRY(spec.source, wait_for_disk(share.source));
    }
    auto disk = spec.source;
    for (const auto& device : with_partitions(disk))
        for (const auto* type : {"erofs", "squashfs", "ext4", "xfs", "btrfs"}) {
            load_drivers({type});
            spec.source = device;
            spec.type = type;
            // Of several partitions the root is wanted.
            if (sys::mount(spec) && (!share.guest.empty() || is_root(target)))
                return {};
            (void)::umount2(target.c_str(), MNT_DETACH);
        }
    return fail(Code::Unsupported,
                fmt::format("no filesystem {}that the kernel knows is on the disk {}",
                            share.guest.empty() ? "of a system " : "", share.source),
                "give it one, or a kernel with its driver (CONFIG_EROFS_FS, CONFIG_SQUASHFS, "
                "CONFIG_EXT4_FS)");
}

Status mount_overlay() {
    load_drivers({"overlay"});
    SLIPWAY_CHECK(make_directory(memory));
    SLIPWAY_CHECK(sys::mount(
        {.source = "tmpfs", .target = memory, .type = "tmpfs", .options = "mode=0755,size=75%"}));
    for (const auto* name : {"/upper", "/work"})
        SLIPWAY_CHECK(make_directory(std::string(memory) + name));
    auto mounted =
        sys::mount({.source = "overlay",
                    .target = new_root,
                    .type = "overlay",
                    .options = fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work", lower,
                                           memory, memory)});
    if (!mounted)
        return fail(lacks(std::move(mounted.error()), "CONFIG_OVERLAY_FS, or --rw"));
    return {};
}

// From now on paths are those of the new root, and links in it lead nowhere else.
Status make_it_the_root() {
    if (::chdir(new_root) != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
        ::chroot(".") != 0 || ::chdir("/") != 0)
        return fail_errno("entering the root of the machine");
    return {};
}

Status mount_places() {
    for (const auto& place : places) {
        if (place.needed)
            SLIPWAY_CHECK(make_directory(place.target));
        auto mounted = sys::mount({.source = place.type,
                                   .target = place.target,
                                   .type = place.type,
                                   .flags = MS_NOSUID,
                                   .options = place.options});
        if (!mounted && place.needed)
            return mounted;
    }
    return {};
}

// A tmpfs over the root's own, which may have none, or those of another kernel.
Status mount_modules(const Share& modules) {
    if (modules.kind.empty())
        return {};
    utsname names{};
    ::uname(&names);
    SLIPWAY_CHECK(make_directory("/lib/modules"));
    SLIPWAY_CHECK(sys::mount(
        {.source = "tmpfs", .target = "/lib/modules", .type = "tmpfs", .options = "mode=0755"}));
    auto directory = fmt::format("/lib/modules/{}", names.release);
    SLIPWAY_CHECK(make_directory(directory));
    auto share = modules;
    share.guest = directory;
    return mount_share(share, directory);
}

// As udev does, which does not run here.
void link_disks() {
    std::error_code ignored;
    fs::create_directories("/dev/disk/by-id", ignored);
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored))
        if (auto serial = sys::read_file(entry.path().string() + "/serial");
            serial && !trim(*serial).empty())
            fs::create_symlink("../../" + entry.path().filename().string(),
                               fmt::format("/dev/disk/by-id/virtio-{}", trim(*serial)), ignored);
    for (const auto& [name, target] :
         {std::pair("/dev/fd", "/proc/self/fd"), std::pair("/dev/stdin", "/proc/self/fd/0"),
          std::pair("/dev/stdout", "/proc/self/fd/1"), std::pair("/dev/stderr", "/proc/self/fd/2")})
        fs::create_symlink(target, name, ignored);
}

void raise_loopback() {
    sys::OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string_view("lo").copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (socket.valid()) // a kernel may have no network
        (void)::ioctl(socket.raw(), SIOCSIFFLAGS, &request);
}

void set_kernel(bool loud) {
    constexpr std::string_view name = "slipway";
    (void)::sethostname(name.data(), name.size());
    if (loud)
        (void)sys::write_file("/proc/sys/kernel/printk", "7");
    for (const auto* modprobe : {"/sbin/modprobe", "/usr/sbin/modprobe"})
        if (::access(modprobe, X_OK) == 0) {
            (void)sys::write_file("/proc/sys/kernel/modprobe", modprobe);
            break;
        }
}

} // namespace

Share share_from_json(const Json& json) {
    return {.kind = json_get<std::string>(json, "kind"),
            .source = json_get<std::string>(json, "source"),
            .guest = json_get<std::string>(json, "guest"),
            .writable = json_get<bool>(json, "writable")};
}

Status enter_root_tree(const RootTree& tree) {
    SLIPWAY_CHECK(make_directory(new_root));
    SLIPWAY_CHECK(make_directory(lower));
    auto root = tree.root;
    root.writable = !tree.overlay;
    SLIPWAY_CHECK(mount_share(root, tree.overlay ? lower : new_root));
    if (tree.overlay)
        SLIPWAY_CHECK(mount_overlay());
    SLIPWAY_CHECK(make_it_the_root());
    SLIPWAY_CHECK(mount_places());
    SLIPWAY_CHECK(mount_modules(tree.modules));
    for (const auto& share : tree.shares) {
        SLIPWAY_CHECK(make_directory(share.guest));
        SLIPWAY_CHECK(mount_share(share, share.guest));
    }
    link_disks();
    raise_loopback();
    set_kernel(tree.loud);
    return {};
}

} // namespace slipway::testbed
