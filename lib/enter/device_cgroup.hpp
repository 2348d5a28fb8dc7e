// SPDX-License-Identifier: Apache-2.0
// The cgroup that decides which device nodes a guest's commands may make and open.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <linux/bpf.h>

#include "base/error.hpp"
#include "enter/enter.hpp"
#include "sys/fd.hpp"

namespace slipway::enter {

/// Allows `access` to the devices it matches; what no rule allows is denied.
struct DeviceRule {
    bool block = false;
    unsigned access = 0;             ///< BPF_DEVCG_ACC_* bits
    std::optional<unsigned> major{}; ///< nothing: any
    std::optional<unsigned> minor{};
};

/// The guest's own disks, the usual character devices, and mknod of any character device (dracut
/// makes such nodes in the tree that becomes the initramfs; nobody can open those).
[[nodiscard]] std::vector<DeviceRule> allowed_devices(const RootSpec& spec);
/// A BPF_PROG_TYPE_CGROUP_DEVICE program (kernel Documentation/admin-guide/cgroup-v2.rst, "Device
/// controller"). Pure.
[[nodiscard]] std::vector<bpf_insn> compile_device_program(std::span<const DeviceRule> rules);
/// The same rule for devices.allow of cgroup v1: "c 1:3 rwm". Pure.
[[nodiscard]] std::string render_device_line(const DeviceRule& rule);

/// A cgroup with those rules. Its owner holds a flock(2) on the directory, so that leftovers of a
/// killed process can be told from what is in use; `create` removes such leftovers too.
class DeviceCgroup {
public:
    enum class Version { V2, V1 };
    /// `mount_point` is an empty directory of ours where the v2 hierarchy can be mounted if the
    /// host has it nowhere. Unsupported, saying why.
    [[nodiscard]] static Result<DeviceCgroup> create(std::span<const DeviceRule> rules,
                                                     const std::string& mount_point);
    /// One kind only.
    [[nodiscard]] static Result<DeviceCgroup>
    create(Version version, std::span<const DeviceRule> rules, const std::string& mount_point);
    /// Removes what killed owners left beside this process: whoever outlives a worker calls it.
    static void remove_leftovers();
    DeviceCgroup(DeviceCgroup&& other) noexcept;
    DeviceCgroup& operator=(DeviceCgroup&&) = delete;
    /// Removes the cgroup.
    ~DeviceCgroup();

    [[nodiscard]] const std::string& path() const { return path_; }
    /// For CLONE_INTO_CGROUP, which costs nothing measurable; -1 with v1.
    [[nodiscard]] int clone_fd() const { return version_ == Version::V2 ? directory_.raw() : -1; }
    /// v1 only: a process that writes "0" here moves itself; else -1.
    [[nodiscard]] int procs_fd() const { return procs_.raw(); }

private:
    DeviceCgroup() = default;
    [[nodiscard]] Status make_directory(const std::string& parent);
    Version version_ = Version::V2;
    std::string path_;
    sys::OwnedFd directory_; ///< carries the lock
    sys::OwnedFd procs_;
};

} // namespace slipway::enter
