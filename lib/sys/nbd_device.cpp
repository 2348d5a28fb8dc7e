// SPDX-License-Identifier: Apache-2.0
#include "sys/nbd_device.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include <endian.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/confine.hpp"
#include "sys/genetlink.hpp"

namespace slipway::sys {
namespace {

constexpr unsigned usual_block_size = 512;
// A flush of the server's files may take minutes. That the server has ended `watch` tells at once;
// this is for when it was killed too.
constexpr std::uint64_t request_seconds = 300;
constexpr std::chrono::seconds longest_udev{5};
// Shows as /sys/block/nbdN/backend (Linux 5.14); over netlink the text has its final zero.
constexpr std::string_view mark = "slipway", backend{"slipway\0", 8};

// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, "Fixed newstyle negotiation".
constexpr std::uint64_t init_magic = 0x4e42444d41474943, option_magic = 0x49484156454F5054;
constexpr std::uint16_t fixed_newstyle = 1, no_zeroes = 2;
constexpr std::uint32_t option_export_name = 1;

template <class T> void put_big_endian(std::string& text, T value) {
    for (int shift = (sizeof value - 1) * 8; shift >= 0; shift -= 8)
        text += static_cast<char>(value >> shift & 0xff);
}

Status receive(BorrowedFd socket, void* to, std::size_t size) {
    auto got = ::recv(socket.raw(), to, size, MSG_WAITALL);
    if (got == static_cast<ssize_t>(size))
        return {};
    return fail(Code::Protocol, "the NBD server ended the connection while it was negotiated");
}

std::string sysfs_file(unsigned number, std::string_view name) {
    return fmt::format("/sys/block/nbd{}/{}", number, name);
}

std::optional<std::uint64_t> number_in(const std::string& file) {
    auto text = read_file(file);
    return text ? parse_number(trim(*text)) : std::nullopt;
}

Result<KernelDisk> open_nbd(unsigned number, bool read_only) {
    return KernelDisk::open(fmt::format("nbd{}", number), !read_only);
}

// Devices that the kernel made because those of the module's start were all taken go again; the
// others others find as they were.
std::uint64_t client_flags(unsigned number) {
    auto from_start = number_in("/sys/module/nbd/parameters/nbds_max");
    std::uint64_t flags = NBD_CFLAG_DISCONNECT_ON_CLOSE;
    return from_start && number >= *from_start ? flags | NBD_CFLAG_DESTROY_ON_DISCONNECT : flags;
}

NetlinkAttributes index_of(unsigned number) {
    return NetlinkAttributes().add_u32(NBD_ATTR_INDEX, number);
}

Result<unsigned> connect(const GenericNetlink& kernel, BorrowedFd socket, std::uint16_t flags,
                         unsigned block_size) {
    NetlinkAttributes one, list, request;
    one.add_u32(NBD_SOCK_FD, static_cast<std::uint32_t>(socket.raw()));
    list.add_nested(NBD_SOCK_ITEM, one);
    request.add_u64(NBD_ATTR_SIZE_BYTES, 0)
        .add_u64(NBD_ATTR_BLOCK_SIZE_BYTES, block_size)
        .add_u64(NBD_ATTR_TIMEOUT, request_seconds)
        // What comes after the server's end fails at once.
        .add_u64(NBD_ATTR_DEAD_CONN_TIMEOUT, 0)
        .add_u64(NBD_ATTR_SERVER_FLAGS, flags)
        .add_nested(NBD_ATTR_SOCKETS, list)
        .add(NBD_ATTR_BACKEND_IDENTIFIER, backend);
    auto answer = kernel.call(NBD_CMD_CONNECT, request);
    if (!answer)
        return fail(nbd_refusal(answer.error().errno_value));
    std::uint32_t number = 0;
    const auto& index = (*answer)[NBD_ATTR_INDEX];
    if (index.size() != sizeof number)
        return fail(Code::Protocol, "the kernel named no number of a network block device");
    std::memcpy(&number, index.data(), sizeof number);
    return number;
}

// Who has it now is udev, for a moment, or a worker that is ending.
Status lock(BorrowedFd node) {
    for (auto until = Clock::now() + longest_udev; Clock::now() < until;) {
        if (::flock(node.raw(), LOCK_EX | LOCK_NB) == 0)
            return {};
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return fail(Code::Busy, "another process holds the network block device", "try again");
}

// Only now is there anything to see.
Result<KernelDisk> lock_and_fill(const GenericNetlink& kernel, unsigned number,
                                 const NbdExport& server, unsigned block_size) {
    SLIPWAY_TRY(auto disk, open_nbd(number, (server.flags & NBD_FLAG_READ_ONLY) != 0));
    SLIPWAY_CHECK(lock(disk.fd()));
    auto filled = kernel.call(NBD_CMD_RECONFIGURE,
                              index_of(number)
                                  .add_u64(NBD_ATTR_SIZE_BYTES, server.size)
                                  .add_u64(NBD_ATTR_BLOCK_SIZE_BYTES, block_size)
                                  // Not earlier: udev may have opened and closed it before us.
                                  .add_u64(NBD_ATTR_CLIENT_FLAGS, client_flags(number))
                                  // The kernel wants to know that we are who connected it.
                                  .add(NBD_ATTR_BACKEND_IDENTIFIER, backend));
    if (!filled)
        return fail(std::move(filled).error().in(fmt::format("giving nbd{} its size", number)));
    // The kernel looks for partitions at the next opening, and takes those away that were added
    // before: so let it do so now.
    SLIPWAY_TRY(auto scanned, open_nbd(number, true));
    SLIPWAY_CHECK(scanned.close());
    return disk;
}

struct Watch {
    int server, netlink;
    pid_t parent;
    const char* message;
    std::size_t size;
};

// Requests that the server took and did not answer would wait for their timeout.
int watch(void* argument) {
    auto& plan = *static_cast<Watch*>(argument);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "slipway-nbd");
    if (::dup2(plan.server, 3) < 0 || ::dup2(plan.netlink, 4) < 0)
        return 1;
    ::syscall(SYS_close_range, 5, ~0U, 0);
    // See image/fuse_gate.cpp: it must not be the last to hold a mount of this device.
    if (::umount2("/", MNT_DETACH) != 0)
        return 1;
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    pollfd server{.fd = 3, .events = POLLIN, .revents = 0};
    while (::poll(&server, 1, -1) < 0 && errno == EINTR) {
    }
    // The number is another's, perhaps, once our parent has let go of it.
    if (::getppid() != plan.parent)
        return 0;
    return ::send(4, plan.message, plan.size, 0) < 0 ? 1 : 0;
}

Result<ClonedChild> start_watch(const GenericNetlink& kernel, unsigned number, BorrowedFd server) {
    auto message = kernel.message(NBD_CMD_DISCONNECT, index_of(number));
    // Above the numbers that the child gives them.
    OwnedFd high_server(::fcntl(server.raw(), F_DUPFD_CLOEXEC, 10)),
        high_netlink(::fcntl(kernel.fd().raw(), F_DUPFD_CLOEXEC, 10));
    Watch plan{.server = high_server.raw(),
               .netlink = high_netlink.raw(),
               .parent = ::getpid(),
               .message = message.data(),
               .size = message.size()};
    return clone_child({.flags = CLONE_NEWNS}, watch, &plan);
}

// The kernel's number of who connected it. A process that is ending has no program any more; one
// that was killed and waits for its own disk has SIGKILL pending.
bool is_running(std::uint64_t pid) {
    char first = 0;
    if (::readlink(fmt::format("/proc/{}/exe", pid).c_str(), &first, 1) < 0)
        return false;
    auto status = read_file(fmt::format("/proc/{}/status", pid));
    auto pending = status ? status->find("\nSigPnd:") : std::string::npos;
    if (pending == std::string::npos)
        return true;
    auto mask = std::strtoull(status->c_str() + pending + sizeof "\nSigPnd:", nullptr, 16);
    return (mask >> (SIGKILL - 1) & 1) == 0;
}

// Outside of the first PID namespace the kernel's numbers are not those of /proc.
bool in_first_pid_namespace() {
    std::array<char, 32> name{};
    auto size = ::readlink("/proc/self/ns/pid", name.data(), name.size());
    return size > 0 && std::string_view(name.data(), static_cast<std::size_t>(size)) ==
                           "pid:[4026531836]"; // include/linux/proc_ns.h
}

bool is_abandoned(unsigned number) {
    auto by = read_file(sysfs_file(number, "backend"));
    auto pid = number_in(sysfs_file(number, "pid"));
    return by && trim(*by) == mark && pid && in_first_pid_namespace() && !is_running(*pid);
}

} // namespace

Result<NbdExport> negotiate_nbd(BorrowedFd server, const std::string& export_name) {
    struct {
        std::uint64_t magic, option;
        std::uint16_t flags;
    } __attribute__((packed)) greeting{};
    SLIPWAY_CHECK(receive(server, &greeting, sizeof greeting));
    constexpr auto needed = fixed_newstyle | no_zeroes;
    if (be64toh(greeting.magic) != init_magic || be64toh(greeting.option) != option_magic ||
        (be16toh(greeting.flags) & needed) != needed)
        return fail(Code::Protocol, "the NBD server speaks another protocol");
    std::string request;
    put_big_endian(request, std::uint32_t{needed});
    put_big_endian(request, option_magic);
    put_big_endian(request, option_export_name);
    put_big_endian(request, static_cast<std::uint32_t>(export_name.size()));
    SLIPWAY_CHECK(write_all(server, request + export_name));
    struct {
        std::uint64_t size;
        std::uint16_t flags;
    } __attribute__((packed)) answer{};
    SLIPWAY_CHECK(receive(server, &answer, sizeof answer));
    return NbdExport{be64toh(answer.size), be16toh(answer.flags)};
}

Error nbd_refusal(int errno_value) {
    // Linux 6.1 looks for a number without an end, and refuses the one that is too high.
    if (errno_value != ENOSPC && errno_value != EBUSY && errno_value != EINVAL)
        return os_error("connecting a network block device", errno_value);
    return Error{.code = Code::Busy, .what = "No free NBD devices available"}.advise(
        "/sys/block/nbd*/pid shows who uses them; disconnect one (nbd-client -d /dev/nbdN, or "
        "qemu-nbd -d /dev/nbdN), or load the module again with room for more (modprobe -r nbd; "
        "modprobe nbd max_part=15)");
}

Status NbdDevice::probe() {
    auto kernel = GenericNetlink::open(NBD_GENL_FAMILY_NAME);
    if (kernel)
        return {};
    return fail(Code::Unsupported, "this kernel has no NBD, or shows it to the host's network only",
                "modprobe nbd");
}

Result<NbdDevice> NbdDevice::attach(OwnedFd server, const NbdOptions& options) {
    SLIPWAY_TRY(auto kernel, GenericNetlink::open(NBD_GENL_FAMILY_NAME));
    SLIPWAY_TRY(auto negotiated, negotiate_nbd(server, options.export_name));
    auto block_size = options.block_size != 0 ? options.block_size : usual_block_size;
    SLIPWAY_TRY(auto number, connect(kernel, server, negotiated.flags, block_size));
    server.reset(); // the kernel's now
    auto disconnect = [&](Error error) {
        [[maybe_unused]] auto done = kernel.call(NBD_CMD_DISCONNECT, index_of(number));
        return fail(std::move(error));
    };
    auto disk = lock_and_fill(kernel, number, negotiated, block_size);
    if (!disk)
        return disconnect(std::move(disk).error());
    auto watched = start_watch(kernel, number, options.server_exit);
    if (!watched)
        return disconnect(std::move(watched).error());
    return NbdDevice(std::move(*disk), std::move(*watched));
}

std::vector<NbdDevice> NbdDevice::take_abandoned() {
    std::vector<NbdDevice> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/block", ignored)) {
        auto name = entry.path().filename().string();
        auto parsed = name.starts_with("nbd") ? parse_number(name.substr(3)) : std::nullopt;
        auto number = static_cast<unsigned>(parsed.value_or(0));
        if (!parsed || !is_abandoned(number))
            continue;
        // Not before there is one: to ask for the family may load the module.
        auto kernel = GenericNetlink::open(NBD_GENL_FAMILY_NAME);
        if (!kernel)
            break;
        // Before it is opened: that may wait for what the server owes.
        [[maybe_unused]] auto done = kernel->call(NBD_CMD_DISCONNECT, index_of(number));
        auto disk = open_nbd(number, true);
        if (disk && is_abandoned(number) && lock(disk->fd()))
            found.push_back(NbdDevice(std::move(*disk), {}));
    }
    return found;
}

void NbdDevice::end_watch() {
    if (!watch_.pidfd.valid())
        return;
    ::syscall(SYS_pidfd_send_signal, watch_.pidfd.raw(), SIGKILL, nullptr, 0);
    [[maybe_unused]] auto ended = reap(watch_.pidfd, longest_udev);
    watch_ = {};
}

Status NbdDevice::detach() {
    if (!disk_.fd().valid())
        return {};
    auto name = disk_.name();
    Status flushed;
    if (::fsync(disk_.fd().raw()) != 0)
        flushed = fail_errno(fmt::format("flushing {}", name));
    disk_.drop_partitions(); // a device that has no server keeps them
    end_watch();             // after this the number may be another's
    if (auto closed = disk_.close(); flushed)
        flushed = std::move(closed);
    auto marker = fmt::format("/sys/block/{}/pid", name);
    for (int tries = 0; tries < 400; ++tries) {
        if (::access(marker.c_str(), F_OK) != 0)
            return flushed;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return fail(Code::Busy, fmt::format("the network block device {} is still in use", name));
}

} // namespace slipway::sys
