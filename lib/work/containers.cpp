// SPDX-License-Identifier: Apache-2.0
#include "work/containers.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/fstab.hpp"
#include "image/raid6.hpp"
#include "mount/ladder.hpp"
#include "storage/names.hpp"
#include "sys/mount.hpp"

namespace slipway::work {
namespace {

std::vector<storage::Key> keys_of(const Json& arguments) {
    std::vector<storage::Key> keys;
    for (const auto& json : json_at(arguments, "keys"))
        keys.push_back({.selector = json_get<std::string>(json, "selector"),
                        .secret = storage::Secret::take(json_get<std::string>(json, "secret"))});
    return keys;
}

bool has_containers(const mount::Volumes& volumes) {
    return std::any_of(volumes.begin(), volumes.end(), [](const auto& each) {
        return !mount::container_of_type(each.volume.type).empty();
    });
}

// A sandbox starts without the benchmark that chooses its raid6 code (lib/vm/uml_spec); to use that
// would be a call of nothing.
bool has_no_raid6() {
    auto arguments = sys::read_file("/proc/cmdline");
    return arguments && arguments->find("raid6_select_algo") != std::string::npos;
}

bool any_needs_raid6(const mount::Volumes& volumes) {
    return std::any_of(volumes.begin(), volumes.end(), [](const auto& each) {
        auto node = sys::open_file(each.node, O_RDONLY);
        return node && image::needs_raid6(*node, each.volume.type);
    });
}

Result<std::string> make_guest_node(const std::string& name, dev_t device) {
    auto path = "/dev/" + name;
    std::error_code failed;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
    if (::mknod(path.c_str(), S_IFBLK | 0600, device) == 0)
        return path;
    struct stat there {};
    if (errno == EEXIST && ::stat(path.c_str(), &there) == 0 && there.st_rdev == device)
        return path;
    return fail_errno(fmt::format("making {}", path));
}

std::string without_slashes(std::string name) {
    std::replace(name.begin(), name.end(), '/', '-');
    return name;
}

Status open_stack(OpenedRoot& opened, const Json& arguments) {
    if (!has_containers(opened.volumes))
        return {};
    storage::Devices devices;
    for (const auto& each : opened.volumes)
        devices.push_back({.volume = each.volume, .node = each.node});
    SLIPWAY_TRY(opened.stack, storage::Stack::open(opened.host, std::move(devices),
                                                   {.keys = keys_of(arguments),
                                                    .scratch = opened.workspace + "/scratch",
                                                    .pools = opened.pools}));
    for (const auto& device : opened.stack->volumes()) {
        auto volume = device.volume;
        volume.kind = device.kind;
        volume.stands_on = device.stands_on;
        // Tools of the guest take the name of a disk from the source column of mountinfo.
        auto node = device.node;
        if (device.number != 0)
            if (auto made = make_guest_node(guest_node_of(device), device.number))
                node = std::move(*made);
        opened.volumes.push_back({.volume = std::move(volume),
                                  .node = std::move(node),
                                  .mountpoint = device.mountpoint,
                                  .may_be_root = device.may_be_root});
    }
    return {};
}

} // namespace

Status open_containers(OpenedRoot& opened, const Json& arguments) {
    bool limited = has_no_raid6();
    opened.wants_raid6 = limited && any_needs_raid6(opened.volumes);
    if (!opened.wants_raid6)
        SLIPWAY_CHECK(open_stack(opened, arguments));
    opened.wants_raid6 = limited && any_needs_raid6(opened.volumes);
    return {};
}

std::string guest_node_of(const storage::Device& device) {
    auto name = std::string_view(device.volume.name);
    if (auto slash = name.find('/');
        (device.kind == "lvm" || device.kind == "snapshot") && slash != std::string_view::npos)
        return "mapper/" +
               without_slashes(storage::mapper_name(name.substr(0, slash), name.substr(slash + 1)));
    auto colon = name.find(':');
    const auto* folder = name.starts_with("md:") ? "md" : "mapper";
    std::string rest(name.substr(colon == std::string_view::npos ? 0 : colon + 1));
    return fmt::format("{}/{}", folder, without_slashes(std::move(rest)));
}

namespace {

// The guest may be hostile, and the name becomes one of a node.
bool is_plain_name(std::string_view name) {
    constexpr std::size_t longest = 127; // DM_NAME_LEN
    return !name.empty() && name.size() <= longest && name.front() != '.' &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 ||
                      std::string_view("._+-@:#=").find(static_cast<char>(c)) !=
                          std::string_view::npos;
           });
}

