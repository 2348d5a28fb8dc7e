// SPDX-License-Identifier: Apache-2.0
// Calls that need no worker: drives, settings, states, images.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/local_copy.hpp"
#include "guestfs/state.hpp"
#include "image/qemu_img.hpp"
#include "sys/process.hpp"

namespace slipway::guestfs {
namespace {

using State = HandleState;

std::string text_at(const Json& arguments, std::size_t index) {
    return index < arguments.size() && arguments[index].is_string()
               ? arguments[index].get<std::string>()
               : std::string{};
}
bool truth_at(const Json& arguments, std::size_t index) {
    return index < arguments.size() && arguments[index].is_boolean() &&
           arguments[index].get<bool>();
}
std::int64_t number_at(const Json& arguments, std::size_t index) {
    return index < arguments.size() && arguments[index].is_number_integer()
               ? arguments[index].get<std::int64_t>()
               : 0;
}

Status add(State& state, Drive drive) {
    if (state.opened)
        return fail(Code::Unsupported, "drives cannot be added after launch",
                    "add all of them before");
    if (drive.scratch == 0 && ::access(drive.path.c_str(), R_OK) != 0)
        return fail_errno(printable(drive.path));
    state.drives.push_back(std::move(drive));
    return {};
}

// add_drive(filename, readonly, format, iface, name, label, protocol, …, blocksize)
Result<Json> add_drive(State& state, const Json& arguments) {
    auto protocol = text_at(arguments, 6);
    if (!protocol.empty() && protocol != "file")
        return fail(Code::Unsupported, fmt::format("drives over '{}' are not supported", protocol),
                    "copy the image, or mount its storage");
    Drive drive{.path = text_at(arguments, 0),
                .readonly = truth_at(arguments, 1),
                .label = text_at(arguments, 5),
                .block_size = static_cast<unsigned>(number_at(arguments, 13))};
    if (auto name = text_at(arguments, 2); !name.empty()) {
        SLIPWAY_TRY(drive.format, image::parse_format(name));
    }
    if (drive.block_size != 0 && drive.block_size != 512 && drive.block_size != 4096)
        return fail(Code::InvalidArgument, "blocksize must be 512 or 4096");
    SLIPWAY_CHECK(add(state, std::move(drive)));
    return Json();
}

Result<Json> add_drive_ro(State& state, const Json& arguments) {
    SLIPWAY_CHECK(add(state, {.path = text_at(arguments, 0), .readonly = true}));
    return Json();
}
Result<Json> add_drive_with_if(State& state, const Json& arguments) {
    SLIPWAY_CHECK(add(state, {.path = text_at(arguments, 0)}));
    return Json();
}
Result<Json> add_drive_scratch(State& state, const Json& arguments) {
    if (number_at(arguments, 0) <= 0)
        return fail(Code::InvalidArgument, "the size must be more than 0");
    SLIPWAY_CHECK(add(state, {.label = text_at(arguments, 2),
                              .scratch = static_cast<std::uint64_t>(number_at(arguments, 0)),
                              .block_size = static_cast<unsigned>(number_at(arguments, 3))}));
    return Json();
}

Result<Json> launch(State& state, const Json&) {
    SLIPWAY_CHECK(state.launch());
    return Json();
}
Result<Json> shutdown(State& state, const Json&) {
    SLIPWAY_CHECK(state.shutdown());
    return Json();
}
Result<Json> wait_ready(State& state, const Json&) {
    if (!state.opened)
        return fail(Code::InvalidArgument, "the handle is not launched", "call launch() first");
    return Json();
}

Result<Json> is_config(State& state, const Json&) {
    return !state.opened;
}
Result<Json> is_ready(State& state, const Json&) {
    return state.opened != nullptr;
}
// Calls come one after the other, so that nobody sees these.
Result<Json> never(State&, const Json&) {
    return false;
}
Result<Json> get_state(State& state, const Json&) {
    return state.opened ? 2 : 0; // CONFIG 0, LAUNCHING 1, READY 2
}
Result<Json> max_disks(State&, const Json&) {
    return 255;
}

// The version of the API that is followed, so that clients find what they expect.
Result<Json> version(State&, const Json&) {
    return Json{{"major", 1}, {"minor", 48}, {"release", 6}, {"extra", "slipway"}};
}

template <const char* name> Result<Json> get(State& state, const Json&) {
    return state.settings.at(name);
}
template <const char* name> Result<Json> set(State& state, const Json& arguments) {
    state.settings[name] = arguments.empty() ? Json() : arguments[0];
    return Json();
}

// disk_create(filename, format, size, backingfile, backingformat, preallocation, compat,
// clustersize)
Result<Json> disk_create(State&, const Json& arguments) {
    auto format = text_at(arguments, 1);
    if (format != "raw" && format != "qcow2")
        return fail(Code::InvalidArgument,
                    fmt::format("disks of the format '{}' are not made here", printable(format)),
                    "use raw or qcow2");
    std::vector<std::string> options;
    auto add_option = [&](std::string_view name, const std::string& value) {
        if (!value.empty())
            options.push_back(fmt::format("{}={}", name, value));
    };
    add_option("preallocation",
               text_at(arguments, 5) == "sparse" ? "metadata" : text_at(arguments, 5));
    add_option("compat", text_at(arguments, 6));
    if (number_at(arguments, 7) > 0)
        add_option("cluster_size", std::to_string(number_at(arguments, 7)));
    sys::ProcessSpec spec{.argv = {"qemu-img", "create", "-q", "-f", format}};
    for (const auto& option : options)
        spec.argv.insert(spec.argv.end(), {"-o", option});
    if (auto backing = text_at(arguments, 3); !backing.empty()) {
        if (text_at(arguments, 4).empty())
            return fail(Code::InvalidArgument, "a backing file needs backingformat");
        spec.argv.insert(spec.argv.end(), {"-b", backing, "-F", text_at(arguments, 4)});
    }
    spec.argv.push_back(std::filesystem::absolute(text_at(arguments, 0)).string());
    if (number_at(arguments, 2) >= 0)
        spec.argv.push_back(std::to_string(number_at(arguments, 2)));
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto captured, sys::run(runner, spec));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, "making a disk image"));
    return Json();
}

