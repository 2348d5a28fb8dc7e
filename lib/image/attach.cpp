// SPDX-License-Identifier: Apache-2.0
#include "image/attach.hpp"

#include <algorithm>
#include <csignal>

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/mount.hpp"

namespace slipway::image {
namespace {

constexpr std::chrono::seconds daemon_deadline{20};

constexpr auto export_name = "disk";

struct Export {
    FuseGate gate;
    std::unique_ptr<sys::Child> daemon;
    std::string path;
};
struct NetworkExport {
    std::unique_ptr<sys::Child> daemon;
    sys::OwnedFd connection;
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

// What it said when it could not export.
Error daemon_failure(sys::Child& daemon, sys::BorrowedFd errors) {
    [[maybe_unused]] auto status = daemon.wait(std::chrono::seconds(1));
    std::string said(4096, '\0');
    auto got = ::pread(errors.raw(), said.data(), said.size(), 0);
    said.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    Error error{.code = Code::Corrupt, .what = "the image could not be opened"};
    error.tool = ToolFailure{{"qemu-storage-daemon"}, 1, printable(trim(said))};
    return error;
}

// The kernel answers once the daemon has taken FUSE_INIT; a daemon that died closes the
// connection, and the call fails with ENOTCONN.
bool is_exported(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && info.st_size > 0;
}

Result<sys::ProcessSpec> daemon_process(const DiskSpec& spec, const Json& exported,
                                        sys::BorrowedFd errors) {
    if (auto found = sys::find_program("qemu-storage-daemon"); !found)
        return fail(Code::Unsupported, "qemu-storage-daemon is not installed",
                    "apt install qemu-system-common");
    auto node = spec.graph.node;
    node["node-name"] = "disk";
    sys::ProcessSpec process;
    process.argv = {"qemu-storage-daemon", "--blockdev", render_json(node), "--export",
                    render_json(exported)};
    process.fds = spec.graph.fds;
    process.fds.push_back({errors, 2});
    auto readable = sys::program_read_paths();
    readable.emplace_back("/dev/fd");
    process.confinement = sys::Confinement{.read_paths = readable,
                                           .read_fds = spec.graph.read_fds,
                                           .write_fds = spec.graph.write_fds,
                                           .keep_capabilities = {CAP_DAC_OVERRIDE}};
    return process;
}

// Above every number that a graph uses.
int daemon_number(unsigned index) {
    return 400 + static_cast<int>(index);
}

Result<Export> start_daemon(const sys::Host& host, const DiskSpec& spec, unsigned index,
                            const std::string& directory) {
    SLIPWAY_TRY(auto fuse, sys::open_file("/dev/fuse", O_RDWR));
    int number = daemon_number(index);
    auto path = fmt::format("{}/disk{}", directory, index);
    SLIPWAY_TRY(auto mount_point, make_fuse_mount_point(fuse, number, path));
    Json exported{{"type", "fuse"},
                  {"id", "export"},
                  {"node-name", "disk"},
                  {"mountpoint", mount_point},
                  {"writable", spec.writable}};
    SLIPWAY_TRY(auto errors, sys::make_memfd("daemon-errors"));
    SLIPWAY_TRY(auto process, daemon_process(spec, exported, errors));
    SLIPWAY_TRY(auto gate, FuseGate::start(std::move(fuse)));
    process.fds.push_back({gate.daemon_end, number});
    SLIPWAY_TRY(auto daemon, host.runner->start(process));
    gate.daemon_end
        .reset(); // only the daemon holds it: when it dies, the mount answers with an error
    if (!is_exported(path)) {
        auto error = daemon_failure(*daemon, errors);
        ::umount2(path.c_str(), MNT_DETACH);
        return fail(std::move(error));
    }
    return Export{std::move(gate), std::move(daemon), path};
}

// Two ends of a connection that is not accepted yet; QEMU's NBD server takes a listening socket
// only. Its name is seen in the private tmpfs alone, and goes before anybody answers.
Result<std::pair<sys::OwnedFd, sys::OwnedFd>> make_listener(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(Code::Internal, "the name of a socket is too long");
    path.copy(address.sun_path, path.size());
    const auto* plain = reinterpret_cast<const sockaddr*>(&address);
    sys::OwnedFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        connected(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    bool done = ::bind(listening.raw(), plain, sizeof address) == 0 &&
                ::listen(listening.raw(), 1) == 0 &&
                ::connect(connected.raw(), plain, sizeof address) == 0;
    int reason = errno;
    ::unlink(path.c_str());
    if (!done)
        return fail_errno("making a socket for qemu-storage-daemon", reason);
    return std::pair(std::move(listening), std::move(connected));
}

Result<NetworkExport> start_server(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                   const std::string& directory, sys::BorrowedFd errors) {
    Json exported{{"type", "nbd"},
                  {"id", "export"},
                  {"node-name", "disk"},
                  {"name", export_name},
                  {"writable", spec.writable}};
    SLIPWAY_TRY(auto process, daemon_process(spec, exported, errors));
    SLIPWAY_TRY(auto ends, make_listener(fmt::format("{}/nbd{}", directory, index)));
    auto number = daemon_number(index);
    process.fds.push_back({ends.first, number});
    process.argv.insert(
        process.argv.end() - 2,
        {"--nbd-server", fmt::format("addr.type=fd,addr.str={},max-connections=1", number)});
    SLIPWAY_TRY(auto daemon, host.runner->start(process));
    return NetworkExport{std::move(daemon), std::move(ends.second)};
}

// Why a loop device cannot carry this disk here; "" where it can.
std::string missing_for_loop(const DiskSpec& spec) {
    if (!sys::open_file("/dev/loop-control", O_RDWR))
        return "this kernel has no loop devices";
    if (spec.raw_fd < 0 && !sys::open_file("/dev/fuse", O_RDWR))
        return "this kernel has no FUSE, which images other than raw ones need";
    return {};
}

} // namespace

Json to_json(const DiskSpec& spec) {
    Json json{{"kind", name_of(spec.kind)}, {"format", spec.format},
              {"size", spec.size},          {"writable", spec.writable},
              {"dropped", spec.dropped},    {"block_size", spec.block_size},
              {"serial", spec.serial}};
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
                  .block_size = json_get<unsigned>(json, "block_size"),
                  .serial = json_get<std::string>(json, "serial"),
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
    SLIPWAY_TRY(auto loop, sys::LoopDevice::attach(
                               file, {.read_only = !spec.writable, .block_size = spec.block_size}));
    loop_ = std::make_unique<sys::LoopDevice>(std::move(loop));
    return {};
}

Status AttachedDisk::attach_nbd(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                const std::string& directory) {
    SLIPWAY_TRY(auto errors, sys::make_memfd("daemon-errors"));
    SLIPWAY_TRY(auto exported, start_server(host, spec, index, directory, errors));
    auto nbd = sys::NbdDevice::attach(std::move(exported.connection),
                                      {.export_name = export_name,
                                       .server_exit = exported.daemon->exit_fd(),
                                       .block_size = spec.block_size});
    if (!nbd)
        return fail(nbd.error().code == Code::Protocol ? daemon_failure(*exported.daemon, errors)
                                                       : std::move(nbd).error());
    daemon_ = std::move(exported.daemon);
    nbd_ = std::make_unique<sys::NbdDevice>(std::move(*nbd));
    return {};
}

Status AttachedDisk::attach_image(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                  const std::string& directory) {
    auto missing = missing_for_loop(spec);
    if (missing.empty())
        return attach_loop(host, spec, index, directory);
    if (auto usable = sys::NbdDevice::probe(); !usable)
        return fail(Code::Unsupported, fmt::format("{}; {}", missing, usable.error().what),
                    "modprobe loop and modprobe fuse, or modprobe nbd, or try --engine sandbox");
    SLIPWAY_CHECK(attach_nbd(host, spec, index, directory));
    host.log.debug("disk {} is {}: {}", disk_.name, nbd_->disk().name(), missing);
    return {};
}

Result<AttachedDisk> AttachedDisk::attach(const sys::Host& host, const DiskSpec& spec,
                                          unsigned index, const std::string& directory) {
    AttachedDisk attached;
    attached.disk_ = {
        .name = disk_name(index), .format = spec.format, .size = spec.size, .serial = spec.serial};
    if (spec.device.empty())
        SLIPWAY_CHECK(attached.attach_image(host, spec, index, directory));
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
    auto& disk = kernel_disk();
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
    if (nbd_)
        note(nbd_->detach());
    nbd_.reset();
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
