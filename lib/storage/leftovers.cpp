// SPDX-License-Identifier: Apache-2.0
#include "storage/leftovers.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <linux/major.h>
#include <linux/raid/md_u.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "storage/device_mapper.hpp"
#include "storage/pools.hpp"
#include "sys/loop_device.hpp"
#include "sys/nbd_device.hpp"

namespace slipway::storage {
namespace {

namespace fs = std::filesystem;
// The filesystems of a worker that was killed are unmounted by the kernel a moment later.
constexpr std::chrono::seconds longest_busy{5};
constexpr std::chrono::milliseconds pause{20};

std::vector<std::string> names_in(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored))
        names.push_back(entry.path().filename().string());
    return names;
}

// Of the disk and of its partitions.
std::vector<std::string> holders_of(const std::string& disk) {
    auto top = fs::path("/sys/block") / disk;
    auto holders = names_in(top / "holders");
    for (const auto& name : names_in(top))
        if (name.starts_with(disk))
            for (auto& holder : names_in(top / name / "holders"))
                holders.push_back(std::move(holder));
    return holders;
}

// The kernel lists no holder for a pool; its own name for it is ours, and zpool knows its devices.
std::vector<std::string> pools_on(const std::string& disk) {
    std::vector<std::string> found;
    for (const auto& name : pools_of_ours()) {
        auto nodes = nodes_of_pool(name);
        if (std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
                auto device = std::string(basename_of(node));
                return device == disk ||
                       ::access(fmt::format("/sys/block/{}/{}", disk, device).c_str(), F_OK) == 0;
            }))
            found.push_back(name);
    }
    return found;
}

bool close_device(const std::string& name) {
    if (name.starts_with("dm-")) {
        auto mapping = sys::read_file("/sys/block/" + name + "/dm/name", 256);
        return mapping && remove_mapping(std::string(trim(*mapping)));
    }
    auto number = name.starts_with("md") ? block_device_number(name) : std::nullopt;
    if (!number)
        return false;
    auto node = sys::open_kernel_node(name, *number, O_RDONLY);
    return node && ::ioctl(node->raw(), STOP_ARRAY, nullptr) == 0;
}

// How deep containers may stand in each other, and no end where a fault makes a ring.
void close_above(const std::string& disk, std::vector<std::string>& closed, int depth = 64) {
    if (depth == 0)
        return;
    for (auto& pool : pools_on(disk))
        if (export_pool(pool))
            closed.push_back(std::move(pool));
    for (const auto& holder : holders_of(disk)) {
        close_above(holder, closed, depth - 1);
        if (close_device(holder))
            closed.push_back(holder);
    }
}

void close_all_above(const std::string& disk, std::vector<std::string>& closed) {
    auto until = Clock::now() + longest_busy;
    close_above(disk, closed);
    while ((!holders_of(disk).empty() || !pools_on(disk).empty()) && Clock::now() < until) {
        std::this_thread::sleep_for(pause);
        close_above(disk, closed);
    }
}

} // namespace

std::vector<std::string> close_leftovers() {
    std::vector<std::string> closed;
    if (::geteuid() != 0)
        return closed;
    for (auto& loop : sys::LoopDevice::take_abandoned())
        close_all_above(loop.disk().name(), closed);
    for (auto& nbd : sys::NbdDevice::take_abandoned()) {
        close_all_above(nbd.disk().name(), closed);
        closed.push_back(nbd.disk().name());
    }
    return closed;
}

} // namespace slipway::storage
