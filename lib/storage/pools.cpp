// SPDX-License-Identifier: Apache-2.0
// ZFS pools, by zpool and zfs on named devices.
#include <cstring>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "storage/names.hpp"
#include "storage/opening.hpp"
#include "storage/pools.hpp"
#include "storage/udev.hpp"
#include "storage/zfs_text.hpp"

namespace slipway::storage {
namespace {

constexpr auto member_type = "zfs_member";
constexpr auto control_path = "/dev/zfs";
constexpr unsigned misc_major = 10, zfs_minor = 249; // Documentation/admin-guide/devices.txt
constexpr auto pools_of_kernel = "/proc/spl/kstat/zfs";
constexpr std::chrono::minutes tool_deadline{2};
constexpr auto sandbox_remedy =
    "--engine sandbox --sandbox qemu, with a kernel that has zfs: Ubuntu's, or Debian's with "
    "zfs-dkms (--sandbox-kernel names one)";

struct Pool {
    PoolImport import;
    std::string label;                ///< its name here: "rpool", "rpool@123456"
    std::vector<std::size_t> members; ///< by index into the devices
    bool read_only = false;
};

bool has_zfs() {
    return ::access(pools_of_kernel, F_OK) == 0;
}

Status need_zfs(Pools allowed) {
    if (allowed == Pools::Closed)
        return fail(Code::Unsupported,
                    "no ZFS here: the host's kernel opens it in raw images only, to read",
                    sandbox_remedy);
    for (const auto* tool : {"zpool", "zfs"})
        if (auto found = sys::find_program(tool); !found)
            return fail(Code::Unsupported, fmt::format("no ZFS here: {} is missing", tool),
                        "apt install zfsutils-linux (Debian has it in contrib, with zfs-dkms)");
    if (::mknod(control_path, S_IFCHR | 0600, makedev(misc_major, zfs_minor)) != 0 &&
        errno != EEXIST)
        return fail_errno(fmt::format("making {}", control_path));
    // Who opens the node makes the kernel load the module.
    auto control = sys::open_file(control_path, O_RDWR);
    if (!control || !has_zfs())
        return fail(Code::Unsupported, "no ZFS here: this kernel has no zfs", sandbox_remedy);
    return {};
}

// They do their work through one device. What they would read of the host's configuration
// (/etc/zfs, /etc/hostid) is out of their sight.
sys::ProcessSpec confined(sys::ProcessSpec spec, const std::vector<std::string>& nodes) {
    auto readable = sys::program_read_paths();
    readable.insert(readable.end(), {"/proc", "/sys", "/dev/random", "/dev/urandom"});
    readable.insert(readable.end(), nodes.begin(), nodes.end());
    spec.confinement = sys::Confinement{.read_paths = std::move(readable),
                                        .write_paths = {control_path, "/dev/null"},
                                        .keep_capabilities = {CAP_SYS_ADMIN},
                                        .filter_calls = true};
    return spec;
}

Result<sys::Captured> run_zfs(const sys::Host& host, sys::ProcessSpec spec,
                              const std::vector<std::string>& nodes, std::string_view secret = {}) {
    sys::RunLimits limits{.deadline = tool_deadline,
                          .max_output = 8 << 20,
                          .cancel = host.cancel,
                          .input = std::string(secret)};
    auto captured = sys::run(*host.runner, confined(std::move(spec), nodes), limits);
    ::explicit_bzero(limits.input.data(), limits.input.size());
    return captured;
}

Result<std::string> said_by(const sys::Host& host, const sys::ProcessSpec& spec,
                            const std::vector<std::string>& nodes, const std::string& what) {
    SLIPWAY_TRY(auto captured, run_zfs(host, spec, nodes));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, what));
    return std::move(captured.out);
}

// Threads of the kernel open the devices of a pool, by their paths, and what these see is the
// first /dev of all: there a disk has the kernel's own name for it.
Result<std::string> node_for_kernel(const Device& device) {
    auto link = fmt::format("/sys/dev/block/{}:{}", major(device.number), minor(device.number));
    std::string target(4096, '\0');
    auto size = ::readlink(link.c_str(), target.data(), target.size());
    if (size <= 0)
        return fail_errno(fmt::format("looking for the kernel's name of {}", device.volume.name));
    target.resize(static_cast<std::size_t>(size));
    auto node = fmt::format("/dev/{}", basename_of(target));
    SLIPWAY_CHECK(make_block_node(node, device.number));
    return node;
}

