// SPDX-License-Identifier: Apache-2.0
#include "enter/stage.hpp"

#include <cstdlib>
#include <filesystem>
#include <set>

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/mount.hpp"

namespace slipway::enter {
namespace {

// A directory that every kernel has, that nobody needs in a worker, and that is on no disk, where
// an empty directory would be left behind by a SIGKILL. Several stages share a tmpfs there.
constexpr auto base = "/proc/driver";
constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

Status mount_base() {
    struct statfs info {};
    if (::statfs(base, &info) == 0 && info.f_type == TMPFS_MAGIC)
        return {};
    return sys::mount({.source = "slipway",
                       .target = base,
                       .type = "tmpfs",
                       .flags = flags,
                       .options = "mode=0700,size=1m"});
}

Status add_entry(const std::string& path, const TreeEntry& entry) {
    switch (entry.kind) {
    case TreeEntry::Kind::Directory:
        if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(fmt::format("making {}", path));
        return {};
    case TreeEntry::Kind::File:
        return sys::write_file(path, entry.text);
    case TreeEntry::Kind::Link:
        if (::symlink(entry.text.c_str(), path.c_str()) != 0)
            return fail_errno(fmt::format("making the link {}", path));
        return {};
    }
    return {};
}

} // namespace

Result<Stage> Stage::mount() {
    SLIPWAY_CHECK(mount_base());
    auto path = fmt::format("{}/XXXXXX", base);
    if (::mkdtemp(path.data()) == nullptr)
        return fail_errno("making a stage");
    Stage stage(path);
    SLIPWAY_CHECK(sys::mount({.source = "slipway",
                              .target = path,
                              .type = "tmpfs",
                              .flags = flags,
                              .options = "mode=0755,size=16m"}));
    return stage;
}

Stage::~Stage() {
    if (path_.empty())
        return;
    ::umount2(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    ::rmdir(path_.c_str());
}

Status Stage::add(const Tree& tree) const {
    std::set<std::string, std::less<>> made;
    for (const auto& entry : tree) {
        auto parent = dirname_of(entry.path);
        if (made.find(parent) == made.end()) {
            std::error_code error;
            std::filesystem::create_directories(std::filesystem::path(path_) / parent, error);
            if (error)
                return fail_errno(fmt::format("making {}/{}", path_, parent), error.value());
            made.emplace(parent);
        }
        SLIPWAY_CHECK(add_entry(fmt::format("{}/{}", path_, entry.path), entry));
    }
    return {};
}

Status Stage::seal() const {
    return sys::mount({.source = "none",
                       .target = path_,
                       .type = "",
                       .flags = MS_REMOUNT | MS_BIND | MS_RDONLY | flags});
}

Result<std::vector<ProcEntry>> list_proc(const std::string& directory) {
    std::vector<ProcEntry> entries;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        auto name = entry.path().filename().string();
        if (parse_number(name))
            continue;
        std::error_code ignored;
        auto type = entry.symlink_status(ignored).type();
        entries.push_back({.name = name,
                           .directory = type == std::filesystem::file_type::directory,
                           .link = type == std::filesystem::file_type::symlink});
    }
    if (error)
        return fail_errno(fmt::format("listing {}", directory), error.value());
    return entries;
}

} // namespace slipway::enter
