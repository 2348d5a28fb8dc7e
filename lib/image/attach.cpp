// SPDX-License-Identifier: Apache-2.0
#include "image/attach.hpp"

#include <algorithm>
#include <csignal>

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/mount.hpp"

namespace slipway::image {
namespace {

constexpr std::chrono::seconds daemon_deadline{20};

struct Export {
    FuseGate gate;
    std::unique_ptr<sys::Child> daemon;
    std::string path;
};

// libfuse (since 3.3) takes a mount point "/dev/fd/N" as an open, mounted /dev/fuse descriptor,
// and QEMU wants its mount point to be a regular file: so our private /dev has a plain file of
// that name. The daemon itself then needs no privilege to mount, and Landlock may confine it.
Result<std::string> make_fuse_mount_point(sys::BorrowedFd fuse, int number,
                                          const std::string& path) {
    SLIPWAY_CHECK(sys::write_file(path, ""));
    SLIPWAY_CHECK(
        sys::mount({.source = "slipway",
                    .target = path,
                    .type = "fuse.slipway",
                    .flags = MS_NOSUID | MS_NODEV,
                    .options = fmt::format("fd={},rootmode=100000,user_id=0,group_id=0,allow_other",
                                           fuse.raw())}));
    auto name = fmt::format("/dev/fd/{}", number);
    if (::mkdir("/dev/fd", 0755) != 0 && errno != EEXIST)
        return fail_errno("making /dev/fd in the private /dev");
    SLIPWAY_CHECK(sys::write_file(name, ""));
    return name;
}

// The kernel answers once the daemon has taken FUSE_INIT; a daemon that died closes the
// connection, and the call fails with ENOTCONN.
Status wait_for_export(sys::Child& daemon, const std::string& path, sys::BorrowedFd errors) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && info.st_size > 0)
        return {};
    [[maybe_unused]] auto status = daemon.wait(std::chrono::seconds(1));
    std::string said(4096, '\0');
    auto got = ::pread(errors.raw(), said.data(), said.size(), 0);
    said.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    Error error{.code = Code::Corrupt, .what = "the image could not be opened"};
    error.tool = ToolFailure{{"qemu-storage-daemon"}, 1, printable(trim(said))};
    return fail(std::move(error));
}

Result<Export> start_daemon(const sys::Host& host, const DiskSpec& spec, unsigned index,
                            const std::string& directory) {
    if (auto found = sys::find_program("qemu-storage-daemon"); !found)
        return fail(Code::Unsupported, "qemu-storage-daemon is not installed",
                    "apt install qemu-system-common");
    auto fuse = sys::open_file("/dev/fuse", O_RDWR);
    if (!fuse)
        return fail(Code::Unsupported,
                    "this kernel has no FUSE, which images other than raw ones need",
                    "modprobe fuse, or convert the image to raw first");
    // Above every number that a graph uses.
    int number = 400 + static_cast<int>(index);
    auto path = fmt::format("{}/disk{}", directory, index);
    SLIPWAY_TRY(auto mount_point, make_fuse_mount_point(*fuse, number, path));
    auto node = spec.graph.node;
    node["node-name"] = "disk";
    Json exported{{"type", "fuse"},
                  {"id", "export"},
                  {"node-name", "disk"},
                  {"mountpoint", mount_point},
                  {"writable", spec.writable}};
    SLIPWAY_TRY(auto errors, sys::make_memfd("daemon-errors"));
    sys::ProcessSpec process;
    process.argv = {"qemu-storage-daemon", "--blockdev", render_json(node), "--export",
                    render_json(exported)};
    process.fds = spec.graph.fds;
    SLIPWAY_TRY(auto gate, FuseGate::start(std::move(*fuse)));
    process.fds.push_back({gate.daemon_end, number});
    process.fds.push_back({errors, 2});
    auto readable = sys::program_read_paths();
    readable.emplace_back("/dev/fd");
    process.confinement = sys::Confinement{.read_paths = readable,
                                           .read_fds = spec.graph.read_fds,
                                           .write_fds = spec.graph.write_fds,
                                           .keep_capabilities = {CAP_DAC_OVERRIDE}};
    SLIPWAY_TRY(auto daemon, host.runner->start(process));
    gate.daemon_end
        .reset(); // only the daemon holds it: when it dies, the mount answers with an error
    if (auto ready = wait_for_export(*daemon, path, errors); !ready) {
        ::umount2(path.c_str(), MNT_DETACH);
        return fail(std::move(ready).error());
    }
    return Export{std::move(gate), std::move(daemon), path};
}

} // namespace

Json to_json(const DiskSpec& spec) {
    Json json{{"kind", name_of(spec.kind)},
              {"format", spec.format},
              {"size", spec.size},
              {"writable", spec.writable},
              {"dropped", spec.dropped}};
    if (!spec.device.empty())
        json["device"] = spec.device;
    else {
        json["graph"] = spec.graph.to_json();
        json["raw_fd"] = spec.raw_fd;
    }
    return json;
}

