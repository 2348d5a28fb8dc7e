// SPDX-License-Identifier: Apache-2.0
#include "calls/machine.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/volumes.hpp"
#include "image/partition_table.hpp"
#include "mount/forget.hpp"
#include "sys/mount.hpp"
#include "work/given_tree.hpp"
#include "work/surroundings.hpp"

namespace slipway::calls {
namespace {

constexpr std::string_view subvolume_mark = "btrfsvol:";
constexpr std::chrono::hours tool_deadline{12}; // of resize2fs and such on a large disk
constexpr std::size_t most_output = 64 << 20;

bool is_block_device(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
}

// "/dev/disk/guestfs/LABEL2" is a partition of the drive with that label.
std::string without_label(const std::vector<image::AttachedDisk>& disks, const std::string& name) {
    constexpr std::string_view labels = "/dev/disk/guestfs/";
    if (name.starts_with(labels))
        for (const auto& disk : disks) {
            auto device = std::string(labels) + disk.disk().serial;
            if (!disk.disk().serial.empty() && name.starts_with(device) &&
                (name == device || parse_number(name.substr(device.size()))))
                return "/dev/" + disk.disk().name + name.substr(device.size());
        }
    return name;
}

// The kernel's device of an extended partition is just large enough for a boot loader.
std::uint64_t size_in_kernel(const image::Partition& partition, std::uint64_t sector_size) {
    return partition.is_extended
               ? std::min(partition.size, std::max<std::uint64_t>(sector_size, 1024))
               : partition.size;
}

} // namespace

std::string failure_of(const sys::ProcessSpec& spec, const sys::Captured& captured) {
    constexpr std::size_t most = 500;
    auto said = trim(captured.err.empty() ? captured.out : captured.err);
    return fmt::format("{}: {}", basename_of(spec.argv.front()),
                       said.empty() ? fmt::format("status {}", captured.status)
                                    : printable(excerpt(said, most)));
}

std::string Mountable::str() const {
    return subvolume.empty() ? device.name
                             : fmt::format("{}{}/{}", subvolume_mark, device.name, subvolume);
}

Result<Json> Machine::handle(std::string_view operation, const Json& arguments, work::Peer& peer) {
    host.log =
        Log(Level::Debug, [&peer](Level level, std::string_view text) { peer.log(level, text); });
    host.progress = [&peer](const sys::Progress& progress) { peer.progress(progress); };
    host.cancel =
        Cancel([&peer, closes = operation == "close"] { return !closes && peer.cancelled(); });
    if (operation == "launch") {
        if (std::exchange(launched_, true))
            return fail(Code::InvalidArgument, "the machine was launched before");
        return launch(arguments);
    }
    if (operation == "close") {
        SLIPWAY_CHECK(close());
        return Json::object();
    }
    const auto* call = find_call(operation);
    if (!launched_ || call == nullptr)
        return fail(Code::InvalidArgument, fmt::format("there is no call '{}'", operation));
    return call->handle(*this, json_at(arguments, "args"), peer);
}

Result<Json> Machine::launch(const Json& arguments) {
    host.runner = &runner;
    ::umask(022); // not the caller's
    SLIPWAY_TRY(auto specs, work::disk_specs(arguments));
    network = json_get<bool>(arguments, "network");
    SLIPWAY_TRY(host_network, sys::open_file("/proc/self/ns/net", O_RDONLY));
    SLIPWAY_TRY(workspace, work::make_surroundings());
    sysroot = workspace + "/root";
    for (const auto& spec : specs) {
        auto index = static_cast<unsigned>(disks.size());
        SLIPWAY_TRY(auto disk, image::AttachedDisk::attach(host, spec, index, workspace));
        disks.push_back(std::move(disk));
        auto& attached = disks.back();
        SLIPWAY_TRY([[maybe_unused]] auto node,
                    work::make_disk_node(attached.disk().name, attached.device()));
        SLIPWAY_CHECK(look_at(attached));
    }
    own_kernel = std::all_of(specs.begin(), specs.end(),
                             [](const auto& spec) { return !spec.device.empty(); });
    SLIPWAY_CHECK(open_containers(*this));
    return Json{
        {"missing_in_kernel", missing_in_kernel(*this, json_get<bool>(arguments, "make_new"))}};
}

Status Machine::look_at(image::AttachedDisk& disk) {
    const auto& name = disk.disk().name;
    // A disk without a table, or with one that contradicts itself, has no partitions.
    auto table = image::PartitionTable::read("/dev/" + name);
    std::set<std::string> present;
    if (table)
        for (const auto& partition : table->partitions()) {
            auto node = fmt::format("{}{}", name, partition.number);
            auto number = disk.kernel_disk().add_partition(
                {.number = partition.number,
                 .start = partition.start,
                 .size = size_in_kernel(partition, table->sector_size())});
            if (!number && number.error().code == Code::InvalidArgument)
                continue; // it overlaps another one, or reaches past the end
            SLIPWAY_CHECK(number);
            ::unlink(fmt::format("/dev/{}", node).c_str());
            SLIPWAY_TRY([[maybe_unused]] auto path, work::make_disk_node(node, *number));
            present.insert(node);
        }
    // What has gone from the table.
    std::vector<std::filesystem::path> gone;
    for (const auto& entry : std::filesystem::directory_iterator("/dev")) {
        auto node = entry.path().filename().string();
        auto digits = std::string_view(node).substr(std::min(name.size(), node.size()));
        if (node.starts_with(name) && parse_number(digits) && !present.contains(node))
            gone.push_back(entry.path());
    }
    for (const auto& path : gone) {
        auto digits = path.filename().string().substr(name.size());
        SLIPWAY_CHECK(
            disk.kernel_disk().remove_partition(static_cast<unsigned>(*parse_number(digits))));
        std::filesystem::remove(path);
    }
    return {};
}

image::AttachedDisk* Machine::disk_of(const Device& device) {
    for (auto& disk : disks) {
        auto node = "/dev/" + disk.disk().name;
        if (device.name == node ||
            (device.name.starts_with(node) && parse_number(device.name.substr(node.size()))))
            return &disk;
    }
    return nullptr;
}

Result<Device> Machine::find_device(const std::string& given) const {
    if (!given.starts_with("/dev/") || given.find('\0') != std::string::npos ||
        given.find("..") != std::string::npos)
        return fail(Code::InvalidArgument,
                    fmt::format("{}: a device name begins with /dev/", printable(given)));
    auto name = without_label(disks, given);
    // A logical volume has two names.
    if (name.starts_with("/dev/mapper/"))
        for (auto& volume : logical_volumes(*this))
            if (name == "/dev/mapper/" + volume.mapping)
                return std::move(volume.device);
    if (is_block_device(name))
        return Device{name};
    // Scripts that were written for another bus.
    for (std::string_view bus : {"/dev/hd", "/dev/vd"})
        if (name.starts_with(bus)) {
            auto known = "/dev/sd" + name.substr(bus.size());
            if (is_block_device(known))
                return Device{known};
        }
    return fail(os_error(printable(given), ENOENT));
}

Result<Mountable> Machine::find_mountable(const std::string& name) const {
    if (!name.starts_with(subvolume_mark)) {
        SLIPWAY_TRY(auto device, find_device(name));
        return Mountable{std::move(device)};
    }
    // The name of a logical volume has a slash too: the longest device counts.
    auto text = name.substr(subvolume_mark.size());
    for (auto slash = text.rfind('/'); slash != std::string::npos && slash > 0;
         slash = text.rfind('/', slash - 1)) {
        auto device = find_device(text.substr(0, slash));
        if (!device)
            continue;
        auto subvolume = text.substr(slash + 1);
        if (!mount::is_safe_subvolume(subvolume))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no name of a subvolume", printable(subvolume)));
        return Mountable{std::move(*device), subvolume};
    }
    return fail(os_error(printable(name), ENOENT));
}

Result<sys::RootDir> Machine::root() const {
    if (!given_root.empty())
        return sys::RootDir::open(given_root);
    if (mounted.empty())
        return fail(Code::InvalidArgument, "no filesystem is mounted",
                    "mount the root filesystem first: mount(device, \"/\")");
    return sys::RootDir::open(sysroot);
}

Result<std::string> Machine::run(std::vector<std::string> argv, std::string input) const {
    sys::ProcessSpec spec{.argv = std::move(argv)};
    SLIPWAY_TRY(auto captured, sys::run(*host.runner, spec,
                                        {.deadline = tool_deadline,
                                         .max_output = most_output,
                                         .input = std::move(input)}));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, failure_of(spec, captured)));
    return std::move(captured.out);
}

