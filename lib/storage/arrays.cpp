// SPDX-License-Identifier: Apache-2.0
// Linux MD arrays (0, 1, 4, 5, 6, 10, linear), by mdadm on named members.
#include <algorithm>
#include <map>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/device_mapper.hpp"
#include "storage/md_text.hpp"
#include "storage/names.hpp"
#include "storage/opening.hpp"
#include "storage/udev.hpp"

namespace slipway::storage {
namespace {

constexpr auto member_type = "linux_raid_member";
constexpr std::chrono::seconds tool_deadline{60};

struct Array {
    MemberRecord record;
    std::vector<std::size_t> members; ///< by index into the devices
};

Result<sys::Captured> run_tool(const sys::Host& host, const sys::ProcessSpec& spec,
                               const std::string& what) {
    SLIPWAY_TRY(auto captured,
                sys::run(*host.runner, spec, {.deadline = tool_deadline, .cancel = host.cancel}));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, what));
    return captured;
}

std::string md_file(unsigned number, std::string_view name) {
    return fmt::format("/sys/block/md{}/md/{}", number, name);
}

Status stop(const sys::Host& host, unsigned number) {
    auto node = fmt::format("/dev/md{}", number);
    auto spec = stop_spec(node);
    auto done = sys::run(*host.runner, spec, {.deadline = tool_deadline});
    ::unlink(node.c_str());
    // The kernel is asked, not the tool: an array without a level is stopped. It goes a moment
    // later.
    auto state = sys::read_file(md_file(number, "array_state"), 64);
    for (int tries = 0; tries < 100 && state && trim(*state) == "clear"; ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        state = sys::read_file(md_file(number, "array_state"), 64);
    }
    if (!state || trim(*state) == "clear")
        return {};
    if (!done)
        return fail(std::move(done).error());
    SLIPWAY_CHECK(sys::check_tool(spec, *done, "stopping an MD array"));
    return fail(Code::Busy, "an MD array is still in use");
}

// From read-only to "as soon as something is written", and no resync in a copy of the guest: that
// writes whole disks, and the guest does it at its next boot. Levels without redundancy refuse the
// first, which is right. Documentation/admin-guide/md.rst
Status allow_writes(unsigned number) {
    (void)sys::write_file(md_file(number, "sync_action"), "frozen");
    return sys::write_file(md_file(number, "array_state"), "read-auto");
}

std::string label_of(const Opening& opening, const MemberRecord& record, bool twin) {
    auto name = array_name(record.name), uuid = array_uuid(record.uuid);
    if (name.empty())
        return fmt::format("md:{}", uuid);
    auto label = fmt::format("md:{}", name);
    return twin || opening.names_in_use.contains(label)
               ? fmt::format("{}@{}", label, uuid.substr(0, 8))
               : label;
}

void tell_degraded(Opening& opening, const std::string& name, const Array& array, unsigned number) {
    auto text = sys::read_file(md_file(number, "degraded"), 64);
    auto missing = text ? parse_number(trim(*text)).value_or(0) : 0;
    if (missing == 0)
        return;
    opening.findings.push_back(
        {.id = "md-degraded",
         .severity = report::Severity::Warning,
         .where = name,
         .text = fmt::format("the {} array runs without {} of its {} members", array.record.level,
                             missing, array.record.devices),
         .remedy = "give the image of the missing disk too, with --disk, or repair the array in "
                   "the guest"});
}

