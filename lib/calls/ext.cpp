// SPDX-License-Identifier: Apache-2.0
// Calls on ext2, ext3 and ext4.
#include <algorithm>
#include <array>
#include <chrono>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/tool_options.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;
using Kind = ToolOption::Kind;

Result<report::Volume> ext_of(const Device& device) {
    SLIPWAY_TRY(auto found, probe(device));
    if (!found.volume.type.starts_with("ext"))
        return fail(Code::InvalidArgument,
                    fmt::format("{} holds no ext2, ext3 or ext4", device.name));
    return found.volume;
}

Result<std::string> get_e2label(Machine&, const Device& device) {
    SLIPWAY_TRY(auto found, probe(device));
    return found.volume.label;
}

Result<std::string> get_e2uuid(Machine&, const Device& device) {
    SLIPWAY_TRY(auto found, probe(device));
    return found.volume.uuid;
}

Status set_e2label(Machine& machine, const Device& device, const std::string& label) {
    constexpr std::size_t longest = 16;
    if (label.size() > longest)
        return fail(Code::InvalidArgument, "a label of ext2, ext3 and ext4 has 16 bytes at most");
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run({"tune2fs", "-L", label, device.name}));
    return {};
}

Status set_e2uuid(Machine& machine, const Device& device, const std::string& uuid) {
    SLIPWAY_TRY([[maybe_unused]] auto done,
                machine.run({"tune2fs", "-f", "-U", uuid, device.name}));
    return {};
}

// In the order of the call's arguments behind the device; tune2fs(8).
constexpr ToolOption tune_options[] = {
    {Kind::Flag, "-f"},   {Kind::Number, "-c"}, {Kind::Number, "-C"}, {Kind::Text, "-e"},
    {Kind::Number, "-g"}, {Kind::Number, "-i"}, {Kind::Number, "-m"}, {Kind::Text, "-M"},
    {Kind::Number, "-r"}, {Kind::Number, "-u"},
};
constexpr std::size_t error_behavior = 4, interval = 6;

Result<Json> tune2fs(Machine& machine, const Json& arguments, work::Peer& peer) {
    Request request{machine, arguments, peer};
    SLIPWAY_TRY(auto device, Parameter<Device>::take(request, arguments.at(0)));
    SLIPWAY_TRY(auto words, words_of(tune_options, arguments, 1));
    if (arguments.size() > error_behavior && arguments[error_behavior].is_string()) {
        auto behavior = arguments[error_behavior].get<std::string>();
        if (behavior != "continue" && behavior != "remount-ro" && behavior != "panic")
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no behavior on errors", printable(behavior)),
                        "continue, remount-ro or panic");
    }
    // Seconds, where the tool counts days by default.
    auto option = std::find(words.begin(), words.end(), "-i");
    if (arguments.size() > interval && !arguments[interval].is_null() && option != words.end())
        *std::next(option) += "s";
    words.insert(words.begin(), "tune2fs");
    words.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return Json();
}

Result<Json> tune2fs_l(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto text, machine.run({"tune2fs", "-l", device.name}));
    auto values = Json::object();
    for (auto line : split_lines(text)) {
        auto colon = line.find(':');
        if (line.starts_with("tune2fs ") || colon == std::string_view::npos)
            continue;
        auto value = std::string(
            line.substr(std::min(line.size(), line.find_first_not_of(" \t", colon + 1))));
        bool none = value == "<none>" || value == "<not available>" || value == "(none)";
        values[std::string(line.substr(0, colon))] = none ? "" : value;
    }
    return values;
}

// 1: errors were corrected, 2: the machine should start again, which is not this one; e2fsck(8).
Status check(Machine& machine, const Device& device, Strings options) {
    options.insert(options.begin(), "e2fsck");
    options.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done,
                machine.run_tool({.argv = std::move(options)}, {0, 1, 2, 3}));
    return {};
}

