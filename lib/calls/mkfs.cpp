// SPDX-License-Identifier: Apache-2.0
// Calls that make filesystems.
#include <algorithm>
#include <array>

#include <fcntl.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/tool_options.hpp"
#include "image/layout.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;
using Kind = ToolOption::Kind;

/// What a maker of filesystems calls its options; "" where it has none.
struct Maker {
    std::string_view type;
    std::string_view always;
    std::string_view label{};
    std::string_view block_size{}; ///< an option, or with '=' its beginning of a suboption
    std::string_view inode_size{};
    std::string_view sector_size{};
    std::string_view features{};
};
constexpr std::array makers{
    Maker{"ext2", "-F", "-L", "-b", "-I", "", "-O"},
    Maker{"ext3", "-F", "-L", "-b", "-I", "", "-O"},
    Maker{"ext4", "-F", "-L", "-b", "-I", "", "-O"},
    Maker{"xfs", "-f", "-L", "-b size=", "-i size=", "-s size="},
    Maker{"btrfs", "-f", "-L", "", "", "", "-O"},
    Maker{"vfat", "-I", "-n", "-s"},
    Maker{"fat", "-I", "-n", "-s"},
    Maker{"msdos", "-I", "-n", "-s"},
    Maker{"ntfs", "-Q", "-L", "-c"},
    Maker{"f2fs", "-f", "-l", "", "", "", "-O"},
    Maker{"exfat", "", "-L", "-c"},
    Maker{"nilfs2", "-f", "-L", "-b"},
    Maker{"reiserfs", "-q", "-l", "-b"},
    Maker{"jfs", "-q", "-L"},
};

bool is_type_name(std::string_view name) {
    return !name.empty() && name.front() != '-' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
           });
}

// "-b size=" and 4096: "-b" "size=4096".
void append_option(Strings& words, std::string_view option, const std::string& value) {
    auto space = option.find(' ');
    words.emplace_back(option.substr(0, space));
    words.push_back(
        space == std::string_view::npos ? value : std::string(option.substr(space + 1)) + value);
}

Status append_known(Strings& words, std::string_view option, const std::string& value,
                    const std::string& fstype, std::string_view what) {
    if (option.empty())
        return fail(
            Code::InvalidArgument,
            fmt::format("the {} of a filesystem of type {} cannot be chosen", what, fstype));
    append_option(words, option, value);
    return {};
}

Result<std::string> block_size_for(const std::string& fstype, std::int64_t size) {
    if (size <= 0 || (size & (size - 1)) != 0)
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no size of a block: it is a power of 2", size));
    bool fat = fstype == "vfat" || fstype == "msdos" || fstype == "fat";
    constexpr std::int64_t sector = 512, most_sectors = 128;
    if (fat && (size < sector || size / sector > most_sectors))
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no size of a cluster of FAT: 512 to 65536", size));
    return std::to_string(fat ? size / sector : size);
}

struct MkfsOptions {
    std::optional<std::int64_t> block_size{};
    std::optional<std::string> features{};
    std::optional<std::int64_t> inode{};
    std::optional<std::int64_t> sector_size{};
    std::optional<std::string> label{};
};

Result<Strings> mkfs_words(const std::string& fstype, const MkfsOptions& options) {
    const auto* found = std::find_if(makers.begin(), makers.end(),
                                     [&](const auto& each) { return each.type == fstype; });
    const Maker maker = found == makers.end() ? Maker{} : *found;
    Strings words{"mkfs." + fstype};
    if (!maker.always.empty())
        words.emplace_back(maker.always);
    if (options.block_size) {
        SLIPWAY_TRY(auto size, block_size_for(fstype, *options.block_size));
        SLIPWAY_CHECK(append_known(words, maker.block_size, size, fstype, "size of blocks"));
    }
    if (options.features)
        SLIPWAY_CHECK(append_known(words, maker.features, *options.features, fstype, "features"));
    for (const auto& [value, option, what] :
         {std::tuple{options.inode, maker.inode_size, "size of inodes"},
          std::tuple{options.sector_size, maker.sector_size, "size of sectors"}})
        if (value) {
            if (*value <= 0)
                return fail(Code::InvalidArgument, fmt::format("{} is no {}", *value, what));
            SLIPWAY_CHECK(append_known(words, option, std::to_string(*value), fstype, what));
        }
    // mke2fs would cut it off.
    constexpr std::size_t longest_of_ext = 16;
    if (options.label && fstype.starts_with("ext") && options.label->size() > longest_of_ext)
        return fail(Code::InvalidArgument, "a label of ext2, ext3 and ext4 has 16 bytes at most");
    if (options.label)
        SLIPWAY_CHECK(append_known(words, maker.label, *options.label, fstype, "label"));
    return words;
}

// What was there before would be found beside the new one.
Status wipe(const Device& device) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDWR | O_EXCL));
    return image::wipe_signatures(fd);
}

