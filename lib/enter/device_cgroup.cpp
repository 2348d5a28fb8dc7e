// SPDX-License-Identifier: Apache-2.0
#include "enter/device_cgroup.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::enter {
namespace {

constexpr std::string_view name_prefix = "slipway-";

// A line of /proc/self/mountinfo, as far as cgroups need it (proc_pid_mountinfo(5)).
struct CgroupMount {
    std::string root, point, type, options;
};

std::vector<CgroupMount> cgroup_mounts() {
    std::vector<CgroupMount> mounts;
    auto text = sys::read_file("/proc/self/mountinfo", 16 << 20);
    if (!text)
        return mounts;
    for (auto line : split_lines(*text)) {
        auto separator = line.find(" - ");
        if (separator == std::string_view::npos)
            continue;
        auto left = split_words(line.substr(0, separator));
        auto right = split_words(line.substr(separator + 3));
        if (left.size() > 4 && right.size() > 2 && right[0].starts_with("cgroup"))
            mounts.push_back({std::string(left[3]), std::string(left[4]), std::string(right[0]),
                              std::string(right[2])});
    }
    return mounts;
}

bool lists(std::string_view options, std::string_view wanted) {
    auto all = split(options, ',');
    return std::find(all.begin(), all.end(), wanted) != all.end();
}

// This process's path in a hierarchy: lines are "ID:CONTROLLERS:PATH", and v2 is "0::PATH"
// (cgroups(7)).
std::string own_cgroup(std::string_view controller) {
    auto text = sys::read_file("/proc/self/cgroup");
    if (!text)
        return "/";
    for (auto line : split_lines(*text)) {
        auto parts = split(line, ':');
        if (parts.size() >= 3 &&
            (controller.empty() ? parts[1].empty() : lists(parts[1], controller)))
            return std::string(line.substr(parts[0].size() + parts[1].size() + 2));
    }
    return "/";
}

std::optional<std::string> find_parent(std::string_view type, std::string_view controller) {
    auto own = own_cgroup(controller);
    for (const auto& mount : cgroup_mounts()) {
        if (mount.type != type || (!controller.empty() && !lists(mount.options, controller)))
            continue;
        if (mount.root == "/")
            return mount.point + (own == "/" ? "" : own);
        if (own.starts_with(mount.root))
            return mount.point + own.substr(mount.root.size());
    }
    return std::nullopt;
}

void remove_stale(const std::string& parent) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
        if (!entry.path().filename().string().starts_with(name_prefix))
            continue;
        auto directory = sys::open_file(entry.path().string(), O_RDONLY | O_DIRECTORY);
        if (directory && ::flock(directory->raw(), LOCK_EX | LOCK_NB) == 0)
            ::rmdir(entry.path().c_str());
    }
}

long bpf(bpf_cmd command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

Status attach_program(sys::BorrowedFd cgroup, std::span<const DeviceRule> rules) {
    auto program = compile_device_program(rules);
    constexpr char license[] = "Apache-2.0";
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insn_cnt = static_cast<__u32>(program.size());
    load.insns = reinterpret_cast<std::uintptr_t>(program.data());
    load.license = reinterpret_cast<std::uintptr_t>(license);
    sys::OwnedFd loaded(static_cast<int>(bpf(BPF_PROG_LOAD, load)));
    if (!loaded.valid())
        return fail_errno("loading the device program");
    bpf_attr attach{};
    attach.target_fd = static_cast<__u32>(cgroup.raw());
    attach.attach_bpf_fd = static_cast<__u32>(loaded.raw());
    attach.attach_type = BPF_CGROUP_DEVICE;
    // The programs of parents (systemd's DeviceAllow=) stay in force beside ours.
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (bpf(BPF_PROG_ATTACH, attach) != 0)
        return fail_errno("attaching the device program");
    return {};
}

Status write_rules(const std::string& path, std::span<const DeviceRule> rules) {
    SLIPWAY_CHECK(sys::write_file(path + "/devices.deny", "a"));
    for (const auto& rule : rules)
        SLIPWAY_CHECK(sys::write_file(path + "/devices.allow", render_device_line(rule)));
    return {};
}

} // namespace

Status DeviceCgroup::make_directory(const std::string& parent) {
    remove_stale(parent);
    for (int tries = 0; tries < 8; ++tries) {
        auto path = fmt::format("{}/{}XXXXXX", parent, name_prefix);
        if (::mkdtemp(path.data()) == nullptr)
            return fail_errno(fmt::format("making a cgroup in {}", parent));
        path_ = path;
        auto directory = sys::open_file(path, O_RDONLY | O_DIRECTORY);
        // Somebody who cleans up can come between mkdir and flock, and take it for a leftover.
        struct stat here {
        }, there{};
        if (directory && ::flock(directory->raw(), LOCK_EX | LOCK_NB) == 0 &&
            ::fstat(directory->raw(), &here) == 0 && ::stat(path.c_str(), &there) == 0 &&
            here.st_ino == there.st_ino) {
            directory_ = std::move(*directory);
            return {};
        }
    }
    return fail(Code::Busy, fmt::format("making a cgroup in {}", parent));
}

Result<DeviceCgroup> DeviceCgroup::create(Version version, std::span<const DeviceRule> rules,
                                          const std::string& mount_point) {
    DeviceCgroup made;
    made.version_ = version;
    auto parent =
        version == Version::V2 ? find_parent("cgroup2", "") : find_parent("cgroup", "devices");
    Status placed = parent ? made.make_directory(*parent)
                           : fail(Code::Unsupported, "no cgroup hierarchy is mounted");
    if (!placed && version == Version::V2) {
        // Read-only in many containers, or nowhere; a mount of our own shows the same hierarchy.
        if (::mount("cgroup2", mount_point.c_str(), "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    nullptr) != 0)
            return fail_errno("mounting the cgroup hierarchy");
        auto own = own_cgroup("");
        placed = made.make_directory(mount_point + (own == "/" ? "" : own));
    }
    SLIPWAY_CHECK(std::move(placed));
    if (version == Version::V2) {
        SLIPWAY_CHECK(attach_program(made.directory_, rules));
        return made;
    }
    SLIPWAY_CHECK(write_rules(made.path_, rules));
    SLIPWAY_TRY(made.procs_, sys::open_file(made.path_ + "/cgroup.procs", O_WRONLY));
    return made;
}

Result<DeviceCgroup> DeviceCgroup::create(std::span<const DeviceRule> rules,
                                          const std::string& mount_point) {
    auto modern = create(Version::V2, rules, mount_point);
    if (modern)
        return modern;
    auto classic = create(Version::V1, rules, mount_point);
    if (classic)
        return classic;
    return fail(Code::Unsupported,
                fmt::format("no device cgroup: v2: {}; v1: {}", render_text(modern.error()),
                            render_text(classic.error())));
}

void DeviceCgroup::remove_leftovers() {
    for (const auto& parent : {find_parent("cgroup2", ""), find_parent("cgroup", "devices")})
        if (parent)
            remove_stale(*parent);
}

DeviceCgroup::DeviceCgroup(DeviceCgroup&& other) noexcept
    : version_(other.version_), path_(std::exchange(other.path_, {})),
      directory_(std::move(other.directory_)), procs_(std::move(other.procs_)) {}

DeviceCgroup::~DeviceCgroup() {
    if (path_.empty())
        return;
    // A process leaves its cgroup a moment after it can be waited for.
    for (int tries = 0; tries < 100 && ::rmdir(path_.c_str()) != 0 && errno == EBUSY; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

} // namespace slipway::enter
