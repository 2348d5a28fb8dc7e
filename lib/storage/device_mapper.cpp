// SPDX-License-Identifier: Apache-2.0
#include "storage/device_mapper.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/major.h>
#include <linux/raid/md_u.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/udev.hpp"
#include "sys/fd.hpp"

namespace slipway::storage {
namespace {

namespace fs = std::filesystem;

constexpr auto control_path = "/dev/mapper/control";
constexpr unsigned misc_major = 10, mapper_minor = 236; // Documentation/admin-guide/devices.txt
constexpr std::uint64_t sector = 512;
constexpr auto remedy = "try --engine sandbox";

std::string sysfs_text(const std::string& path) {
    auto text = sys::read_file(path, 4096);
    return text ? std::string(trim(*text)) : std::string{};
}

constexpr std::size_t least_room = 3 << 10;

/// One request of <linux/dm-ioctl.h>: the record, then room for what belongs to it.
class Request {
public:
    explicit Request(std::string_view name, std::size_t more = least_room)
        : bytes_((sizeof(dm_ioctl) + more + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t)) {
        auto* io = header();
        io->version[0] = DM_VERSION_MAJOR; // the oldest interface that knows what is asked
        io->data_size = static_cast<std::uint32_t>(bytes_.size() * sizeof(std::uint64_t));
        io->data_start = sizeof(dm_ioctl);
        // No rule of a host's udev shall look into a guest's device or name it: bits 1 to 3 and 5
        // of DM_UDEV_FLAGS in libdevmapper.h, in the upper half of the event number.
        io->event_nr = 0x002e0000;
        std::memcpy(io->name, name.data(), std::min(name.size(), sizeof io->name - 1));
    }
    dm_ioctl* header() { return reinterpret_cast<dm_ioctl*>(bytes_.data()); }
    char* payload() { return reinterpret_cast<char*>(bytes_.data()) + sizeof(dm_ioctl); }
    [[nodiscard]] std::size_t room() const {
        return bytes_.size() * sizeof(std::uint64_t) - sizeof(dm_ioctl);
    }

