// SPDX-License-Identifier: Apache-2.0
#include "boot/traces_devices.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

void look(const fs::path& top, const fs::path& directory, dev_t filesystem, DeviceFiles& files) {
    for (const auto& name : sys::names_in(directory)) {
        auto path = directory / name;
        struct stat info {};
        if (::lstat(path.c_str(), &info) != 0 || info.st_dev != filesystem)
            continue; // /dev/pts, /dev/shm
        std::error_code none;
        files[path.lexically_relative(top)] = {
            .mode = info.st_mode,
            .device = S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) ? info.st_rdev : 0,
            .owner = info.st_uid,
            .group = info.st_gid,
            .target = S_ISLNK(info.st_mode) ? fs::read_symlink(path, none).string() : ""};
        if (S_ISDIR(info.st_mode))
            look(top, path, filesystem, files);
    }
}

bool is_same_thing(const DeviceFile& one, const DeviceFile& other) {
    return (one.mode & S_IFMT) == (other.mode & S_IFMT) && one.device == other.device &&
           one.target == other.target;
}

Status make(const std::string& path, const DeviceFile& wanted) {
    int made = S_ISDIR(wanted.mode)   ? ::mkdir(path.c_str(), wanted.mode & 07777)
               : S_ISLNK(wanted.mode) ? ::symlink(wanted.target.c_str(), path.c_str())
                                      : ::mknod(path.c_str(), wanted.mode, wanted.device);
    if (made != 0)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

Status set_attributes(const std::string& path, const DeviceFile& wanted) {
    if (S_ISLNK(wanted.mode))
        return {};
    if (::lchown(path.c_str(), wanted.owner, wanted.group) != 0 ||
        ::chmod(path.c_str(), wanted.mode & 07777) != 0)
        return fail_errno(fmt::format("setting the mode of {}", path));
    return {};
}

} // namespace

DeviceFiles look_at_devices(const std::string& top) {
    DeviceFiles files;
    struct stat info {};
    if (::lstat(top.c_str(), &info) == 0)
        look(top, top, info.st_dev, files);
    return files;
}

std::vector<Change> undo_devices(const DeviceFiles& before, const std::string& top) {
    std::size_t done = 0;
    std::vector<Change> changes;
    auto note = [&](const std::string& path, const Status& status) {
        done += status ? 1 : 0;
        if (!status)
            changes.push_back(change_of(path, status));
    };
    auto now = look_at_devices(top);
    // What is in a directory comes after it.
    for (auto each = now.rbegin(); each != now.rend(); ++each) {
        auto known = before.find(each->first);
        bool is_device = S_ISCHR(each->second.mode) || S_ISBLK(each->second.mode);
        if (known == before.end() ? is_device : is_same_thing(known->second, each->second))
            continue;
        auto path = fmt::format("{}/{}", top, each->first);
        std::error_code failed;
        fs::remove(path, failed);
        bool stays = failed && S_ISDIR(each->second.mode); // the kernel's devices are in it
        if (!stays)
            note(path, failed ? Status(fail_errno("removing it", failed.value())) : Status{});
    }
    for (const auto& [name, wanted] : before) {
        auto path = fmt::format("{}/{}", top, name);
        auto found = now.find(name);
        bool is_there = found != now.end() && is_same_thing(found->second, wanted);
        // A device that is gone with its driver, or a loop device, is no loss: its node would lead
        // nowhere.
        if (!is_there && (S_ISCHR(wanted.mode) || S_ISBLK(wanted.mode)) &&
            !fs::exists(fmt::format("/sys/dev/{}/{}:{}", S_ISCHR(wanted.mode) ? "char" : "block",
                                    major(wanted.device), minor(wanted.device))))
            continue;
        if (is_there && found->second == wanted)
            continue;
        auto made = is_there ? Status{} : make(path, wanted);
        note(path, made ? set_attributes(path, wanted) : made);
    }
    if (done > 0)
        changes.push_back({.what = fmt::format("{} files in {}", done, top), .undone = true});
    return changes;
}

} // namespace slipway::boot