Status make(Machine& machine, const std::string& fstype, const Device& device,
            const MkfsOptions& options) {
    if (!is_type_name(fstype))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no type of a filesystem", printable(fstype)));
    SLIPWAY_TRY(auto words, mkfs_words(fstype, options));
    SLIPWAY_CHECK(wipe(device));
    if (!sys::find_program(words.front())) {
        auto error =
            os_error(fmt::format("filesystems of type {} cannot be made here, for want of {}",
                                 fstype, words.front()),
                     ENOENT);
        error.code = Code::Unsupported;
        return fail(std::move(error));
    }
    words.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return {};
}

Status mkfs(Machine& machine, const std::string& fstype, const Device& device,
            std::optional<std::int64_t> block_size, const std::optional<std::string>& features,
            std::optional<std::int64_t> inode, std::optional<std::int64_t> sector_size,
            const std::optional<std::string>& label) {
    return make(machine, fstype, device, {block_size, features, inode, sector_size, label});
}

Status mkfs_b(Machine& machine, const std::string& fstype, std::int64_t block_size,
              const Device& device) {
    return make(machine, fstype, device, {.block_size = block_size});
}

// In the order of the call's arguments behind the device; mke2fs(8).
constexpr ToolOption mke2fs_options[] = {
    {}, // blockscount: the last word
    {Kind::Number, "-b"},
    {Kind::Number, "-C"},
    {Kind::Number, "-g"},
    {Kind::Number, "-G"},
    {Kind::Number, "-i"},
    {Kind::Number, "-I"},
    {Kind::Number, "-J", "size="},
    {Kind::Number, "-N"},
    {Kind::Number, "-E", "stride="},
    {Kind::Number, "-E", "stripe_width="},
    {Kind::Number, "-E", "resize="},
    {Kind::Number, "-m"},
    {Kind::Number, "-E", "mmp_update_interval="},
    {Kind::Text, "-J", "device="},
    {Kind::Text, "-L"},
    {Kind::Text, "-M"},
    {Kind::Text, "-o"},
    {Kind::Text, "-t"},
    {Kind::Text, "-T"},
    {Kind::Text, "-U"},
    {}, // forcecreate
    {Kind::Flag, "-S"},
    {Kind::Flag, "-E", "lazy_itable_init=1", "lazy_itable_init=0"},
    {Kind::Flag, "-E", "lazy_journal_init=1", "lazy_journal_init=0"},
    {Kind::Flag, "-E", "test_fs"},
    {Kind::Flag, "-E", "discard", "nodiscard"},
    {}, // quotatype: of usr and grp both, which is what the feature means
    {Kind::Flag, "-O", "extent", "^extent"},
    {Kind::Flag, "-O", "filetype", "^filetype"},
    {Kind::Flag, "-O", "flex_bg", "^flex_bg"},
    {Kind::Flag, "-O", "has_journal", "^has_journal"},
    {Kind::Flag, "-O", "journal_dev", "^journal_dev"},
    {Kind::Flag, "-O", "large_file", "^large_file"},
    {Kind::Flag, "-O", "quota", "^quota"},
    {Kind::Flag, "-O", "resize_inode", "^resize_inode"},
    {Kind::Flag, "-O", "sparse_super", "^sparse_super"},
    {Kind::Flag, "-O", "uninit_bg", "^uninit_bg"},
};

Status run_mke2fs(Machine& machine, Strings words, const Device& device,
                  const std::string& block_count = {}) {
    SLIPWAY_CHECK(wipe(device));
    words.insert(words.begin(), {"mke2fs", "-F"});
    words.push_back(device.name);
    if (!block_count.empty())
        words.push_back(block_count);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return {};
}

Result<Json> mke2fs(Machine& machine, const Json& arguments, work::Peer& peer) {
    Request request{machine, arguments, peer};
    SLIPWAY_TRY(auto device, Parameter<Device>::take(request, arguments.at(0)));
    SLIPWAY_TRY(auto words, words_of(mke2fs_options, arguments, 1));
    std::string block_count;
    if (arguments.size() > 1 && arguments[1].is_number_integer())
        block_count = std::to_string(arguments[1].get<std::int64_t>());
    if (block_count.starts_with('-'))
        return fail(Code::InvalidArgument, "blockscount is negative");
    constexpr std::size_t type = 19;
    if (arguments.size() > type && arguments[type].is_string() &&
        !arguments[type].get<std::string>().starts_with("ext"))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no type of ext2, ext3 or ext4",
                                printable(arguments[type].get<std::string>())));
    constexpr std::size_t journal_device = 15;
    if (arguments.size() > journal_device && arguments[journal_device].is_string() &&
        arguments[journal_device].get<std::string>().starts_with("/dev/"))
        SLIPWAY_CHECK(machine.find_device(arguments[journal_device].get<std::string>()));
    SLIPWAY_CHECK(run_mke2fs(machine, std::move(words), device, block_count));
    return Json();
}

Status with_journal(Machine& machine, const std::string& fstype, std::int64_t block_size,
                    const Device& device, const std::string& journal) {
    return run_mke2fs(machine,
                      {"-t", fstype, "-J", "device=" + journal, "-b", std::to_string(block_size)},
                      device);
}
Status mke2fs_J(Machine& machine, const std::string& fstype, std::int64_t block_size,
                const Device& device, const Device& journal) {
    return with_journal(machine, fstype, block_size, device, journal.name);
}