Result<std::size_t> start(Opening& opening, const Array& array, const std::string& name) {
    SLIPWAY_CHECK(need_md("MD array"));
    SLIPWAY_CHECK(keep_udev_off(opening.host()));
    auto number = free_md_number();
    if (!number)
        return fail(Code::Busy, "no MD device is free", "--engine sandbox");
    std::vector<std::string> nodes, below;
    bool read_only = false;
    for (auto index : array.members) {
        nodes.push_back(opening.devices[index].node);
        below.push_back(opening.devices[index].volume.name);
        read_only = read_only || opening.devices[index].read_only;
    }
    auto node = fmt::format("/dev/md{}", *number);
    auto started = run_tool(opening.host(), assemble_spec(node, array.record.uuid, nodes),
                            fmt::format("starting the array {}", name));
    auto device = started ? block_device_number(fmt::format("md{}", *number)) : std::nullopt;
    if (!device) {
        // mdadm may leave it half put together, which would hold its members.
        (void)stop(opening.host(), *number);
        if (!started && nodes.size() < array.record.devices)
            return fail(
                {.code = Code::NotFound,
                 .what = fmt::format("the {} array {} cannot run with {} of its {} members",
                                     array.record.level, name, nodes.size(), array.record.devices),
                 .tool = std::move(started.error().tool),
                 .hint = "give the images of all its disks: --disk FILE for each further "
                         "one"});
        if (!started)
            return fail(std::move(started).error());
        return fail(Code::ToolFailed, fmt::format("mdadm started no array {}", name));
    }
    opening.layers.push_back(
        {.name = name, .nodes = {node}, .close = [host = opening.host(), at = *number] {
             return stop(host, at);
         }});
    tell_degraded(opening, name, array, *number);
    if (!read_only)
        SLIPWAY_CHECK(allow_writes(*number));
    auto before = opening.devices.size();
    SLIPWAY_CHECK(opening.add({.name = name,
                               .kind = "md",
                               .stands_on = std::move(below),
                               .node = node,
                               .number = *device}));
    return opening.devices.size() - before;
}

// By UUID; members that say nothing are refused.
std::map<std::string, Array> survey(Opening& opening) {
    std::map<std::string, Array> arrays;
    for (auto index : opening.waiting(member_type)) {
        const auto& device = opening.devices[index];
        auto examined = run_tool(opening.host(), examine_spec(device.node),
                                 fmt::format("examining {}", device.volume.name));
        if (!examined) {
            auto error = std::move(examined).error();
            if (error.code == Code::NotFound)
                error = Error{.code = Code::Unsupported,
                              .what = "no MD here: mdadm is missing",
                              .hint = "apt install mdadm"};
            opening.refuse(index, std::move(error));
            continue;
        }
        auto record = parse_member(examined->out, device.volume.name);
        if (!record) {
            opening.refuse(index, std::move(record).error());
            continue;
        }
        auto& array = arrays[record->uuid];
        array.record = std::move(*record);
        array.members.push_back(index);
    }
    return arrays;
}

bool has_twin(const std::map<std::string, Array>& arrays, const Array& array) {
    return std::count_if(arrays.begin(), arrays.end(), [&](const auto& each) {
               return array_name(each.second.record.name) == array_name(array.record.name);
           }) > 1;
}

// A mirror of two would otherwise run twice, each half by itself.
Error late_member(const std::string& volume) {
    return {.code = Code::Exists,
            .what =
                fmt::format("{} belongs to an MD array that is open already without it", volume),
            .hint = "open the image without the disk that is a copy of another one"};
}

} // namespace

Result<bool> open_arrays(Opening& opening, Completeness completeness) {
    bool found = false;
    auto arrays = survey(opening);
    for (const auto& [uuid, array] : arrays) {
        if (completeness == Completeness::Whole && array.members.size() < array.record.devices)
            continue;
        if (opening.names_in_use.contains("md:" + uuid)) {
            for (auto index : array.members)
                opening.refuse(index, late_member(opening.devices[index].volume.name));
            continue;
        }
        bool twin = has_twin(arrays, array);
        auto name = label_of(opening, array.record, twin);
        if (twin)
            opening.findings.push_back(
                {.id = "md-duplicate-name",
                 .severity = report::Severity::Warning,
                 .where = name,
                 .text = "the image has two arrays of this name; UUIDs tell them apart here"});
        auto started = start(opening, array, name);
        if (!started && started.error().code == Code::Cancelled)
            return fail(std::move(started).error());
        if (started)
            opening.names_in_use.insert({name, "md:" + uuid});
        for (auto index : array.members)
            started ? opening.done_with(index) : opening.refuse(index, started.error());
        found = found || (started && *started > 0);
    }
    return found;
}

} // namespace slipway::storage
