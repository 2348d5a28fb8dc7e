// SPDX-License-Identifier: Apache-2.0
#include "sys/kernel_disk.hpp"

#include <cctype>
#include <filesystem>

#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::sys {
namespace {

constexpr std::uint64_t sysfs_sector = 512; // whatever the disk's own is

Result<dev_t> number_in(const std::string& file) {
    SLIPWAY_TRY(auto text, read_file(file));
    auto parts = split(trim(text), ':');
    auto major_number = parse_number(parts[0]);
    auto minor_number = parts.size() == 2 ? parse_number(parts[1]) : std::nullopt;
    if (!major_number || !minor_number)
        return fail(Code::Internal, fmt::format("{} holds no device number", file));
    return makedev(static_cast<unsigned>(*major_number), static_cast<unsigned>(*minor_number));
}

std::uint64_t bytes_in(const std::string& file) {
    auto text = read_file(file);
    auto sectors = text ? parse_number(trim(*text)) : std::nullopt;
    return sectors.value_or(0) * sysfs_sector;
}

Status blkpg(BorrowedFd disk, int operation, const PartitionRange& range) {
    blkpg_partition partition{};
    partition.start = static_cast<long long>(range.start);
    partition.length = static_cast<long long>(range.size);
    partition.pno = static_cast<int>(range.number);
    blkpg_ioctl_arg argument{};
    argument.op = operation;
    argument.datalen = sizeof partition;
    argument.data = &partition;
    if (::ioctl(disk.raw(), BLKPG, &argument) != 0)
        return fail_errno(fmt::format("{} partition {}",
                                      operation == BLKPG_ADD_PARTITION ? "adding" : "removing",
                                      range.number));
    return {};
}

// A detached mount, which shows in no namespace.
Result<OwnedFd> open_devtmpfs() {
    OwnedFd context(::fsopen("devtmpfs", FSOPEN_CLOEXEC));
    if (!context.valid() ||
        ::fsconfig(context.raw(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail_errno("opening the kernel's devtmpfs");
    OwnedFd mount(::fsmount(context.raw(), FSMOUNT_CLOEXEC, 0));
    if (!mount.valid())
        return fail_errno("mounting the kernel's devtmpfs");
    return mount;
}

} // namespace

Result<OwnedFd> open_kernel_node(const std::string& name, dev_t number, int flags) {
    if (auto nodes = open_devtmpfs())
        if (OwnedFd fd(::openat(nodes->raw(), name.c_str(), flags | O_CLOEXEC)); fd.valid())
            return fd;
    auto path = fmt::format("/dev/.slipway-{}-{}", name, ::getpid());
    if (::mknod(path.c_str(), S_IFBLK | 0600, number) != 0)
        return fail_errno(fmt::format("making a node for {}", name));
    auto fd = open_file(path, flags);
    ::unlink(path.c_str());
    return fd;
}

Result<KernelDisk> KernelDisk::open(const std::string& name, bool writable) {
    SLIPWAY_TRY(auto device, number_in(fmt::format("/sys/block/{}/dev", name)));
    SLIPWAY_TRY(auto fd, open_kernel_node(name, device, writable ? O_RDWR : O_RDONLY));
    return KernelDisk(name, std::move(fd), device);
}

Result<dev_t> KernelDisk::add_partition(const PartitionRange& range) {
    bool ends_in_digit = std::isdigit(static_cast<unsigned char>(name_.back())) != 0;
    auto entry =
        fmt::format("/sys/block/{0}/{0}{1}{2}", name_, ends_in_digit ? "p" : "", range.number);
    if (auto known = number_in(entry + "/dev"); known) {
        if (bytes_in(entry + "/start") == range.start && bytes_in(entry + "/size") == range.size)
            return known;
        SLIPWAY_CHECK(blkpg(fd_, BLKPG_DEL_PARTITION, range));
    }
    SLIPWAY_CHECK(blkpg(fd_, BLKPG_ADD_PARTITION, range));
    return number_in(entry + "/dev");
}

Status KernelDisk::remove_partition(unsigned number) const {
    auto removed = blkpg(fd_, BLKPG_DEL_PARTITION, {.number = number});
    if (!removed && removed.error().errno_value == ENXIO)
        return {};
    return removed;
}

void KernelDisk::drop_partitions() const {
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/sys/block/{}", name_), ignored)) {
        auto text = read_file((entry.path() / "partition").string());
        if (auto number = text ? parse_number(trim(*text)) : std::nullopt) [[maybe_unused]]
            auto done = blkpg(fd_, BLKPG_DEL_PARTITION, {.number = static_cast<unsigned>(*number)});
    }
}

Status KernelDisk::close() {
    if (!fd_.valid())
        return {};
    Status flushed;
    if (::fsync(fd_.raw()) != 0)
        flushed = fail_errno(fmt::format("flushing {}", name_));
    SLIPWAY_CHECK(fd_.close());
    return flushed;
}

} // namespace slipway::sys
