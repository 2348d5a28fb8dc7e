// SPDX-License-Identifier: Apache-2.0
#include "storage/opening.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "image/layout.hpp"
#include "storage/device_mapper.hpp"
#include "storage/names.hpp"
#include "sys/fd.hpp"

namespace slipway::storage {

Result<NodeState> state_of_node(const std::string& node) {
    SLIPWAY_TRY(auto fd, sys::open_file(node, O_RDONLY));
    struct stat status {};
    if (::fstat(fd.raw(), &status) != 0)
        return fail_errno(fmt::format("looking at {}", node));
    if (!S_ISBLK(status.st_mode))
        return fail(Code::InvalidArgument, fmt::format("{} is no block device", node));
    NodeState state{.number = status.st_rdev};
    int read_only = 0;
    if (::ioctl(fd.raw(), BLKGETSIZE64, &state.size) != 0 ||
        ::ioctl(fd.raw(), BLKROGET, &read_only) != 0)
        return fail_errno(fmt::format("looking at {}", node));
    state.read_only = read_only != 0;
    return state;
}

Status make_block_node(const std::string& node, dev_t number) {
    struct stat status {};
    if (::stat(node.c_str(), &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == number)
        return {};
    ::unlink(node.c_str());
    if (::mknod(node.c_str(), S_IFBLK | 0600, number) != 0)
        return fail_errno(fmt::format("making {}", node));
    return {};
}

std::vector<std::size_t> Opening::waiting(std::string_view type) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < devices.size(); ++i)
        if (devices[i].volume.type == type && !done_.contains(devices[i].volume.name))
            found.push_back(i);
    return found;
}

void Opening::refuse(std::size_t index, Error error) {
    const auto& volume = devices[index].volume;
    done_with(index);
    refuse({.volume = volume.name,
            .type = volume.type,
            .uuid = volume.uuid,
            .error = std::move(error)});
}

void Opening::refuse(Unopened refused) {
    bool locked = refused.error.code == Code::KeyRequired;
    report::add_new(findings, {{.id = locked ? "storage-locked" : "storage-unopened",
                                .severity = report::Severity::Warning,
                                .where = refused.volume,
                                .text = render_line(refused.error),
                                .remedy = refused.error.hint}});
    unopened.push_back(std::move(refused));
}

std::string Opening::fresh_mapping() {
    // A worker is the first process of its namespace: its number says nothing.
    std::uint64_t number = 0;
    (void)::getrandom(&number, sizeof number, 0);
    return fmt::format("slipway-{:016x}", number);
}

Result<Opening::Mapped> Opening::add_mapping(const std::string& volume, const LinearMap& map) {
    SLIPWAY_TRY(auto number, create_linear(map));
    auto node = fmt::format("/dev/mapper/{}", map.name);
    layers.push_back(
        {.name = volume, .nodes = {node}, .close = [name = map.name, node]() -> Status {
             SLIPWAY_CHECK(remove_mapping(name));
             ::unlink(node.c_str());
             return {};
         }});
    SLIPWAY_CHECK(make_block_node(node, number));
    return Mapped{number, node};
}

Status Opening::add_partition(const Device& container, report::Volume volume) {
    // The kernel makes no partitions of mapped devices, and we need none of its own elsewhere.
    SLIPWAY_CHECK(need_device_mapper("partitions of " + container.volume.name));
    LinearMap map{.name = fresh_mapping(),
                  .extents = {{container.number, volume.start, volume.size}},
                  .read_only = container.read_only};
    SLIPWAY_TRY(auto mapped, add_mapping(volume.name, map));
    auto& [number, node] = mapped;
    volume.disk = container.volume.name;
    devices.push_back({.volume = std::move(volume),
                       .node = node,
                       .number = number,
                       .kind = "partition",
                       .stands_on = {container.volume.name},
                       .read_only = container.read_only});
    return {};
}

Status Opening::add(Found found) {
    SLIPWAY_CHECK(make_block_node(found.node, found.number));
    SLIPWAY_TRY(auto state, state_of_node(found.node));
    Device device{.volume = {.name = found.name, .disk = "", .size = state.size, .type = ""},
                  .node = found.node,
                  .number = found.number,
                  .kind = std::move(found.kind),
                  .stands_on = std::move(found.stands_on),
                  .read_only = state.read_only};
    SLIPWAY_TRY(auto fd, sys::open_file(found.node, O_RDONLY));
    auto layout = image::probe_layout(fd, partition_base(found.name), state.size);
    fd.reset();
    if (!layout)
        findings.push_back({.id = "storage-unreadable",
                            .severity = report::Severity::Warning,
                            .where = found.name,
                            .text = render_line(layout.error()),
                            .remedy = layout.error().hint});
    bool whole = layout && layout->table == "none";
    if (whole && !layout->volumes.empty()) {
        auto name = std::move(device.volume.name);
        device.volume = std::move(layout->volumes.front());
        device.volume.name = std::move(name);
        device.volume.disk.clear();
    }
    // Its UUID and label are those of the volume that it is a snapshot of, which they name.
    if (device.kind == "snapshot") {
        device.volume.uuid = device.volume.label = {};
        device.may_be_root = false;
    }
    devices.push_back(device);
    if (!layout || whole)
        return {};
    for (auto& volume : layout->volumes) {
        auto name = volume.name;
        if (auto added = add_partition(device, std::move(volume)); !added)
            refuse({.volume = name, .type = "", .uuid = "", .error = std::move(added).error()});
    }
    return {};
}

} // namespace slipway::storage