// The guest's name for what is in a container of LUKS stands in its crypttab.
std::string crypttab_name(const report::Inventory& inventory, const std::string& container) {
    const auto* text = inventory.file("/etc/crypttab");
    if (text == nullptr)
        return {};
    auto devices = guest::devices_of(inventory);
    for (auto line : split_lines(*text)) {
        auto words = split_words(line);
        if (words.size() < 2 || words[0].starts_with('#'))
            continue;
        auto found = devices.resolve(words[1], "");
        if (found.volume != nullptr && found.volume->name == container && is_plain_name(words[0]))
            return std::string(words[0]);
    }
    return {};
}

std::string without_dashes(std::string text) {
    std::erase(text, '-');
    return text;
}

} // namespace

std::vector<enter::GuestMapped> mapped_for_guest(const OpenedRoot& opened,
                                                 std::map<std::string, dev_t> below) {
    std::vector<enter::GuestMapped> all;
    std::set<std::string> taken;
    for (const auto& device : opened.stack->volumes())
        taken.insert(guest_node_of(device));
    for (const auto& device : opened.stack->volumes()) {
        if (device.number == 0) // a dataset of ZFS has no node
            continue;
        below[device.volume.name] = device.number;
        enter::GuestMapped mapped{.name = guest_node_of(device),
                                  .device = device.number,
                                  .size = device.volume.size,
                                  .uuid = device.volume.uuid,
                                  .label = device.volume.label};
        for (const auto& name : device.stands_on)
            mapped.below.push_back(below[name]);
        if (mapped.name.starts_with("mapper/"))
            mapped.mapping = mapped.name.substr(mapped.name.find('/') + 1);
        // Tools look at the word in front.
        if (device.kind == "lvm" || device.kind == "snapshot")
            mapped.mapping_uuid = "LVM-" + mapped.mapping;
        if (device.kind == "luks") {
            const auto& container = device.stands_on.front();
            if (auto name = crypttab_name(*opened.inventory, container);
                !name.empty() && taken.insert("mapper/" + name).second)
                mapped.mapping = name;
            const auto* volume = opened.inventory->find_volume(container);
            mapped.mapping_uuid = fmt::format(
                "CRYPT-LUKS2-{}-{}", without_dashes(volume ? volume->uuid : ""), mapped.mapping);
        }
        all.push_back(std::move(mapped));
    }
    return all;
}

Json OpenedRoot::opening_notes() const {
    std::set<std::string> missing;
    for (const auto& each : volumes)
        if (!given && mount::is_mountable_type(each.volume.type) &&
            !mount::kernel_mounts(each.volume.type))
            missing.insert(each.volume.type);
    bool wants_writable = false;
    if (stack)
        for (const auto& closed : stack->unopened()) {
            if (closed.error.code != Code::Unsupported)
                continue;
            auto container = mount::container_of_type(closed.type);
            if (writable || !container.empty())
                missing.insert(container.empty() ? closed.type : std::string(container));
            else
                wants_writable = true;
        }
    return {{"missing_in_kernel", missing},
            {"wants_writable", wants_writable},
            {"wants_raid6", wants_raid6}};
}

Error OpenedRoot::nothing_found(Error error) const {
    if (!stack || (error.code != Code::NotFound && error.code != Code::Unsupported))
        return error;
    const auto& closed = stack->unopened();
    auto wanted = std::find_if(closed.begin(), closed.end(), [](const auto& each) {
        return each.error.code == Code::KeyRequired;
    });
    if (wanted == closed.end())
        wanted = closed.begin();
    return wanted == closed.end() ? error : wanted->error;
}

} // namespace slipway::work
