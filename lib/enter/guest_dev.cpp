// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <climits>
#include <set>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "enter/guest_machine.hpp"

namespace slipway::enter {
namespace {

struct CharNode {
    const char* name;
    unsigned major, minor;
    mode_t mode;
};
// Documentation/admin-guide/devices.txt
constexpr CharNode char_nodes[] = {{"null", 1, 3, 0666},    {"zero", 1, 5, 0666},
                                   {"full", 1, 7, 0666},    {"random", 1, 8, 0666},
                                   {"urandom", 1, 9, 0666}, {"tty", 5, 0, 0666}};

struct NamedLink {
    const char* name;
    const char* target;
};
constexpr NamedLink fixed_links[] = {{"fd", "/proc/self/fd"},
                                     {"stdin", "/proc/self/fd/0"},
                                     {"stdout", "/proc/self/fd/1"},
                                     {"stderr", "/proc/self/fd/2"},
                                     {"ptmx", "pts/ptmx"}};

// gid 5 is "tty" in every distribution.
constexpr auto pts_options = "newinstance,ptmxmode=0666,mode=0620,gid=5";

std::size_t utf8_length(std::string_view text) {
    auto first = static_cast<unsigned char>(text[0]);
    std::size_t length = first >= 0xF0 && first < 0xF5 ? 4
                         : first >= 0xE0               ? 3
                         : first >= 0xC2               ? 2
                                                       : 0;
    if (first >= 0xF5 || length == 0 || length > text.size())
        return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80)
            return 0;
    return length;
}

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("#+-.:=@_").find(c) != std::string_view::npos;
}

class DiskLinks {
public:
    explicit DiskLinks(Script& script) : script_(script) {}

    // Of several partitions with one name the first keeps it.
    void add(const char* kind, const std::string& value, const std::string& node) {
        auto name = encode_udev_name(value);
        if (name.empty() || name == "." || name == ".." || name.size() > NAME_MAX)
            return;
        auto folder = fmt::format("/dev/disk/by-{}", kind);
        make_directory("/dev/disk");
        make_directory(folder);
        add_link(fmt::format("{}/{}", folder, name), "../../" + node);
    }
    void add_directory(const std::string& path) { make_directory(path); }
    void add_number(dev_t device, const std::string& node) {
        make_directory("/dev/block");
        add_link(fmt::format("/dev/block/{}:{}", major(device), minor(device)), "../" + node);
    }

private:
    void make_directory(const std::string& path) {
        if (made_.insert(path).second)
            script_.push_back({.kind = StepKind::Directory, .target = path, .mode = 0755});
    }
    void add_link(const std::string& path, const std::string& target) {
        if (made_.insert(path).second)
            script_.push_back({.kind = StepKind::Link, .target = path, .source = target});
    }
    Script& script_;
    std::set<std::string> made_;
};

void plan_disks(const RootSpec& spec, Script& script) {
    DiskLinks links(script);
    auto add_node = [&](const std::string& name, dev_t device) {
        script.push_back({.kind = StepKind::Node,
                          .target = "/dev/" + name,
                          .mode = S_IFBLK | 0660,
                          .device = device});
        links.add_number(device, name);
    };
    for (const auto& disk : spec.disks)
        add_node(disk.name, disk.device);
    for (const auto& partition : spec.partitions) {
        // A filesystem on the whole disk has the disk's own name.
        if (partition.number != 0)
            add_node(partition.name, partition.device);
        links.add("uuid", partition.uuid, partition.name);
        links.add("label", partition.label, partition.name);
        links.add("partuuid", partition.partuuid, partition.name);
        links.add("partlabel", partition.partlabel, partition.name);
    }
    for (const auto& mapped : spec.mapped) {
        links.add_directory("/dev/" + std::string(dirname_of(mapped.name)));
        add_node(mapped.name, mapped.device);
        if (!mapped.mapping.empty() && mapped.name != "mapper/" + mapped.mapping)
            add_node("mapper/" + mapped.mapping, mapped.device);
        links.add("uuid", mapped.uuid, mapped.name);
        links.add("label", mapped.label, mapped.name);
    }
}

} // namespace

std::string encode_udev_name(std::string_view text) {
    std::string encoded;
    while (!text.empty()) {
        std::size_t length = utf8_length(text);
        if (length == 0 && !is_plain(text[0]))
            encoded += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        else
            encoded += text.substr(0, std::max<std::size_t>(length, 1));
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return encoded;
}

Step console_link() {
    return {.kind = StepKind::Link, .target = "/dev/console", .source = "pts/0"};
}

Script plan_dev(const RootSpec& spec) {
    Script script;
    // mode=0755: in a sticky 1777 directory shell redirections to nodes of others fail with EACCES
    // (fs.protected_regular).
    script.push_back({.kind = StepKind::Mount,
                      .target = "/dev",
                      .source = "tmpfs",
                      .options = "mode=0755,size=256m,nr_inodes=16k",
                      .flags = MS_NOSUID});
    for (const auto& node : char_nodes)
        script.push_back({.kind = StepKind::Node,
                          .target = fmt::format("/dev/{}", node.name),
                          .mode = S_IFCHR | node.mode,
                          .device = makedev(node.major, node.minor)});
    for (const auto& link : fixed_links)
        script.push_back({.kind = StepKind::Link,
                          .target = fmt::format("/dev/{}", link.name),
                          .source = link.target});
    plan_disks(spec, script);
    script.push_back({.kind = StepKind::Directory, .target = "/dev/shm", .mode = 01777});
    script.push_back({.kind = StepKind::Directory, .target = "/dev/pts", .mode = 0755});
    script.push_back({.kind = StepKind::Mount,
                      .target = "/dev/pts",
                      .source = "devpts",
                      .options = pts_options,
                      .flags = MS_NOSUID | MS_NOEXEC});
    return script;
}

} // namespace slipway::enter
