// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "enter/nodev.hpp"
#include "enter/root_state.hpp"
#include "enter/syscall_filter.hpp"
#include "sys/mount.hpp"
#include "sys/syscall_filter.hpp"

namespace slipway::enter {
namespace {

constexpr auto own_network_path = "/proc/self/ns/net";

// Otherwise the stage would appear in other namespaces, and stay there.
Status check_private_mounts() {
    SLIPWAY_TRY(auto text, sys::read_file("/proc/self/mountinfo", 16 << 20));
    for (auto line : split_lines(text))
        if (line.substr(0, line.find(" - ")).find(" shared:") != std::string_view::npos)
            return fail(Code::InvalidArgument,
                        "the enhanced chroot needs a mount namespace of its own",
                        "make it with sys::enter_private_mount_namespace first");
    return {};
}

bool is_mount_point(const std::string& directory) {
    struct statx info {};
    if (::statx(AT_FDCWD, directory.c_str(), 0, STATX_BASIC_STATS, &info) != 0)
        return false;
    return (info.stx_attributes_mask & info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

constexpr std::array places{"/proc", "/sys", "/dev", "/run"};

// Of a guest that is to stay without them.
void leave_out_missing(const sys::RootDir& root, Script& script) {
    for (const std::string place : places)
        if (!root.is_dir(sys::GuestPath(place)))
            std::erase_if(script, [&](const Step& step) {
                return step.target == place || step.target.starts_with(place + "/");
            });
}

Status make_mount_points(const sys::RootDir& root) {
    for (const auto* name : places) {
        sys::GuestPath path(name);
        if (root.is_dir(path))
            continue;
        if (auto made = root.make_dirs(path); !made)
            return fail(
                std::move(made.error()).in(fmt::format("the guest has no directory {}", name)));
    }
    return {};
}

Tree plan_stage(const RootSpec& spec, const std::string& resolv_conf) {
    auto cpu_list = [](const char* name) {
        auto text = sys::read_file(fmt::format("/sys/devices/system/cpu/{}", name));
        return text ? std::string(trim(*text)) : std::string("0");
    };
    using Kind = TreeEntry::Kind;
    auto tree =
        plan_sys_tree(spec, {cpu_list("online"), cpu_list("possible"), cpu_list("present")});
    auto udev = plan_udev_database(spec);
    tree.insert(tree.end(), udev.begin(), udev.end());
    auto replace = [&](const char* name, std::string content) {
        tree.push_back(
            {Kind::File, fmt::format("{}/{}", replaced_directory, name), std::move(content)});
    };
    replace("partitions", render_proc_partitions(spec));
    replace("diskstats", render_proc_diskstats(spec));
    replace("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    replace("mdstat", "Personalities : \nunused devices: <none>\n");
    replace("cmdline", spec.kernel_cmdline + "\n");
    tree.push_back({Kind::File, empty_file});
    tree.push_back({Kind::Directory, empty_directory});
    tree.push_back({Kind::Directory, stage_scratch});
    tree.push_back({Kind::File, stage_resolv_conf, resolv_conf});
    return tree;
}

// From a mount of our own: that of the caller may hide entries (subset=pid) that a fresh one has.
Result<std::vector<ProcEntry>> list_fresh_proc(const std::string& directory) {
    SLIPWAY_CHECK(sys::mount({.source = "proc",
                              .target = directory,
                              .type = "proc",
                              .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC}));
    auto entries = list_proc(directory);
    ::umount2(directory.c_str(), MNT_DETACH);
    return entries;
}

Result<Script> plan_pseudo_filesystems(const std::string& scratch) {
    SLIPWAY_TRY(auto entries, list_fresh_proc(scratch));
    constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    Script script{{.kind = StepKind::Mount, .target = "/proc", .source = "proc", .flags = flags}};
    auto masks = plan_proc_masks(entries);
    script.insert(script.end(), masks.begin(), masks.end());
    script.push_back({.kind = StepKind::Bind, .target = "/sys", .source = "sys"});
    script.push_back({.kind = StepKind::Mount,
                      .target = "/run",
                      .source = "tmpfs",
                      .options = "mode=0755,size=256m,nr_inodes=64k",
                      .flags = MS_NOSUID | MS_NODEV});
    script.push_back({.kind = StepKind::Directory, .target = "/run/lock", .mode = 01777});
    script.push_back({.kind = StepKind::Directory, .target = "/run/udev", .mode = 0755});
    script.push_back({.kind = StepKind::Bind, .target = "/run/udev", .source = udev_directory});
    return script;
}

struct Namespace {
    const char* name;
    std::uint64_t flag;
    bool required;
};
// The small kernels of virtual machines may lack some; there the machine is the boundary.
constexpr Namespace all_namespaces[] = {{"mnt", CLONE_NEWNS, true},
                                        {"pid", CLONE_NEWPID, true},
                                        {"ipc", CLONE_NEWIPC, false},
                                        {"uts", CLONE_NEWUTS, false},
                                        {"cgroup", CLONE_NEWCGROUP, false}};

Result<std::uint64_t> usable_namespaces(std::vector<std::string>& notes) {
    std::uint64_t flags = 0;
    for (const auto& [name, flag, required] : all_namespaces) {
        if (::access(fmt::format("/proc/self/ns/{}", name).c_str(), F_OK) == 0)
            flags |= flag;
        else if (required)
            return fail(Code::Unsupported, fmt::format("this kernel has no {} namespaces", name));
        else
            notes.push_back(fmt::format(
                "this kernel has no {} namespaces: the guest's commands share the host's", name));
    }
    return flags;
}

Result<bool> same_namespace(sys::BorrowedFd one, sys::BorrowedFd other) {
    struct stat a {
    }, b{};
    if (::fstat(one.raw(), &a) != 0 || ::fstat(other.raw(), &b) != 0)
        return fail_errno("comparing network namespaces");
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// The guest's file may hold anything, and sethostname(2) takes at most 64 bytes.
std::string usable_hostname(std::string_view text) {
    constexpr std::size_t longest = 64;
    auto words = split_words(text);
    bool usable =
        words.size() == 1 && words[0].size() <= longest && printable(words[0]) == words[0];
    return usable ? std::string(words[0]) : std::string("localhost");
}

// Loopback needs CAP_NET_ADMIN, which commands do not have.
Status bring_loopback_up() {
    sys::OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid())
        return {}; // a kernel without IPv4
    struct ifreq request {};
    constexpr std::string_view name = "lo";
    name.copy(request.ifr_name, name.size());
    if (::ioctl(socket.raw(), SIOCGIFFLAGS, &request) != 0)
        return fail_errno("looking at the loopback interface");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(socket.raw(), SIOCSIFFLAGS, &request) != 0)
        return fail_errno("bringing the loopback interface up");
    return {};
}

// A caller that is in a namespace apart from the network's is in an empty one already, by contract.
// Any other caller gets one made, once for all commands.
Status prepare_network(sys::BorrowedFd given, sys::OwnedFd& no_network,
                       sys::OwnedFd& host_network) {
    SLIPWAY_TRY(auto own, sys::open_file(own_network_path, O_RDONLY));
    if (given.valid()) {
        SLIPWAY_TRY(host_network, sys::duplicate(given));
        SLIPWAY_TRY(auto same, same_namespace(own, given));
        if (!same)
            return bring_loopback_up();
    } else {
        SLIPWAY_TRY(host_network, sys::duplicate(own));
    }
    if (::unshare(CLONE_NEWNET) != 0)
        return fail_errno("making a network namespace");
    auto opened = sys::open_file(own_network_path, O_RDONLY);
    auto up = bring_loopback_up();
    if (::setns(own.raw(), CLONE_NEWNET) != 0)
        return fail_errno("returning to the network namespace");
    SLIPWAY_CHECK(std::move(up));
    SLIPWAY_TRY(no_network, std::move(opened));
    return {};
}

// Fields 48 and 49 of /proc/self/stat, arg_start and arg_end (proc_pid_stat(5)). They are counted
// behind the name in parentheses, which may hold anything.
std::span<char> own_command_line() {
    auto text = sys::read_file("/proc/self/stat");
    if (!text || text->rfind(')') == std::string::npos)
        return {};
    auto fields = split_words(std::string_view(*text).substr(text->rfind(')') + 1));
    constexpr std::size_t arg_start = 48 - 3, arg_end = 49 - 3;
    if (fields.size() <= arg_end)
        return {};
    auto start = parse_number(fields[arg_start]);
    auto end = parse_number(fields[arg_end]);
    if (!start || !end || *start == 0 || *end <= *start)
        return {};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel tells the address as a number
    return {reinterpret_cast<char*>(*start), static_cast<std::size_t>(*end - *start)};
}

} // namespace

Root::Root(std::unique_ptr<State> state) : state_(std::move(state)) {}
Root::Root(Root&&) noexcept = default;
Root& Root::operator=(Root&&) noexcept = default;
Root::~Root() = default;

Result<Root> Root::prepare(RootSpec spec, const sys::Host& host) {
    SLIPWAY_CHECK(check_private_mounts());
    spec.hostname = usable_hostname(spec.hostname);
    SLIPWAY_TRY(auto root, sys::RootDir::open(spec.directory));
    if (spec.makes_places)
        SLIPWAY_CHECK(make_mount_points(root));
    SLIPWAY_TRY(auto stage, Stage::mount());
    auto resolv_conf = sys::read_file("/etc/resolv.conf");
    SLIPWAY_CHECK(stage.add(plan_stage(spec, resolv_conf.value_or(""))));

    auto state = std::make_unique<State>(std::move(spec), std::move(stage), host.log);
    auto scratch = fmt::format("{}/{}", state->stage.path(), stage_scratch);
    state->resolv_conf = resolv_conf.value_or("");
    SLIPWAY_TRY(state->pseudo, plan_pseudo_filesystems(scratch));
    state->dev = plan_dev(state->spec);
    leave_out_missing(root, state->pseudo);
    leave_out_missing(root, state->dev);
    SLIPWAY_TRY(state->namespaces, usable_namespaces(state->notes));
    if (auto cgroup = DeviceCgroup::create(allowed_devices(state->spec), scratch); cgroup)
        state->cgroup.emplace(std::move(*cgroup));
    else
        state->notes.push_back(
            fmt::format("block device nodes are kept from the guest's commands by a system call "
                        "filter only: {}",
                        render_text(cgroup.error())));
    if (sys::has_syscall_filters()) {
        SLIPWAY_TRY(state->filter, build_syscall_filter({.deny_block_nodes = !state->cgroup}));
    } else
        state->notes.emplace_back("this kernel has no system call filters");
    SLIPWAY_TRY(state->null, sys::open_file("/dev/null", O_RDWR));
    SLIPWAY_CHECK(
        prepare_network(state->spec.host_network, state->no_network, state->host_network));
    state->command_line = own_command_line();
    state->bind_root = !is_mount_point(state->spec.directory);
    state->classic_nodev = !has_mount_setattr();
    SLIPWAY_CHECK(state->stage.seal());
    return Root(std::move(state));
}

std::string Root::cgroup_path() const {
    return state_->cgroup ? state_->cgroup->path() : std::string();
}
const std::vector<std::string>& Root::notes() const {
    return state_->notes;
}

} // namespace slipway::enter