// mount_local(localmountpoint, readonly, options, cachetimeout, debugcalls)
Result<Json> mount_local(State& state, const Json& arguments) {
    SLIPWAY_CHECK(wait_ready(state, arguments));
    if (state.local_mount)
        return fail(Code::Busy, "the files are mounted locally already", "umount_local ends that");
    LocalMountOptions options{.directory = text_at(arguments, 0),
                              .readonly = truth_at(arguments, 1),
                              .options = text_at(arguments, 2),
                              .ask_ahead = state.opened->engine() == "host"};
    if (auto seconds = number_at(arguments, 3); seconds > 0)
        options.cache_timeout = static_cast<unsigned>(seconds);
    SLIPWAY_TRY(state.local_mount,
                LocalMount::make(std::move(options), [&state](const char* name, const Json& words) {
                    std::lock_guard guard(state.mutex);
                    return state.call_worker(*find_signature(name), words);
                }));
    return Json();
}

constexpr char trace[] = "trace", verbose[] = "verbose", autosync[] = "autosync",
               memsize[] = "memsize", smp[] = "smp", network[] = "network", path[] = "path",
               program[] = "program", identifier[] = "identifier";

struct ClientEntry {
    std::string_view name;
    ClientCall call;
};
constexpr std::array entries{
    ClientEntry{"add_drive", add_drive},
    ClientEntry{"add_drive_ro", add_drive_ro},
    ClientEntry{"add_drive_ro_with_if", add_drive_ro},
    ClientEntry{"add_drive_with_if", add_drive_with_if},
    ClientEntry{"add_cdrom", add_drive_ro},
    ClientEntry{"add_drive_scratch", add_drive_scratch},
    ClientEntry{"copy_in", copy_in},
    ClientEntry{"copy_out", copy_out},
    ClientEntry{"launch", launch},
    ClientEntry{"shutdown", shutdown},
    ClientEntry{"kill_subprocess", shutdown},
    ClientEntry{"wait_ready", wait_ready},
    ClientEntry{"is_config", is_config},
    ClientEntry{"is_ready", is_ready},
    ClientEntry{"is_busy", never},
    ClientEntry{"is_launching", never},
    ClientEntry{"get_state", get_state},
    ClientEntry{"max_disks", max_disks},
    ClientEntry{"disk_create", disk_create},
    ClientEntry{"mount_local", mount_local},
    ClientEntry{"mount_local_run", never},
    ClientEntry{"umount_local", never},
    ClientEntry{"version", version},
    ClientEntry{"get_trace", get<trace>},
    ClientEntry{"set_trace", set<trace>},
    ClientEntry{"get_verbose", get<verbose>},
    ClientEntry{"set_verbose", set<verbose>},
    ClientEntry{"get_autosync", get<autosync>},
    ClientEntry{"set_autosync", set<autosync>},
    ClientEntry{"get_memsize", get<memsize>},
    ClientEntry{"set_memsize", set<memsize>},
    ClientEntry{"get_smp", get<smp>},
    ClientEntry{"set_smp", set<smp>},
    ClientEntry{"get_network", get<network>},
    ClientEntry{"set_network", set<network>},
    ClientEntry{"get_path", get<path>},
    ClientEntry{"set_path", set<path>},
    ClientEntry{"get_program", get<program>},
    ClientEntry{"set_program", set<program>},
    ClientEntry{"get_identifier", get<identifier>},
    ClientEntry{"set_identifier", set<identifier>},
};

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && std::string_view(value) == "1";
}

} // namespace

ClientCall find_client_call(std::string_view name) {
    const auto* found = std::find_if(entries.begin(), entries.end(),
                                     [&](const auto& each) { return each.name == name; });
    return found == entries.end() ? nullptr : found->call;
}

std::vector<std::string_view> client_call_names() {
    std::vector<std::string_view> names;
    for (const auto& entry : entries)
        names.push_back(entry.name);
    return names;
}

HandleState::Settings default_settings(bool environment) {
    return {{trace, environment && is_set("LIBGUESTFS_TRACE")},
            {verbose, environment && is_set("LIBGUESTFS_DEBUG")},
            {autosync, true},
            {memsize, 1280},
            {smp, 1},
            {network, false},
            {path, "/usr/lib/slipway"},
            {program, ""},
            {identifier, ""}};
}

std::string trace_line(std::string_view name, const Json& arguments, const Signature& signature) {
    auto line = fmt::format("slipway: trace: {}", name);
    for (std::size_t i = 0; i < arguments.size() && i < signature.parameters.size(); ++i) {
        const auto& value = arguments[i];
        if (value.is_null())
            continue;
        line += ' ';
        if (signature.parameters[i].type == Type::Key)
            line += "***";
        else if (signature.parameters[i].type == Type::Bytes)
            line += fmt::format("<{} bytes>",
                                value.is_string() ? value.get_ref<const std::string&>().size() : 0);
        else
            line += render_json(value);
    }
    return line;
}

} // namespace slipway::guestfs
