// SPDX-License-Identifier: Apache-2.0
// The sandbox as a User-mode Linux with a storage daemon for each disk.
#include "vm/sandbox.hpp"

#include <cstdlib>
#include <cstring>

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/confine.hpp"
#include "vm/uml_spec.hpp"

namespace slipway::vm {
namespace {

constexpr int listener_number = 400; // above every number that a graph uses
constexpr int first_disk_number = 10;
// Of the machine's own memory beside that of its guest, which is a file.
constexpr std::uint64_t own_memory = 512 << 20;
// That it adds to the file, which has a hole there.
constexpr std::uint64_t address_gap = std::uint64_t{2} << 30;

// A listening socket and one that is connected to it. A socket must have a name to listen, and in
// the file system nobody else can use it; both name and directory are gone when this returns.
Result<std::pair<sys::OwnedFd, sys::OwnedFd>> make_listener() {
    const char* temporary = std::getenv("TMPDIR");
    auto directory = fmt::format("{}/slipway-XXXXXX", temporary != nullptr && *temporary == '/' &&
                                                              std::strlen(temporary) < 80
                                                          ? temporary
                                                          : "/tmp");
    if (::mkdtemp(directory.data()) == nullptr) {
        auto error = os_error(fmt::format("making a directory {}", directory));
        error.hint = "set TMPDIR to a directory that you may write";
        return fail(std::move(error));
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto path = directory + "/disk";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    sys::OwnedFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sys::OwnedFd peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    Status status;
    if (::bind(listener.raw(), generic, sizeof address) != 0 || ::listen(listener.raw(), 1) != 0 ||
        ::connect(peer.raw(), generic, sizeof address) != 0)
        status = fail_errno("making a socket for a disk");
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
    SLIPWAY_CHECK(std::move(status));
    return std::pair(std::move(listener), std::move(peer));
}

// Blanks and colons would end a word of its command line.
Status check_paths(const SandboxSpec& spec) {
    for (const auto& path : {spec.worker, spec.preload})
        if (path.find_first_of("\"\n: ") != std::string::npos)
            return fail(Code::Unsupported,
                        fmt::format("the path {} cannot be given to User-mode Linux", path),
                        "install slipway under a path without blanks, colons and quotation marks");
    return {};
}

} // namespace

sys::Confinement machine_confinement(unsigned memory_mib) {
    // /dev/null: a console that cannot open its input moves to the serial line.
    return {.read_paths = sys::program_read_paths(),
            .write_paths = {"/dev/null"},
            .user = user_to_become(),
            .data_limit = own_memory,
            .file_size_limit = (std::uint64_t{memory_mib} << 20) + address_gap,
            .filter_calls = true};
}

namespace {

Status landlock_requirement() {
    if (sys::landlock_abi() == 0)
        return fail(Code::Unsupported,
                    "this kernel has no Landlock, without which User-mode Linux is no sandbox",
                    "boot with lsm=landlock,… or a kernel that has it (5.13)");
    return {};
}

Status storage_daemon_requirement() {
    if (!sys::find_program("qemu-storage-daemon"))
        return fail(Code::Unsupported, "qemu-storage-daemon is not installed",
                    "apt install qemu-system-common");
    return {};
}

} // namespace

Status Sandbox::uml_requirements() {
    if (!sys::find_program("linux.uml"))
        return fail(Code::Unsupported, "User-mode Linux is not installed",
                    "apt install user-mode-linux");
    SLIPWAY_CHECK(storage_daemon_requirement());
    return landlock_requirement();
}

Result<sys::OwnedFd> Sandbox::start_daemon(const sys::Host& host, const SandboxDisk& disk) {
    SLIPWAY_TRY(auto sockets, make_listener());
    auto node = disk.node;
    node["node-name"] = "disk";
    Json exported{{"type", "vhost-user-blk"},
                  {"id", "export"},
                  {"node-name", "disk"},
                  {"writable", disk.writable},
                  {"addr", {{"type", "fd"}, {"str", std::to_string(listener_number)}}}};
    if (disk.block_size != 0)
        exported["logical-block-size"] = disk.block_size;
    SLIPWAY_TRY(auto errors, sys::make_memfd("daemon-errors"));
    sys::ProcessSpec process;
    process.argv = {"qemu-storage-daemon", "--blockdev", render_json(node), "--export",
                    render_json(exported)};
    process.fds = disk.fds;
    process.fds.push_back({sockets.first, listener_number});
    process.fds.push_back({errors, 2});
    process.bundle = bundle_;
    // DAC_OVERRIDE, where root started us: the descriptors are opened again by path, and their
    // files are root's. Landlock leaves these only.
    process.confinement = sys::Confinement{.read_paths = sys::program_read_paths(),
                                           .read_fds = disk.read_fds,
                                           .write_fds = disk.write_fds,
                                           .keep_capabilities = {CAP_DAC_OVERRIDE},
                                           .user = user_,
                                           .filter_calls = true};
    SLIPWAY_TRY(auto daemon, host.runner->start(process));
    daemons_.push_back(std::move(daemon));
    daemon_errors_.push_back(std::move(errors));
    return std::move(sockets.second);
}

Status Sandbox::start_machine(const sys::Host& host, const SandboxSpec& spec,
                              const std::vector<sys::OwnedFd>& disks) {
    UmlSpec uml{.program = spec.program,
                .memory_mib = spec.memory_mib,
                .init = spec.worker,
                .init_arguments = spec.arguments,
                .append = spec.testbed ? spec.testbed->append : "",
                .loud = spec.testbed.has_value(),
                .raid6 = spec.raid6};
    sys::ProcessSpec process;
    process.env = {"LD_PRELOAD=" + spec.preload, "TMPDIR=/"};
    for (const auto& disk : disks) {
        uml.disk_fds.push_back(first_disk_number + static_cast<int>(uml.disk_fds.size()));
        process.fds.push_back({disk, uml.disk_fds.back()});
    }
    process.confinement = machine_confinement(spec.memory_mib);
    process.confinement->user = user_;
    if (spec.testbed) {
        process.confinement->keep_capabilities = capabilities_over_files(*spec.testbed);
        process.confinement->changes_attributes = spec.testbed->changes_files;
        process.confinement->file_size_limit = 0; // disks and shares are as large as they are
    }
    for (const auto& disk : spec.raw_disks) {
        uml.ubds.push_back({disk.file.child, disk.serial});
        process.fds.push_back(disk.file);
        process.confinement->write_fds.push_back(disk.file.child);
    }
    for (const auto& path : {spec.program, spec.worker, spec.preload})
        process.confinement->read_paths.push_back(path);
    for (const auto& share : spec.shares) {
        process.fds.push_back(share.directory);
        (share.writable ? process.confinement->write_fds : process.confinement->read_fds)
            .push_back(share.directory.child);
    }
    process.argv = uml_argv(uml);
    return start_process(host, std::move(process), {uml.control_fd, uml.window_fd});
}

Result<Sandbox> Sandbox::start(const sys::Host& host, const SandboxSpec& spec) {
    if (!spec.disks.empty())
        SLIPWAY_CHECK(storage_daemon_requirement());
    if (!spec.testbed)
        SLIPWAY_CHECK(uml_requirements()); // a kernel under test was found already
    SLIPWAY_CHECK(landlock_requirement());
    SLIPWAY_CHECK(check_paths(spec));
    Sandbox sandbox(spec.testbed);
    std::vector<sys::OwnedFd> disks;
    for (const auto& disk : spec.disks) {
        SLIPWAY_TRY(auto socket, sandbox.start_daemon(host, disk));
        disks.push_back(std::move(socket));
    }
    SLIPWAY_CHECK(sandbox.start_machine(host, spec, disks));
    return sandbox;
}

} // namespace slipway::vm