Result<Pool> prepare(const Opening& opening, const std::string& guid,
                     const std::vector<std::size_t>& members) {
    std::uint64_t number = 0;
    (void)::getrandom(&number, sizeof number, 0);
    Pool pool{.import = {.guid = guid, .name = pool_name_here(number)}, .members = members};
    pool.import.altroot = fmt::format("{}/{}", opening.scratch(), pool.import.name);
    const auto& first = opening.devices[members.front()].volume;
    pool.label = first.label.empty() ? fmt::format("zfs:{}", guid) : printable(first.label);
    bool twin = opening.names_in_use.contains("zfs:" + pool.label) ||
                opening.names_in_use.contains("lvm:" + pool.label);
    if (twin)
        pool.label += "@" + guid.substr(0, 6);
    pool.read_only = opening.options().pools != Pools::Writable;
    for (auto index : members) {
        SLIPWAY_TRY(auto node, node_for_kernel(opening.devices[index]));
        pool.import.nodes.push_back(std::move(node));
        pool.read_only = pool.read_only || opening.devices[index].read_only;
    }
    pool.import.writable = !pool.read_only;
    return pool;
}

Error lacks_devices(const Pool& pool, const std::vector<std::string>& missing) {
    return {.code = Code::NotFound,
            .what =
                fmt::format("the ZFS pool {} lacks devices: {}", pool.label, join(missing, ", ")),
            .hint = "give the images of all its disks: --disk FILE for each further one"};
}

// The kernel would look for what is missing where the guest had it: among the disks of this host.
Status need_all_devices(const Opening& opening, const Pool& pool) {
    std::vector<PoolLabel> labels;
    for (const auto& node : pool.import.nodes) {
        SLIPWAY_TRY(auto text,
                    said_by(opening.host(), read_label_spec(node), pool.import.nodes,
                            fmt::format("reading a label of the ZFS pool {}", pool.label)));
        labels.push_back(parse_label(text));
    }
    if (auto missing = missing_besides(labels); !missing.empty())
        return fail(lacks_devices(pool, missing));
    return {};
}

Error explain(const Opening& opening, const Pool& pool, Error error) {
    if (error.code != Code::ToolFailed)
        return error;
    auto survey = run_zfs(opening.host(), survey_pools_spec(pool.import.nodes), pool.import.nodes);
    if (survey && !names_pool(survey->out, pool.import.guid))
        return {.code = Code::Busy,
                .what =
                    fmt::format("the ZFS pool {} is not to be seen; this kernel may have it, or "
                                "a copy of it, open already",
                                pool.label),
                .tool = std::move(error.tool),
                .hint = sandbox_remedy};
    auto missing =
        survey ? parse_missing_devices(survey->out, pool.import.guid) : std::vector<std::string>{};
    if (missing.empty())
        return error;
    auto lacking = lacks_devices(pool, missing);
    lacking.tool = std::move(error.tool);
    return lacking;
}

Status load_key(const Opening& opening, const Pool& pool, const std::string& dataset) {
    auto volume = pool.label + dataset;
    const auto& keys = opening.options().keys;
    bool tried = false;
    for (const auto& key : keys) {
        if (!selects(key.selector, volume, ""))
            continue;
        tried = true;
        auto done = run_zfs(opening.host(), load_key_spec(pool.import.name + dataset),
                            pool.import.nodes, key.secret.expose());
        if (done && done->status == 0)
            return {};
        if (!done && done.error().code == Code::Cancelled)
            return fail(std::move(done).error());
    }
    return fail(Code::KeyRequired,
                tried ? fmt::format("no key fits {}", volume)
                      : fmt::format("{} is encrypted", volume),
                fmt::format("--key {}:prompt, or --key {}:file:PATH", volume, volume));
}

// The datasets of what cannot be unlocked stay closed; one error for each key.
Status unlock(Opening& opening, const Pool& pool, std::vector<Dataset>& datasets) {
    std::map<std::string, bool> opened;
    for (auto& dataset : datasets) {
        if (!dataset.locked)
            continue;
        auto [known, is_new] = opened.emplace(dataset.key_dataset, false);
        if (is_new) {
            auto loaded = load_key(opening, pool, dataset.key_dataset);
            if (!loaded && loaded.error().code == Code::Cancelled)
                return loaded;
            known->second = loaded.has_value();
            if (!loaded)
                opening.refuse({.volume = pool.label + dataset.key_dataset,
                                .type = "zfs",
                                .uuid = "",
                                .error = std::move(loaded).error()});
        }
        dataset.locked = !known->second;
    }
    return {};
}

std::string automatic_place(const Dataset& dataset) {
    return dataset.automatic && dataset.mountpoint.starts_with('/') ? dataset.mountpoint : "";
}