Status e2fsck(Machine& machine, const Device& device, std::optional<bool> correct,
              std::optional<bool> force_all) {
    if (correct.value_or(false) && force_all.value_or(false))
        return fail(Code::InvalidArgument, "only one of correct and forceall can be chosen");
    // Without one of them it asks, and there is nobody to answer.
    Strings options{"-f"};
    if (correct.value_or(false) || force_all.value_or(false))
        options.emplace_back(force_all.value_or(false) ? "-y" : "-p");
    return check(machine, device, std::move(options));
}

Status e2fsck_f(Machine& machine, const Device& device) {
    return check(machine, device, {"-p", "-f"});
}

Status resize(Machine& machine, Strings options, const Device& device,
              const std::string& size = {}) {
    // It insists on a check, unless the filesystem is mounted.
    bool mounted = std::any_of(machine.mounted.begin(), machine.mounted.end(),
                               [&](const auto& each) { return each.source == device.name; });
    if (!mounted)
        SLIPWAY_CHECK(check(machine, device, {"-f", "-p"}));
    options.insert(options.begin(), "resize2fs");
    options.push_back(device.name);
    if (!size.empty())
        options.push_back(size);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(options)));
    return {};
}
Status resize2fs(Machine& machine, const Device& device) {
    return resize(machine, {}, device);
}
Status resize2fs_M(Machine& machine, const Device& device) {
    return resize(machine, {"-M"}, device);
}
Status resize2fs_size(Machine& machine, const Device& device, std::int64_t size) {
    constexpr std::int64_t kibibyte = 1024;
    if (size < kibibyte || size % kibibyte != 0)
        return fail(Code::InvalidArgument, fmt::format("{} is no whole number of KiB", size));
    return resize(machine, {}, device, fmt::format("{}K", size / kibibyte));
}

Status zerofree(Machine& machine, const Device& device) {
    SLIPWAY_CHECK(ext_of(device));
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run({"zerofree", device.name}));
    return {};
}

struct AttributeName {
    char letter;
    unsigned flag;
};
// chattr(1), linux/fs.h
constexpr std::array attribute_names{
    AttributeName{'A', FS_NOATIME_FL},     AttributeName{'a', FS_APPEND_FL},
    AttributeName{'c', FS_COMPR_FL},       AttributeName{'C', FS_NOCOW_FL},
    AttributeName{'D', FS_DIRSYNC_FL},     AttributeName{'d', FS_NODUMP_FL},
    AttributeName{'e', FS_EXTENT_FL},      AttributeName{'i', FS_IMMUTABLE_FL},
    AttributeName{'I', FS_INDEX_FL},       AttributeName{'j', FS_JOURNAL_DATA_FL},
    AttributeName{'s', FS_SECRM_FL},       AttributeName{'S', FS_SYNC_FL},
    AttributeName{'T', FS_TOPDIR_FL},      AttributeName{'t', FS_NOTAIL_FL},
    AttributeName{'u', FS_UNRM_FL},        AttributeName{'E', FS_ENCRYPT_FL},
    AttributeName{'V', FS_VERITY_FL},      AttributeName{'N', FS_INLINE_DATA_FL},
    AttributeName{'P', FS_PROJINHERIT_FL}, AttributeName{'F', FS_CASEFOLD_FL}};

Result<sys::OwnedFd> open_file_or_directory(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    return root.open_path(path, O_RDONLY | O_NONBLOCK);
}

Result<unsigned> flags_of(sys::BorrowedFd file, const GuestPath& path) {
    unsigned flags = 0;
    if (::ioctl(file.raw(), FS_IOC_GETFLAGS, &flags) != 0)
        return fail_errno(fmt::format("the attributes of {}", path.str()));
    return flags;
}

Result<std::string> get_e2attrs(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file_or_directory(machine, path));
    SLIPWAY_TRY(auto flags, flags_of(file, path));
    std::string letters;
    for (const auto& name : attribute_names)
        if ((flags & name.flag) != 0)
            letters += name.letter;
    std::sort(letters.begin(), letters.end());
    return letters;
}