Result<DiskSpec> disk_spec_from_json(const Json& json) {
    DiskSpec spec{.format = json_get<std::string>(json, "format"),
                  .raw_fd = json_get<int>(json, "raw_fd", -1),
                  .size = json_get<std::uint64_t>(json, "size"),
                  .writable = json_get<bool>(json, "writable"),
                  .dropped = json_get<bool>(json, "dropped"),
                  .device = json_get<std::string>(json, "device")};
    SLIPWAY_TRY(spec.kind, parse_kind(json_get<std::string>(json, "kind", "disk")));
    if (!spec.device.empty())
        return spec;
    const auto& graph = json_at(json, "graph");
    spec.graph.node = json_at(graph, "node");
    spec.graph.read_fds = json_get<std::vector<int>>(graph, "read_fds");
    spec.graph.write_fds = json_get<std::vector<int>>(graph, "write_fds");
    for (const auto* list : {&spec.graph.read_fds, &spec.graph.write_fds})
        for (int fd : *list) {
            if (fd < 3 || ::fcntl(fd, F_GETFD) < 0)
                return fail(Code::Protocol,
                            fmt::format("the descriptor {} of a disk was not inherited", fd));
            spec.graph.fds.push_back({sys::BorrowedFd(fd), fd});
        }
    if ((spec.size == 0 && spec.kind != Kind::Directory) || !spec.graph.node.is_object())
        return fail(Code::Protocol, "a disk without size or graph");
    return spec;
}

Status AttachedDisk::attach_loop(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                 const std::string& directory) {
    sys::OwnedFd file;
    if (spec.raw_fd >= 0) {
        SLIPWAY_TRY(file,
                    sys::open_file(sys::proc_path(spec.raw_fd), spec.writable ? O_RDWR : O_RDONLY));
    } else {
        SLIPWAY_TRY(auto exported, start_daemon(host, spec, index, directory));
        gate_ = std::move(exported.gate);
        daemon_ = std::move(exported.daemon);
        export_path_ = std::move(exported.path);
        SLIPWAY_TRY(file, sys::open_file(export_path_, spec.writable ? O_RDWR : O_RDONLY));
    }
    auto loop = sys::LoopDevice::attach(file, {.read_only = !spec.writable});
    if (!loop) {
        auto error = std::move(loop).error();
        if (error.code == Code::NotFound)
            return fail(Code::Unsupported, "this kernel has no loop devices",
                        "modprobe loop, or try --engine sandbox");
        return fail(std::move(error));
    }
    loop_ = std::make_unique<sys::LoopDevice>(std::move(*loop));
    return {};
}

Result<AttachedDisk> AttachedDisk::attach(const sys::Host& host, const DiskSpec& spec,
                                          unsigned index, const std::string& directory) {
    AttachedDisk attached;
    attached.disk_ = {.name = disk_name(index), .format = spec.format, .size = spec.size};
    if (spec.device.empty())
        SLIPWAY_CHECK(attached.attach_loop(host, spec, index, directory));
    else {
        SLIPWAY_TRY(attached.given_, sys::KernelDisk::open(spec.device, spec.writable));
    }
    // Of a file that ends within a sector the device has the whole sectors only; QEMU rounds up.
    auto end = ::lseek(attached.fd().raw(), 0, SEEK_END);
    if (end < 0)
        return fail_errno("measuring the disk");
    auto size = std::min(spec.size, static_cast<std::uint64_t>(end));
    SLIPWAY_TRY(attached.layout_, probe_layout(attached.fd(), attached.disk_.name, size));
    attached.disk_.table = attached.layout_.table;
    attached.disk_.table_id = attached.layout_.table_id;
    return attached;
}

Result<dev_t> AttachedDisk::device_of(const report::Volume& volume) {
    auto& disk = loop_ ? loop_->disk() : *given_;
    if (volume.partition == 0)
        return disk.device();
    return disk.add_partition(
        {.number = volume.partition, .start = volume.start, .size = volume.size});
}

Status AttachedDisk::detach() {
    Status first;
    auto note = [&first](Status status) {
        if (first && !status)
            first = std::move(status);
    };
    if (loop_)
        note(loop_->detach());
    loop_.reset();
    if (given_)
        note(given_->close());
    given_.reset();
    if (!export_path_.empty())
        note(sys::unmount_tree(export_path_));
    export_path_.clear();
    if (daemon_) {
        daemon_->signal(SIGTERM, false);
        auto status = daemon_->wait(daemon_deadline);
        if (!status)
            note(fail(std::move(status).error()));
        else if (*status != 0)
            note(fail(
                Code::ToolFailed,
                fmt::format("qemu-storage-daemon ended with status {} and may not have written all",
                            status->value_or(-1))));
        daemon_.reset();
    }
    if (gate_) {
        auto ended = sys::reap(gate_->process.pidfd, daemon_deadline);
        if (!ended)
            note(fail(std::move(ended).error()));
        else if (*ended != 0)
            note(fail(Code::ToolFailed, "the process between the kernel and qemu-storage-daemon "
                                        "was killed; not all may be written"));
        gate_.reset();
    }
    return first;
}

} // namespace slipway::image