    Status send(unsigned long command, const std::string& what) {
        SLIPWAY_TRY(auto control, sys::open_file(control_path, O_RDWR));
        if (::ioctl(control.raw(), command, bytes_.data()) != 0)
            return fail_errno(what);
        return {};
    }

private:
    std::vector<std::uint64_t> bytes_; ///< as dm_ioctl is aligned
};

bool has_mapper() {
    auto misc = sys::read_file("/proc/misc");
    return misc && misc->find("device-mapper") != std::string::npos;
}

bool has_md() {
    return ::access("/proc/mdstat", F_OK) == 0;
}

// Opening a node of the number is what makes the kernel load the module; and it makes an empty
// array of that number, which goes with its last user once it got a request (hold_active in md.c).
// This one is refused where there is no array.
void load_md() {
    constexpr auto path = "/dev/.slipway-md";
    if (::mknod(path, S_IFBLK | 0600, makedev(MD_MAJOR, first_md)) != 0)
        return;
    if (auto fd = sys::open_file(path, O_RDONLY); fd)
        (void)::ioctl(fd->raw(), RESTART_ARRAY_RW, 0);
    ::unlink(path);
}

} // namespace

Status need_device_mapper(std::string_view for_what) {
    if (::mkdir("/dev/mapper", 0755) != 0 && errno != EEXIST)
        return fail_errno("making /dev/mapper");
    auto number = makedev(misc_major, mapper_minor);
    if (::mknod(control_path, S_IFCHR | 0600, number) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", control_path));
    if (!has_mapper())
        (void)sys::open_file(control_path, O_RDWR);
    if (!has_mapper())
        return fail(Code::Unsupported,
                    fmt::format("no {} here: this kernel has no device-mapper", for_what), remedy);
    return {};
}

Status need_md(std::string_view for_what) {
    if (!has_md())
        load_md();
    if (!has_md())
        return fail(Code::Unsupported, fmt::format("no {} here: this kernel has no MD", for_what),
                    remedy);
    return {};
}

std::vector<MapperDevice> mapped_devices() {
    std::vector<MapperDevice> devices;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/sys/block", ignored)) {
        auto name = entry.path().filename().string();
        auto number = name.starts_with("dm-") ? block_device_number(name) : std::nullopt;
        if (number)
            devices.push_back({.name = sysfs_text(entry.path() / "dm/name"),
                               .uuid = sysfs_text(entry.path() / "dm/uuid"),
                               .number = *number});
    }
    return devices;
}

void load_target(std::string_view target) {
    Request request(target);
    // Minor version 41 of the interface; before it, the kernel answers ENOTTY and lvm does as ever.
    (void)request.send(DM_GET_TARGET_VERSION, "asking for a target");
}

Result<dev_t> create_linear(const LinearMap& map) {
    constexpr std::size_t row_size = sizeof(dm_target_spec) + 48; // three numbers, and aligned
    Request create(map.name);
    SLIPWAY_CHECK(create.send(DM_DEV_CREATE, fmt::format("making the device {}", map.name)));
    Request load(map.name, map.extents.size() * row_size);
    load.header()->flags = map.read_only ? unsigned{DM_READONLY_FLAG} : 0U;
    load.header()->target_count = static_cast<std::uint32_t>(map.extents.size());
    std::uint64_t position = 0;
    auto* row = load.payload();
    for (const auto& extent : map.extents) {
        dm_target_spec spec{};
        spec.sector_start = position / sector;
        spec.length = extent.size / sector;
        spec.next = row_size;
        std::strncpy(spec.target_type, "linear", sizeof spec.target_type - 1);
        auto table =
            fmt::format("{}:{} {}", major(extent.base), minor(extent.base), extent.start / sector);
        std::memcpy(row, &spec, sizeof spec);
        std::memcpy(row + sizeof spec, table.c_str(), table.size() + 1);
        position += extent.size;
        row += row_size;
    }
    auto loaded = load.send(DM_TABLE_LOAD, fmt::format("loading the table of {}", map.name));
    Request resume(map.name);
    if (loaded)
        loaded = resume.send(DM_DEV_SUSPEND, fmt::format("starting the device {}", map.name));
    if (!loaded) {
        (void)remove_mapping(map.name);
        return fail(std::move(loaded).error());
    }
    // The kernel's own coding of a device number (new_encode_dev of linux/kdev_t.h).
    auto coded = static_cast<std::uint32_t>(create.header()->dev);
    return makedev((coded >> 8) & 0xfff, (coded & 0xff) | ((coded >> 12) & 0xfff00));
}

Status remove_mapping(const std::string& name) {
    Request request(name);
    auto removed = request.send(DM_DEV_REMOVE, fmt::format("removing the device {}", name));
    if (!removed && removed.error().errno_value == ENXIO)
        return {};
    return removed;
}

Status rename_mapping(const std::string& from, const std::string& to) {
    Request request(from);
    std::memcpy(request.payload(), to.c_str(), std::min(to.size() + 1, request.room()));
    return request.send(DM_DEV_RENAME, fmt::format("renaming the device {}", from));
}

std::optional<dev_t> block_device_number(const std::string& sysfs_name) {
    auto text = sysfs_text(fmt::format("/sys/block/{}/dev", sysfs_name));
    auto parts = split(text, ':');
    if (parts.size() != 2)
        return std::nullopt;
    auto major_number = parse_number(parts[0]), minor_number = parse_number(parts[1]);
    if (!major_number || !minor_number)
        return std::nullopt;
    return makedev(static_cast<unsigned>(*major_number), static_cast<unsigned>(*minor_number));
}

std::optional<unsigned> free_md_number() {
    // From anywhere, since other processes look for one too.
    unsigned anywhere = 0;
    (void)::getrandom(&anywhere, sizeof anywhere, 0);
    for (unsigned tries = 0; tries < md_count; ++tries) {
        auto number = first_md + (anywhere + tries) % md_count;
        if (::access(fmt::format("/sys/block/md{}", number).c_str(), F_OK) != 0)
            return number;
    }
    return std::nullopt;
}

} // namespace slipway::storage