Result<std::size_t> add_datasets(Opening& opening, const Pool& pool) {
    const auto& import = pool.import;
    auto reading = fmt::format("reading the ZFS pool {}", pool.label);
    SLIPWAY_TRY(auto listed,
                said_by(opening.host(), list_datasets_spec(import.name), import.nodes, reading));
    SLIPWAY_TRY(auto boot,
                said_by(opening.host(), boot_dataset_spec(import.name), import.nodes, reading));
    auto datasets = parse_datasets(listed, import);
    SLIPWAY_CHECK(unlock(opening, pool, datasets));
    auto candidates = root_candidates(datasets, parse_boot_dataset(boot, import));
    std::vector<std::string> below;
    for (auto index : pool.members)
        below.push_back(opening.devices[index].volume.name);
    std::size_t added = 0;
    for (std::size_t i = 0; i < datasets.size(); ++i) {
        const auto& dataset = datasets[i];
        if (dataset.locked || !dataset.mountable)
            continue;
        ++added;
        opening.devices.push_back({.volume = {.name = pool.label + dataset.name,
                                              .disk = "",
                                              .size = dataset.size,
                                              .type = "zfs"},
                                   .node = import.name + dataset.name,
                                   .kind = "zfs",
                                   .stands_on = below,
                                   .read_only = pool.read_only,
                                   .mountpoint = automatic_place(dataset),
                                   .may_be_root = candidates[i]});
    }
    return added;
}

Result<std::size_t> open_pool(Opening& opening, const std::string& guid,
                              const std::vector<std::size_t>& members) {
    SLIPWAY_CHECK(need_zfs(opening.options().pools));
    if (guid.empty() || !parse_number(guid))
        return fail(Code::Corrupt, fmt::format("{} does not say which ZFS pool it belongs to",
                                               opening.devices[members.front()].volume.name));
    SLIPWAY_CHECK(keep_udev_off(opening.host()));
    SLIPWAY_TRY(auto pool, prepare(opening, guid, members));
    opening.names_in_use.insert("zfs:" + pool.label);
    if (opening.options().pools != Pools::Writable)
        SLIPWAY_CHECK(need_all_devices(opening, pool));
    auto imported = said_by(opening.host(), import_pool_spec(pool.import), pool.import.nodes,
                            fmt::format("opening the ZFS pool {}", pool.label));
    if (!imported)
        return fail(explain(opening, pool, std::move(imported).error()));
    opening.layers.push_back(
        {.name = pool.label, .close = [name = pool.import.name]() { return export_pool(name); }});
    return add_datasets(opening, pool);
}

} // namespace

bool has_pool(const std::string& name) {
    return ::access(fmt::format("{}/{}", pools_of_kernel, name).c_str(), F_OK) == 0;
}

std::vector<std::string> pools_of_ours() {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(pools_of_kernel, ignored))
        if (auto name = entry.path().filename().string(); is_pool_of_ours(name))
            names.push_back(std::move(name));
    return names;
}

std::vector<std::string> nodes_of_pool(const std::string& name) {
    sys::LocalRunner runner;
    auto done = sys::run(runner, confined(list_nodes_spec(name), {}), {.deadline = tool_deadline});
    return done ? parse_nodes(done->out) : std::vector<std::string>{};
}

Status export_pool(const std::string& name) {
    sys::LocalRunner runner;
    auto spec = export_pool_spec(name);
    auto done = sys::run(runner, confined(spec, {}), {.deadline = tool_deadline});
    // The kernel is asked, not the tool.
    if (!has_pool(name))
        return {};
    if (!done)
        return fail(std::move(done).error());
    SLIPWAY_CHECK(sys::check_tool(spec, *done, "closing a ZFS pool"));
    return fail(Code::Busy, "a ZFS pool is still in use");
}

// A pool says itself which devices it lacks, and waits for none: so it comes when all else is open.
Result<bool> open_pools(Opening& opening) {
    std::map<std::string, std::vector<std::size_t>> pools;
    for (auto index : opening.waiting(member_type))
        pools[opening.devices[index].volume.uuid].push_back(index);
    bool found = false;
    for (const auto& [guid, members] : pools) {
        auto opened = open_pool(opening, guid, members);
        if (!opened && opened.error().code == Code::Cancelled)
            return fail(std::move(opened).error());
        for (auto index : members)
            opened ? opening.done_with(index) : opening.refuse(index, opened.error());
        found = found || (opened && *opened > 0);
    }
    return found;
}

} // namespace slipway::storage