void Machine::leave_root() {
    chroot.reset();
    augeas.reset();
    hive.reset();
}

Result<sys::Captured> Machine::run_tool(sys::ProcessSpec spec,
                                        const std::vector<int>& accepted) const {
    SLIPWAY_TRY(auto captured, sys::run(*host.runner, spec,
                                        {.deadline = tool_deadline, .max_output = most_output}));
    if (std::find(accepted.begin(), accepted.end(), captured.status) == accepted.end())
        SLIPWAY_CHECK(sys::check_tool(spec, captured, failure_of(spec, captured)));
    return captured;
}

Status Machine::unmount_all() {
    Status first;
    leave_root();
    for (; !mounted.empty(); mounted.pop_back()) {
        auto done = mounted.back().volume.unmount();
        if (done && mounted.back().loop)
            done = mounted.back().loop->detach();
        if (!done && first)
            first = std::move(done);
    }
    return first;
}

void Machine::forget_filesystems() const {
    mount::Volumes volumes;
    for (const auto& device : all_devices(*this))
        volumes.push_back(
            {.volume = {.name = device.name, .disk = "", .type = "btrfs"}, .node = device.name});
    mount::forget_btrfs_devices(volumes);
}

Status Machine::close() {
    Status first;
    auto note = [&first](Status status) {
        if (first && !status)
            first = std::move(status);
    };
    note(close_swaps(*this));
    note(unmount_all());
    note(close_containers(*this));
    forget_filesystems();
    for (auto disk = disks.rbegin(); disk != disks.rend(); ++disk)
        note(disk->detach());
    disks.clear();
    return first;
}