// libblkid of the tool would look through all devices, also those that are none of ours.
Result<std::string> node_with(Machine& machine, std::string report::Volume::*what,
                              const std::string& value) {
    for (const auto& each : all_devices(machine))
        if (auto found = probe(each); found && !value.empty() && found->volume.*what == value)
            return each.name;
    return fail(Code::NotFound,
                fmt::format("no device has the label or UUID '{}'", printable(value)));
}
Status mke2fs_JL(Machine& machine, const std::string& fstype, std::int64_t block_size,
                 const Device& device, const std::string& label) {
    SLIPWAY_TRY(auto journal, node_with(machine, &report::Volume::label, label));
    return with_journal(machine, fstype, block_size, device, journal);
}
Status mke2fs_JU(Machine& machine, const std::string& fstype, std::int64_t block_size,
                 const Device& device, const std::string& uuid) {
    SLIPWAY_TRY(auto journal, node_with(machine, &report::Volume::uuid, to_lower(uuid)));
    return with_journal(machine, fstype, block_size, device, journal);
}

Status make_journal(Machine& machine, std::int64_t block_size, const Device& device,
                    Strings words) {
    words.insert(words.end(), {"-O", "journal_dev", "-b", std::to_string(block_size)});
    return run_mke2fs(machine, std::move(words), device);
}
Status mke2journal(Machine& machine, std::int64_t block_size, const Device& device) {
    return make_journal(machine, block_size, device, {});
}
Status mke2journal_L(Machine& machine, std::int64_t block_size, const std::string& label,
                     const Device& device) {
    return make_journal(machine, block_size, device, {"-L", label});
}
Status mke2journal_U(Machine& machine, std::int64_t block_size, const std::string& uuid,
                     const Device& device) {
    return make_journal(machine, block_size, device, {"-U", uuid});
}

// In the order of the call's arguments behind the devices; mkfs.btrfs(8). allocstart and leafsize
// are options that it has no more.
constexpr ToolOption btrfs_options[] = {
    {},
    {Kind::Number, "--byte-count", {}, {}, 1},
    {Kind::Text, "--data"},
    {Kind::Number, "--nodesize", {}, {}, 1},
    {Kind::Text, "--label"},
    {Kind::Text, "--metadata"},
    {Kind::Number, "--nodesize", {}, {}, 1},
    {Kind::Number, "--sectorsize", {}, {}, 1},
};

// Before anything is wiped: see mkfs.btrfs(8).
Status check_profile(const Json& arguments, std::size_t index) {
    constexpr std::array<std::string_view, 9> profiles{
        "raid0", "raid1", "raid1c3", "raid1c4", "raid5", "raid6", "raid10", "single", "dup"};
    if (index >= arguments.size() || !arguments[index].is_string())
        return {};
    const auto& name = arguments[index].get_ref<const std::string&>();
    return std::find(profiles.begin(), profiles.end(), name) != profiles.end()
               ? Status{}
               : fail(Code::InvalidArgument,
                      fmt::format("'{}' is no profile of btrfs", printable(name)));
}

Result<Json> mkfs_btrfs(Machine& machine, const Json& arguments, work::Peer& peer) {
    Request request{machine, arguments, peer};
    SLIPWAY_TRY(auto devices, Parameter<std::vector<Device>>::take(request, arguments.at(0)));
    if (devices.empty())
        return fail(Code::InvalidArgument, "a btrfs filesystem has one device at least");
    constexpr std::size_t datatype = 3, metadata = 6;
    SLIPWAY_CHECK(check_profile(arguments, datatype));
    SLIPWAY_CHECK(check_profile(arguments, metadata));
    SLIPWAY_TRY(auto words, words_of(btrfs_options, arguments, 1));
    words.insert(words.begin(), {"mkfs.btrfs", "--force"});
    for (const auto& device : devices) {
        SLIPWAY_CHECK(wipe(device));
        words.push_back(device.name);
    }
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return Json();
}

// Also below a mounted filesystem.
Status wipefs(Machine&, const Device& device) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDWR));
    return image::wipe_signatures(fd);
}

} // namespace

Calls mkfs_calls() {
    static constexpr Call calls[] = {
        {"mkfs", bind<mkfs>},
        {"mkfs_b", bind<mkfs_b>},
        {"mke2fs", mke2fs},
        {"mke2fs_J", bind<mke2fs_J>},
        {"mke2fs_JL", bind<mke2fs_JL>},
        {"mke2fs_JU", bind<mke2fs_JU>},
        {"mke2journal", bind<mke2journal>},
        {"mke2journal_L", bind<mke2journal_L>},
        {"mke2journal_U", bind<mke2journal_U>},
        {"mkfs_btrfs", mkfs_btrfs},
        {"wipefs", bind<wipefs>},
    };
    return calls;
}

} // namespace slipway::calls
