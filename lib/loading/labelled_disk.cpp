// SPDX-License-Identifier: Apache-2.0
#include "loading/labelled_disk.hpp"

#include <algorithm>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/directories.hpp"
#include "sys/mount.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds between_looks{500};
constexpr unsigned long no_links = 256; // MS_NOSYMFOLLOW, Linux 5.10

struct Found {
    std::string node;
    ImageFormat format = ImageFormat::Ext4;
    bool errors = false;
};

struct Look {
    std::vector<Found> found;
    std::vector<std::string> others; ///< labels, of whatever else is there
};

bool is_memory(const std::string& name) {
    return name.starts_with("ram") || name.starts_with("zram") || name.starts_with("fd");
}

Look look_for(const DiskWish& wish) {
    Look look;
    for (const auto& name : sys::names_in("/sys/class/block")) {
        if (is_memory(name) || (!wish.loops && name.starts_with("loop")))
            continue;
        auto node = "/dev/" + replace_all(name, "!", "/");
        auto opened = sys::open_file(node, O_RDONLY | O_NONBLOCK);
        std::string head(head_size, '\0');
        if (!opened || ::pread(opened->raw(), head.data(), head.size(), 0) !=
                           static_cast<ssize_t>(head.size()))
            continue;
        auto format = identify_image(head);
        auto label = format ? label_of(head, *format) : "";
        if (label == wish.label)
            look.found.push_back({node, *format, has_errors(head, *format)});
        else if (!label.empty())
            look.others.push_back(printable(label));
    }
    return look;
}

tl::unexpected<Error> not_there(const DiskWish& wish, Look look) {
    std::sort(look.others.begin(), look.others.end());
    return fail(Code::NotFound,
                fmt::format("there is no disk with the label {}{}", printable(wish.label),
                            look.others.empty()
                                ? ""
                                : fmt::format("; others are {}", join(look.others, ", "))),
                "give a filesystem (ext4, xfs or btrfs) that label, or have the module of its "
                "controller packed: `slipway netboot build --modules storage`");
}

tl::unexpected<Error> needs_repair(const Found& disk, const std::string& label) {
    return fail(Code::Corrupt,
                fmt::format("the disk {} ({}) has errors", printable(label), disk.node),
                fmt::format("repair it first: fsck.{} {}", name_of(disk.format), disk.node));
}

Status mount_disk(const Found& disk, const DiskWish& wish) {
    if (disk.errors)
        return needs_repair(disk, wish.label);
    auto done =
        sys::mount({.source = disk.node,
                    .target = wish.place,
                    .type = std::string(name_of(disk.format)),
                    .flags = MS_NOATIME | MS_NODEV | MS_NOSUID | no_links,
                    .options = disk.format == ImageFormat::Ext4 ? "errors=remount-ro" : ""});
    if (done)
        return {};
    auto error = std::move(done.error());
    if (error.errno_value == ENODEV) {
        error.code = Code::Unsupported;
        error.hint = "pack the filesystem's module with `slipway netboot build --modules`";
    } else {
        error.code = Code::Corrupt;
        error.hint = fmt::format("it may be write-protected, or need fsck.{}: the kernel's "
                                 "messages (dmesg) may say more",
                                 name_of(disk.format));
    }
    return fail(
        std::move(error).in(fmt::format("the disk {} cannot be used", printable(wish.label))));
}

} // namespace

std::string label_of(std::string_view head, ImageFormat format) {
    auto text = [head](std::size_t at, std::size_t size) {
        auto field = head.size() < at + size ? std::string_view() : head.substr(at, size);
        return std::string(field.substr(0, field.find('\0')));
    };
    switch (format) {
    case ImageFormat::Ext4: // s_volume_name
        return text(1024 + 0x78, 16);
    case ImageFormat::Xfs: // sb_fname
        return text(108, 12);
    case ImageFormat::Btrfs:
        return text(0x10000 + 0x12b, 256);
    default:
        return "";
    }
}

bool has_errors(std::string_view head, ImageFormat format) {
    constexpr std::size_t state = 1024 + 0x3a; // s_state, EXT4_ERROR_FS
    return format == ImageFormat::Ext4 && head.size() > state && (head[state] & 2) != 0;
}

Result<LabelledDisk> LabelledDisk::open(const DiskWish& wish, const Cancel& cancel) {
    if (wish.label.empty())
        return fail(Code::InvalidArgument, "a disk without a label cannot be found");
    SLIPWAY_CHECK(sys::make_directories(wish.place));
    auto look = look_for(wish);
    for (auto until = Clock::now() + wish.wait; look.found.empty() && Clock::now() < until;) {
        SLIPWAY_CHECK(cancel.check());
        wish.look_for_devices();
        std::this_thread::sleep_for(between_looks);
        look = look_for(wish);
    }
    if (look.found.empty())
        return not_there(wish, std::move(look));
    if (look.found.size() > 1)
        return fail(Code::Exists,
                    fmt::format("two disks have the label {}: {} and {}", printable(wish.label),
                                look.found[0].node, look.found[1].node),
                    "give one of them another label");
    SLIPWAY_CHECK(mount_disk(look.found[0], wish));
    return LabelledDisk(wish.label, wish.place);
}

LabelledDisk& LabelledDisk::operator=(LabelledDisk&& other) noexcept {
    std::swap(label_, other.label_);
    std::swap(place_, other.place_);
    return *this;
}

Status LabelledDisk::close() {
    if (place_.empty())
        return {};
    auto place = std::exchange(place_, {});
    Status synced;
    // Unmounting does not tell what could not be written.
    if (auto top = sys::open_file(place, O_RDONLY | O_DIRECTORY); !top)
        synced = fail(std::move(top.error()));
    else if (::syncfs(top->raw()) != 0)
        synced = fail_errno(fmt::format("writing to the disk {}", printable(label_)));
    auto unmounted = sys::unmount_tree(place);
    return synced ? std::move(unmounted) : std::move(synced);
}

LabelledDisk::~LabelledDisk() {
    [[maybe_unused]] auto closed = close();
}

} // namespace slipway::loading