Status Input::each(const std::function<Status(std::string_view)>& take) const {
    while (true) {
        SLIPWAY_TRY(auto event, peer_->next_event(std::chrono::seconds(1)));
        if (!event)
            continue;
        if (event->kind == work::Event::Kind::Cancel)
            return fail(Code::Cancelled, "stopped on request");
        if (event->kind == work::Event::Kind::EndOfInput)
            return {};
        if (event->kind != work::Event::Kind::Data)
            continue;
        SLIPWAY_CHECK(take(event->bytes));
        peer_->consumed(event->bytes.size());
    }
}

Result<std::string> Input::whole(std::size_t limit) const {
    std::string content;
    SLIPWAY_CHECK(each([&](std::string_view piece) -> Status {
        if (content.size() + piece.size() > limit)
            return fail(Code::NoSpace, fmt::format("the content is larger than {} bytes", limit));
        content += piece;
        return {};
    }));
    return content;
}

Result<sys::GuestPath> Parameter<sys::GuestPath>::take(const Request&, const Json& json) {
    if (!json.is_string())
        return fail(Code::InvalidArgument, "a path is no string");
    const auto& text = json.get_ref<const std::string&>();
    if (!text.starts_with('/'))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}': a path begins with '/'", printable(text)));
    return sys::GuestPath::parse(text);
}

Result<Device> Parameter<Device>::take(const Request& request, const Json& json) {
    if (!json.is_string())
        return fail(Code::InvalidArgument, "a device is no string");
    return request.machine.find_device(json.get<std::string>());
}

Result<std::vector<Device>> Parameter<std::vector<Device>>::take(const Request& request,
                                                                 const Json& json) {
    SLIPWAY_TRY(auto names, Parameter<std::vector<std::string>>::take(request, json));
    std::vector<Device> devices;
    for (const auto& name : names) {
        SLIPWAY_TRY(auto device, request.machine.find_device(name));
        devices.push_back(std::move(device));
    }
    return devices;
}

Result<Mountable> Parameter<Mountable>::take(const Request& request, const Json& json) {
    if (!json.is_string())
        return fail(Code::InvalidArgument, "a device is no string");
    return request.machine.find_mountable(json.get<std::string>());
}

Result<storage::Secret> Parameter<storage::Secret>::take(const Request&, const Json& json) {
    if (!json.is_string())
        return fail(Code::InvalidArgument, "a key is no string");
    return storage::Secret(json.get_ref<const std::string&>());
}

} // namespace slipway::calls
