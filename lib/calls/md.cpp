// SPDX-License-Identifier: Apache-2.0
// Calls on MD arrays.
#include <algorithm>
#include <array>
#include <cctype>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/volumes.hpp"
#include "storage/device_mapper.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

constexpr std::array<std::string_view, 9> levels{"linear", "raid0", "0",     "raid1", "1",
                                                 "mirror", "raid4", "raid5", "raid6"};

// The numbers of arrays are the kernel's, not a namespace's.
Status need_md(const Machine& machine) {
    if (!machine.own_kernel)
        return fail(Code::Unsupported, "MD arrays are not used on this machine's own kernel",
                    "--engine sandbox");
    return storage::need_md("MD");
}

Result<sys::Captured> run_mdadm(Machine& machine, Strings words) {
    words.insert(words.begin(), "mdadm");
    return machine.run_tool({.argv = std::move(words), .env = {"MDADM_NO_UDEV=1"}});
}

struct Layout {
    std::size_t members = 0; ///< without spares
    std::size_t spares = 0;
    std::uint64_t missing = 0;
};

Status check_layout(const Layout& layout, const std::vector<Device>& devices,
                    const std::string& name, const std::string& level) {
    if (name.empty() || name.size() > 32 ||
        !std::all_of(name.begin(), name.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
        }))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no name of an array", printable(name)));
    bool known = level == "raid10" || level == "10" || level == "4" || level == "5" ||
                 level == "6" || std::find(levels.begin(), levels.end(), level) != levels.end();
    if (!known)
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no level of an array", printable(level)));
    auto missing = static_cast<std::size_t>(__builtin_popcountll(layout.missing));
    if (layout.members + layout.spares != devices.size() + missing)
        return fail(
            Code::InvalidArgument,
            fmt::format("an array of {} devices and {} spares does not fit the {} that are given",
                        layout.members, layout.spares, devices.size()));
    return {};
}

Status md_create(Machine& machine, const std::string& name, const std::vector<Device>& devices,
                 std::optional<std::int64_t> missing_bitmap, std::optional<std::int64_t> nr_devices,
                 std::optional<std::int64_t> spare, std::optional<std::int64_t> chunk,
                 const std::optional<std::string>& level) {
    if (nr_devices.value_or(1) < 1 || spare.value_or(1) < 1 || chunk.value_or(1024) < 1)
        return fail(Code::InvalidArgument, "a number of devices or bytes is zero or negative");
    Layout layout{.spares = static_cast<std::size_t>(spare.value_or(0)),
                  .missing = static_cast<std::uint64_t>(missing_bitmap.value_or(0))};
    auto all = devices.size() + static_cast<std::size_t>(__builtin_popcountll(layout.missing));
    layout.members =
        nr_devices ? static_cast<std::size_t>(*nr_devices) : all - std::min(all, layout.spares);
    auto wanted = level.value_or("raid1");
    SLIPWAY_CHECK(check_layout(layout, devices, name, wanted));
    SLIPWAY_CHECK(need_md(machine));
    Strings words{"--create", "--run", "--config=none",  "/dev/md/" + name,
                  "--level",  wanted,  "--raid-devices", std::to_string(layout.members)};
    if (layout.spares > 0)
        words.insert(words.end(), {"--spare-devices", std::to_string(layout.spares)});
    if (chunk)
        words.insert(words.end(), {"--chunk", std::to_string(*chunk / 1024)});
    auto device = devices.begin();
    for (std::size_t place = 0; place < layout.members + layout.spares; ++place) {
        bool absent = place < 64 && ((layout.missing >> place) & 1) != 0;
        words.push_back(absent ? "missing" : (device++)->name);
    }
    SLIPWAY_TRY([[maybe_unused]] auto done, run_mdadm(machine, std::move(words)));
    return make_array_nodes();
}

Result<Strings> list_md_devices(Machine& machine) {
    Strings names;
    for (const auto& array : arrays(machine))
        names.push_back(array.name);
    return names;
}

// "sda1" for the kernel's "vda1".
std::string known_name(const Machine& machine, const std::string& kernel_name) {
    auto text = sys::read_file(fmt::format("/sys/class/block/{}/dev", kernel_name), 64);
    struct stat info {};
    for (const auto& device : all_devices(machine))
        if (text && ::stat(device.name.c_str(), &info) == 0 &&
            fmt::format("{}:{}", major(info.st_rdev), minor(info.st_rdev)) == trim(*text))
            return std::string(basename_of(device.name));
    return kernel_name;
}

// "device_dev_vda1_role" has the kernel's name of a member.
std::string known_key(const Machine& machine, std::string key) {
    constexpr std::string_view mark = "device_dev_";
    auto end = key.rfind('_');
    if (!key.starts_with(mark) || end <= mark.size())
        return key;
    auto name = key.substr(mark.size(), end - mark.size());
    return std::string(mark) + known_name(machine, name) + key.substr(end);
}

Result<Json> md_detail(Machine& machine, const Device& md) {
    SLIPWAY_CHECK(need_md(machine));
    SLIPWAY_TRY(auto done, run_mdadm(machine, {"--detail", "--export", md.name}));
    constexpr std::string_view mark = "MD_";
    auto values = Json::object();
    for (auto line : split_lines(done.out)) {
        auto equals = line.find('=');
        if (line.starts_with(mark) && equals != std::string_view::npos)
            values[known_key(machine, to_lower(line.substr(mark.size(), equals - mark.size())))] =
                std::string(line.substr(equals + 1));
    }
    return values;
}

// "sda1[0](F)" of a line of /proc/mdstat.
Json member_record(const Machine& machine, std::string_view word) {
    auto open = word.find('['), close = word.find(']');
    std::string flags;
    for (char c : word.substr(close + 1))
        if (c != '(' && c != ')')
            flags += c;
    auto index = parse_number(word.substr(open + 1, close - open - 1));
    return {{"mdstat_device", "/dev/" + known_name(machine, std::string(word.substr(0, open)))},
            {"mdstat_index", index ? static_cast<std::int64_t>(*index) : -1},
            {"mdstat_flags", flags}};
}

Result<Json> md_stat(Machine& machine, const Device& md) {
    SLIPWAY_CHECK(need_md(machine));
    SLIPWAY_TRY(auto text, sys::read_file("/proc/mdstat"));
    auto name = basename_of(md.name);
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        if (words.size() < 2 || words[0] != name || words[1] != ":")
            continue;
        auto members = Json::array();
        for (auto word : words)
            if (word.find('[') != std::string_view::npos &&
                word.find(']') != std::string_view::npos)
                members.push_back(member_record(machine, word));
        return members;
    }
    return fail(Code::NotFound, fmt::format("{} is no array", md.name));
}

Status md_stop(Machine& machine, const Device& md) {
    SLIPWAY_CHECK(need_md(machine));
    SLIPWAY_TRY([[maybe_unused]] auto done,
                run_mdadm(machine, {"--stop", "--config=none", md.name}));
    ::unlink(md.name.c_str());
    return {};
}

} // namespace

Calls md_calls() {
    static constexpr Call calls[] = {
        {"list_md_devices", bind<list_md_devices>},
        {"md_create", bind<md_create>},
        {"md_detail", bind<md_detail>},
        {"md_stat", bind<md_stat>},
        {"md_stop", bind<md_stop>},
    };
    return calls;
}

} // namespace slipway::calls
