// SPDX-License-Identifier: Apache-2.0
#include "rootfs/cache.hpp"

#include <chrono>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::rootfs {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view used_ending = ".used";

Status make_private_directory(const std::string& path) {
    std::error_code failed;
    fs::create_directories(fs::path(path).parent_path(), failed);
    if (failed)
        return fail_errno(fmt::format("making {}", dirname_of(path)), failed.value());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

} // namespace

Result<std::string> Cache::directory() {
    SLIPWAY_TRY(auto base, sys::cache_directory());
    return base + "/rootfs";
}

Result<Cache> Cache::open() {
    SLIPWAY_TRY(auto path, directory());
    Cache cache(std::move(path));
    for (const auto& each : {cache.path_, cache.layers(), cache.scratch(), cache.mirrors()})
        if (auto made = make_private_directory(each); !made)
            return fail(std::move(made.error()).advise("name another place with SLIPWAY_CACHE"));
    return cache;
}

bool Cache::has_layer(const std::string& key) const {
    return ::access(layer(key).c_str(), F_OK) == 0;
}

Result<std::string> Cache::packages(const std::string& suite,
                                    const std::string& architecture) const {
    auto path = fmt::format("{}/packages/{}-{}", path_, suite, architecture);
    SLIPWAY_CHECK(make_private_directory(path));
    return path;
}

Result<sys::OwnedFd> Cache::lock(sys::LockMode mode, const Cancel& cancel, const Log& log) const {
    SLIPWAY_TRY(auto file, sys::open_file(path_ + "/lock", O_RDWR | O_CREAT, 0600));
    SLIPWAY_CHECK(wait(file, mode, cancel, log));
    return file;
}

Status Cache::wait(sys::BorrowedFd lock, sys::LockMode mode, const Cancel& cancel,
                   const Log& log) const {
    return sys::wait_for_lock(lock, mode, "the roots in " + path_, cancel, log);
}

void Cache::touch(const std::string& key) const {
    auto path = layer(key) + std::string(used_ending);
    [[maybe_unused]] auto file = sys::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
}

std::vector<std::string> Cache::leftovers() const {
    std::vector<std::string> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(layers(), failed))
        if (entry.path().filename().string().starts_with(new_mark))
            found.push_back(entry.path().string());
    for (const auto& entry : fs::directory_iterator(scratch(), failed))
        found.push_back(entry.path().string());
    return found;
}

std::vector<std::string> Cache::unused_layers(unsigned days) const {
    std::vector<std::string> found;
    std::error_code failed;
    auto oldest = fs::file_time_type::clock::now() - std::chrono::hours(24) * days;
    for (const auto& entry : fs::directory_iterator(layers(), failed)) {
        auto name = entry.path().string();
        if (!name.ends_with(used_ending) || fs::last_write_time(entry.path(), failed) > oldest)
            continue;
        found.push_back(name.substr(0, name.size() - used_ending.size()));
        found.push_back(name);
    }
    return found;
}

Status sync_tree(const std::string& directory) {
    SLIPWAY_TRY(auto opened, sys::open_file(directory, O_RDONLY | O_DIRECTORY));
    if (::syncfs(opened.raw()) != 0)
        return fail_errno(fmt::format("writing {} to the disk", directory));
    return {};
}

Status publish_tree(const std::string& from, const std::string& to) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0)
        return fail_errno(fmt::format("renaming {} to {}", from, to));
    SLIPWAY_TRY(auto parent, sys::open_file(std::string(dirname_of(to)), O_RDONLY | O_DIRECTORY));
    if (::fsync(parent.raw()) != 0)
        return fail_errno(fmt::format("writing {} to the disk", dirname_of(to)));
    return {};
}

} // namespace slipway::rootfs
