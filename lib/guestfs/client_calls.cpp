// SPDX-License-Identifier: Apache-2.0
#include "guestfs/client_calls.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/local_copy.hpp"

namespace slipway::guestfs {
namespace {

using State = HandleState;

Status add(State& state, Drive drive) {
    if (state.opened)
        return fail(Code::Unsupported, "drives cannot be added after launch",
                    "add all of them before");
    if (drive.scratch == 0 && ::access(drive.path.c_str(), R_OK) != 0)
        return fail_errno(printable(drive.path));
    drive.allow_backing =
        state.settings.at("allow_backing").get<bool>() || is_as_made(state, drive.path);
    state.drives.push_back(std::move(drive));
    return {};
}

bool consists_of(std::string_view text, const char* allowed) {
    return std::all_of(text.begin(), text.end(), [&](char each) {
        return std::isalpha(static_cast<unsigned char>(each)) != 0 ||
               std::string_view(allowed).find(each) != std::string_view::npos;
    });
}
Status check_choice(const char* parameter, const std::string& value,
                    std::initializer_list<std::string_view> choices) {
    if (value.empty() || std::find(choices.begin(), choices.end(), value) != choices.end())
        return {};
    return fail(Code::InvalidArgument,
                fmt::format("{}: there is no '{}'", parameter, printable(value)),
                fmt::format("use {}",
                            join(std::vector<std::string>(choices.begin(), choices.end()), ", ")));
}
// What libguestfs checks of parameters that make no difference here, too.
Status check_drive(const Json& arguments) {
    constexpr std::size_t longest_label = 20; // a disk's serial number
    SLIPWAY_CHECK(check_choice("cachemode", text_at(arguments, 10), {"writeback", "unsafe"}));
    SLIPWAY_CHECK(
        check_choice("discard", text_at(arguments, 11), {"disable", "enable", "besteffort"}));
    if (!consists_of(text_at(arguments, 3), "0123456789-_"))
        return fail(Code::InvalidArgument, "iface has letters, digits, '-' and '_' only");
    if (auto label = text_at(arguments, 5); label.size() > longest_label || !consists_of(label, ""))
        return fail(Code::InvalidArgument,
                    fmt::format("a label has up to {} letters, and nothing else", longest_label));
    if (!list_at(arguments, 7).empty())
        return fail(Code::InvalidArgument, "a drive that is a file has no server");
    return {};
}

// add_drive(filename, readonly, format, iface, name, label, protocol, server, username, secret,
// cachemode, discard, copyonread, blocksize)
Result<Json> add_drive(State& state, const Json& arguments) {
    auto protocol = text_at(arguments, 6);
    if (!protocol.empty() && protocol != "file")
        return fail(Code::Unsupported, fmt::format("drives over '{}' are not supported", protocol),
                    "copy the image, or mount its storage");
    SLIPWAY_CHECK(check_drive(arguments));
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

// mount_local(localmountpoint, readonly, options, cachetimeout, debugcalls)
Result<Json> mount_local(State& state, const Json& arguments) {
    SLIPWAY_CHECK(wait_ready(state, arguments));
    if (state.local_mount)
        return fail(Code::Busy, "the files are mounted locally already", "umount_local ends that");
    LocalMountOptions options{.directory = text_at(arguments, 0),
                              .readonly = truth_at(arguments, 1),
                              .options = text_at(arguments, 2)};
    if (auto seconds = number_at(arguments, 3); seconds > 0)
        options.cache_timeout = static_cast<unsigned>(seconds);
    SLIPWAY_TRY(state.local_mount,
                LocalMount::make(std::move(options), [&state](const char* name, const Json& words) {
                    std::lock_guard guard(state.mutex);
                    return state.call_worker(*find_signature(name), words);
                }));
    return Json();
}

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
    ClientEntry{"mount_local", mount_local},
    ClientEntry{"mount_local_run", never},
    ClientEntry{"umount_local", never},
    ClientEntry{"user_cancel", never},
    ClientEntry{"version", version},
};

std::array<ClientCalls, 3> families() {
    return {ClientCalls(entries), setting_calls(), disk_image_calls()};
}

} // namespace

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

std::vector<std::string> list_at(const Json& arguments, std::size_t index) {
    return index < arguments.size() && arguments[index].is_array()
               ? arguments[index].get<std::vector<std::string>>()
               : std::vector<std::string>{};
}

ClientCall find_client_call(std::string_view name) {
    for (auto family : families())
        for (const auto& entry : family)
            if (entry.name == name)
                return entry.call;
    return nullptr;
}

std::vector<std::string_view> client_call_names() {
    std::vector<std::string_view> names;
    for (auto family : families())
        for (const auto& entry : family)
            names.push_back(entry.name);
    return names;
}

} // namespace slipway::guestfs