Status set_e2attrs(Machine& machine, const GuestPath& path, const std::string& attrs,
                   std::optional<bool> clear) {
    unsigned wanted = 0;
    for (char letter : attrs) {
        const auto* name = std::find_if(attribute_names.begin(), attribute_names.end(),
                                        [&](const auto& each) { return each.letter == letter; });
        if (name == attribute_names.end() || (wanted & name->flag) != 0)
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no list of attributes", printable(attrs)));
        wanted |= name->flag;
    }
    SLIPWAY_TRY(auto file, open_file_or_directory(machine, path));
    SLIPWAY_TRY(auto flags, flags_of(file, path));
    flags = clear.value_or(false) ? flags & ~wanted : flags | wanted;
    if (::ioctl(file.raw(), FS_IOC_SETFLAGS, &flags) != 0)
        return fail_errno(fmt::format("setting attributes of {}", path.str()));
    return {};
}

Result<std::int64_t> get_e2generation(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file_or_directory(machine, path));
    unsigned generation = 0;
    if (::ioctl(file.raw(), FS_IOC_GETVERSION, &generation) != 0)
        return fail_errno(fmt::format("the generation of {}", path.str()));
    return static_cast<std::int64_t>(generation);
}

Status set_e2generation(Machine& machine, const GuestPath& path, std::int64_t generation) {
    SLIPWAY_TRY(auto file, open_file_or_directory(machine, path));
    auto value = static_cast<unsigned>(generation);
    if (::ioctl(file.raw(), FS_IOC_SETVERSION, &value) != 0)
        return fail_errno(fmt::format("setting the generation of {}", path.str()));
    return {};
}

// Large enough that e2fsck need not find blocks for it later.
Status mklost_and_found(Machine& machine, const GuestPath& mountpoint) {
    constexpr std::size_t wanted = 16 << 10, name_length = 250;
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto parent, root.open_path(mountpoint, O_PATH | O_DIRECTORY));
    if (::mkdirat(parent.raw(), "lost+found", 0700) != 0)
        return fail_errno(fmt::format("making lost+found in {}", mountpoint.str()));
    SLIPWAY_TRY(auto directory, sys::open_at(parent, "lost+found", O_RDONLY | O_DIRECTORY));
    Strings names;
    for (std::size_t i = 0; i * name_length < wanted; ++i) {
        names.push_back(fmt::format("{:0>{}}", i, name_length));
        if (::mknodat(directory.raw(), names.back().c_str(), S_IFREG | 0600, 0) != 0)
            return fail_errno(fmt::format("filling lost+found in {}", mountpoint.str()));
    }
    for (const auto& name : names)
        if (::unlinkat(directory.raw(), name.c_str(), 0) != 0)
            return fail_errno(fmt::format("emptying lost+found in {}", mountpoint.str()));
    return {};
}

} // namespace

Calls ext_calls() {
    static constexpr Call calls[] = {
        {"e2fsck", bind<e2fsck>},
        {"e2fsck_f", bind<e2fsck_f>},
        {"get_e2attrs", bind<get_e2attrs>},
        {"get_e2generation", bind<get_e2generation>},
        {"get_e2label", bind<get_e2label>},
        {"get_e2uuid", bind<get_e2uuid>},
        {"mklost_and_found", bind<mklost_and_found>},
        {"resize2fs", bind<resize2fs>},
        {"resize2fs_M", bind<resize2fs_M>},
        {"resize2fs_size", bind<resize2fs_size>},
        {"set_e2attrs", bind<set_e2attrs>},
        {"set_e2generation", bind<set_e2generation>},
        {"set_e2label", bind<set_e2label>},
        {"set_e2uuid", bind<set_e2uuid>},
        {"tune2fs", tune2fs},
        {"tune2fs_l", bind<tune2fs_l>},
        {"zerofree", bind<zerofree>},
    };
    return calls;
}

} // namespace slipway::calls
