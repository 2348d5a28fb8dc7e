// SPDX-License-Identifier: Apache-2.0
#include "vm/sandbox.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/confine.hpp"
#include "vm/uml_spec.hpp"

namespace slipway::vm {
namespace {

constexpr std::chrono::seconds machine_deadline{30}, daemon_deadline{20};
constexpr int listener_number = 400; // above every number that a graph uses
constexpr int first_disk_number = 10;
// Of the machine's own memory beside that of its guest, which is a file.
constexpr std::uint64_t own_memory = 512 << 20;
// That it adds to the file, which has a hole there.
constexpr std::uint64_t address_gap = std::uint64_t{2} << 30;

// Dynamic users of systemd have these ids, so no account has them. Sandboxes of one machine at one
// time rarely share one; where they do, Landlock still keeps them apart.
constexpr unsigned first_user = 61184, users = 4336;

std::optional<unsigned> user_to_become() {
    if (::geteuid() != 0)
        return std::nullopt;
    return first_user + static_cast<unsigned>(::getpid()) % users;
}

unsigned next_bundle() {
    static std::atomic<unsigned> last{0};
    return ++last;
}

// A listening socket and one that is connected to it. A socket must have a name to listen, and in
// the file system nobody else can use it; both name and directory are gone when this returns.
Result<std::pair<sys::OwnedFd, sys::OwnedFd>> make_listener() {
    const char* temporary = std::getenv("TMPDIR");
    auto directory = fmt::format("{}/slipway-XXXXXX", temporary != nullptr && *temporary == '/' &&
                                                              std::strlen(temporary) < 80
                                                          ? temporary
                                                          : "/tmp");
    if (::mkdtemp(directory.data()) == nullptr)
        return fail_errno(fmt::format("making a directory {}", directory));
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

std::string said(sys::BorrowedFd errors) {
    std::string text(4096, '\0');
    auto got = ::pread(errors.raw(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return printable(trim(text));
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

// The last dot: hostfs does not follow the link that stands in /proc for the descriptor.
std::string directory_for_hostfs(const sys::FdMapping& directory) {
    return sys::proc_path(directory.child) + "/.";
}

sys::Confinement machine_confinement(unsigned memory_mib) {
    // /dev/null: a console that cannot open its input moves to the serial line.
    return {.read_paths = sys::program_read_paths(),
            .write_paths = {"/dev/null"},
            .user = user_to_become(),
            .data_limit = own_memory,
            .file_size_limit = (std::uint64_t{memory_mib} << 20) + address_gap,
            .filter_calls = true};
}

Status Sandbox::requirements() {
    if (!sys::find_program("linux.uml"))
        return fail(Code::Unsupported, "User-mode Linux is not installed",
                    "apt install user-mode-linux");
    if (!sys::find_program("qemu-storage-daemon"))
        return fail(Code::Unsupported, "qemu-storage-daemon is not installed",
                    "apt install qemu-system-common");
    if (sys::landlock_abi() == 0)
        return fail(Code::Unsupported,
                    "this kernel has no Landlock, without which User-mode Linux is no sandbox",
                    "boot with lsm=landlock,… or a kernel that has it (5.13)");
    return {};
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
    SLIPWAY_TRY(auto control, sys::make_socket_pair());
    SLIPWAY_TRY(auto console, sys::make_pipe());
    SLIPWAY_TRY(window_, sys::make_memfd("window"));
    if (::ftruncate(window_.raw(), window_size) != 0)
        return fail_errno("making the window of the sandbox");
    UmlSpec uml{.memory_mib = spec.memory_mib,
                .init = spec.worker,
                .init_arguments = spec.arguments,
                .raid6 = spec.raid6};
    sys::ProcessSpec process;
    process.env = {"LD_PRELOAD=" + spec.preload, "TMPDIR=/"};
    process.fds = {{control.second, uml.control_fd},
                   {window_, uml.window_fd},
                   {console.second, 1},
                   {console.second, 2}};
    for (const auto& disk : disks) {
        uml.disk_fds.push_back(first_disk_number + static_cast<int>(uml.disk_fds.size()));
        process.fds.push_back({disk, uml.disk_fds.back()});
    }
    process.argv = uml_argv(uml);
    process.bundle = bundle_;
    process.confinement = machine_confinement(spec.memory_mib);
    process.confinement->user = user_;
    process.confinement->write_fds = {uml.window_fd};
    for (const auto& path : {spec.worker, spec.preload})
        process.confinement->read_paths.push_back(path);
    for (const auto& directory : spec.directories) {
        process.fds.push_back(directory);
        process.confinement->read_fds.push_back(directory.child);
    }
    SLIPWAY_TRY(machine_, host.runner->start(process));
    control_ = std::move(control.first);
    console_pipe_ = std::move(console.first);
    ::fcntl(console_pipe_.raw(), F_SETFL, O_NONBLOCK);
    return {};
}

Result<Sandbox> Sandbox::start(const sys::Host& host, const SandboxSpec& spec) {
    SLIPWAY_CHECK(requirements());
    SLIPWAY_CHECK(check_paths(spec));
    Sandbox sandbox;
    sandbox.bundle_ = next_bundle();
    sandbox.user_ = user_to_become();
    std::vector<sys::OwnedFd> disks;
    for (const auto& disk : spec.disks) {
        SLIPWAY_TRY(auto socket, sandbox.start_daemon(host, disk));
        disks.push_back(std::move(socket));
    }
    SLIPWAY_CHECK(sandbox.start_machine(host, spec, disks));
    return sandbox;
}

void Sandbox::listen() {
    std::array<char, 16384> buffer{};
    ssize_t got = 0;
    while ((got = ::read(console_pipe_.raw(), buffer.data(), buffer.size())) > 0)
        console_.feed({buffer.data(), static_cast<std::size_t>(got)});
}

Error Sandbox::explain_end() {
    auto ended = machine_->wait(std::chrono::seconds(2));
    listen();
    auto text = console_.tail(200);
    Error error{.code = Code::ToolFailed, .what = "the sandbox's machine has ended"};
    for (const auto& errors : daemon_errors_)
        if (auto message = said(errors); !message.empty()) {
            error.code = Code::Corrupt;
            error.what = "the image could not be opened";
            error.tool = ToolFailure{{"qemu-storage-daemon"}, 1, message};
            return error;
        }
    if (text.find("Out of memory") != std::string::npos ||
        text.find("out of memory") != std::string::npos) {
        error.code = Code::NoSpace;
        error.what = "the sandbox's machine ran out of memory";
        error.hint = "give it more with SLIPWAY_SANDBOX_MEMORY=MIB";
        return error;
    }
    constexpr std::string_view mark = "Kernel panic - not syncing: ";
    if (auto panic = text.find(mark); panic != std::string::npos) {
        auto line = text.substr(panic + mark.size());
        error.code = Code::Corrupt;
        error.what = fmt::format("the sandbox's kernel panicked: {}",
                                 printable(line.substr(0, line.find('\n'))));
        error.hint = "the image is damaged or hostile; this machine and the image are untouched";
        return error;
    }
    error.tool = ToolFailure{{"linux.uml"}, ended ? ended->value_or(-1) : -1, console_.tail(10)};
    error.hint = "nothing was written to the source; try again, and report it if it stays";
    return error;
}

Status Sandbox::finish() {
    SLIPWAY_TRY(auto status, machine_->wait(machine_deadline));
    listen();
    if (!status || *status != 0)
        return fail(explain_end());
    Status first;
    for (auto& daemon : daemons_) {
        daemon->signal(SIGTERM, false);
        auto ended = daemon->wait(daemon_deadline);
        if (first && !ended)
            first = fail(std::move(ended).error());
        else if (first && ended->value_or(-1) != 0)
            first = fail(Code::ToolFailed,
                         "qemu-storage-daemon has failed and may not have written all");
    }
    daemons_.clear();
    return first;
}

void Sandbox::kill() {
    machine_->signal(SIGKILL, true);
    for (auto& daemon : daemons_)
        daemon->signal(SIGKILL, true);
}

} // namespace slipway::vm
