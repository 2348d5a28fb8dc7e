// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "enter/guest_machine.hpp"

namespace slipway::enter {
namespace {

// Read-only facts that tools ask for and that tell nothing about the host's disks or users, and
// what belongs to the process's own namespaces (sysvipc, net through self).
constexpr std::array harmless{"buddyinfo",    "cgroups",  "config.gz", "consoles",    "cpuinfo",
                              "crypto",       "devices",  "dma",       "execdomains", "fb",
                              "filesystems",  "loadavg",  "locks",     "meminfo",     "misc",
                              "pagetypeinfo", "softirqs", "stat",      "sysvipc",     "tty",
                              "uptime",       "version",  "vmstat",    "zoneinfo"};
constexpr std::array replaced{"cmdline", "diskstats", "mdstat", "partitions", "swaps"};

template <class List> bool has(const List& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

// Linux 5.5 and later print 17 counters after the name (Documentation/admin-guide/iostats.rst).
constexpr auto no_traffic = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";

template <class Line> std::string render_devices(const RootSpec& spec, Line line) {
    std::string text;
    for (const auto& disk : spec.disks) {
        text += line(disk.name, disk.device, disk.size);
        for (const auto& partition : spec.partitions)
            if (partition.disk == disk.name && partition.number != 0)
                text += line(partition.name, partition.device, partition.size);
    }
    return text;
}

} // namespace

std::string render_proc_partitions(const RootSpec& spec) {
    return "major minor  #blocks  name\n\n" +
           render_devices(spec, [](const std::string& name, dev_t device, std::uint64_t size) {
               return fmt::format("{:4}  {:7} {:10} {}\n", major(device), minor(device),
                                  size / 1024, name);
           });
}

std::string render_proc_diskstats(const RootSpec& spec) {
    return render_devices(spec, [](const std::string& name, dev_t device, std::uint64_t) {
        return fmt::format("{:4} {:7} {} {}\n", major(device), minor(device), name, no_traffic);
    });
}

Script plan_proc_masks(std::span<const ProcEntry> entries) {
    Script script;
    for (const auto& entry : entries) {
        auto target = "/proc/" + entry.name;
        if (entry.link || has(harmless, entry.name))
            continue;
        if (entry.name == "sys")
            script.push_back({.kind = StepKind::ReadOnly, .target = target});
        else if (has(replaced, entry.name))
            script.push_back({.kind = StepKind::Bind,
                              .target = target,
                              .source = fmt::format("{}/{}", replaced_directory, entry.name)});
        else
            script.push_back({.kind = StepKind::Bind,
                              .target = target,
                              .source = entry.directory ? empty_directory : empty_file});
    }
    return script;
}

} // namespace slipway::enter
