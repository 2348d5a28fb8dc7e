// SPDX-License-Identifier: Apache-2.0
#include "vm/accelerator.hpp"

#include <cstdlib>
#include <ctime>

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "sys/output_file.hpp"
#include "vm/probe_guest.hpp"
#include "vm/qemu_spec.hpp"

namespace slipway::vm {
namespace {

constexpr std::chrono::seconds deadline{3};
constexpr std::time_t bad_verdict_lasts = 3600; // a busy host can make a good KVM miss the deadline
constexpr std::size_t longest_reason = 100;
constexpr int disk_number = 20;

sys::ProcessSpec probe_machine(const std::string& accelerator, sys::BorrowedFd disk) {
    QemuSpec spec{.accelerator = accelerator,
                  .memory_mib = 128,
                  .cpus = 1,
                  .may_restart = false,
                  .debug_exit = true};
    spec.disks.push_back({{{"driver", "raw"},
                           {"read-only", true},
                           {"file",
                            {{"driver", "file"},
                             {"filename", sys::proc_path(disk_number)},
                             {"read-only", true},
                             {"locking", "off"}}}}});
    sys::ProcessSpec process{.argv = qemu_argv(spec), .fds = {{disk, disk_number}}};
    process.confinement = qemu_confinement(spec.accelerator);
    process.confinement->read_fds.push_back(disk_number);
    return process;
}

std::string boot_id() {
    auto text = sys::read_file("/proc/sys/kernel/random/boot_id");
    return text ? std::string(trim(*text)) : std::string();
}

std::string verdict_file() {
    auto directory = state_directory();
    return directory.empty() ? directory : directory + "/accelerator.json";
}

std::optional<Accelerator> kept_verdict() {
    auto text = sys::read_file(verdict_file());
    if (!text)
        return std::nullopt;
    auto json = parse_json(*text, "the kept verdict");
    if (!json || boot_id().empty() || json_get<std::string>(*json, "boot_id") != boot_id())
        return std::nullopt;
    Accelerator verdict{json_get<std::string>(*json, "name"),
                        json_get<std::string>(*json, "reason")};
    bool stale = verdict.name != "kvm" &&
                 std::time(nullptr) - json_get<std::time_t>(*json, "at") > bad_verdict_lasts;
    if (stale || (verdict.name != "kvm" && verdict.name != "tcg"))
        return std::nullopt;
    return verdict;
}

// A verdict that cannot be kept is found again next time.
void keep_verdict(const Accelerator& verdict) {
    auto path = verdict_file();
    if (path.empty())
        return;
    ::mkdir(state_directory().c_str(), 0755);
    auto file = sys::OutputFile::create(path, {.replace = true});
    if (!file)
        return;
    Json json{{"boot_id", boot_id()},
              {"name", verdict.name},
              {"reason", verdict.reason},
              {"at", std::time(nullptr)}};
    if (sys::write_all(file->fd(), render_json(json) + "\n")) [[maybe_unused]]
        auto kept = file->publish();
}

} // namespace

std::string state_directory() {
    if (::geteuid() == 0)
        return "/run/slipway";
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    return runtime != nullptr && *runtime == '/' ? fmt::format("{}/slipway", runtime)
                                                 : std::string();
}

Error qemu_is_missing() {
    Error error{.code = Code::Unsupported, .what = "qemu-system-x86_64 is not installed"};
    error.hint = "apt install qemu-system-x86";
    return error;
}

sys::Confinement qemu_confinement(const std::string& accelerator) {
    // DAC_OVERRIDE: the descriptors are opened again by path, also where root is no owner.
    sys::Confinement confinement{.read_paths = sys::program_read_paths(),
                                 .keep_capabilities = {CAP_DAC_OVERRIDE}};
    if (accelerator == "kvm")
        confinement.write_paths.emplace_back("/dev/kvm");
    return confinement;
}

Result<Accelerator> prove_accelerator(const sys::Host& host, const std::string& name) {
    auto content = probe_guest_disk();
    if (content.empty())
        return Accelerator{"tcg", "this host's processor is no x86-64"};
    SLIPWAY_TRY(auto disk, sys::make_memfd("probe-guest", content));
    auto captured = sys::run(*host.runner, probe_machine(name, disk),
                             {.deadline = deadline, .cancel = host.cancel});
    if (!captured && captured.error().code == Code::NotFound)
        return fail(qemu_is_missing());
    if (!captured && captured.error().code != Code::Timeout)
        return fail(std::move(captured).error());
    if (!captured)
        return Accelerator{"tcg", fmt::format("{} started a test guest that got nowhere in {} s",
                                              name, deadline.count())};
    if (captured->status == probe_guest_status)
        return Accelerator{name, fmt::format("{} ran a test guest in {}", name,
                                             format_seconds(captured->seconds))};
    auto said = trim(captured->err);
    auto last = said.substr(said.rfind('\n') + 1).substr(0, longest_reason);
    return Accelerator{"tcg",
                       fmt::format("{} failed on a test guest (status {}{}{})", name,
                                   captured->status, last.empty() ? "" : ": ", printable(last))};
}

bool is_kvm_known_to_work() {
    auto kept = kept_verdict();
    return kept && kept->name == "kvm" && ::access("/dev/kvm", R_OK | W_OK) == 0;
}

Result<Accelerator> choose_accelerator(const sys::Host& host) {
    if (::access("/dev/kvm", R_OK | W_OK) != 0)
        return Accelerator{"tcg", "no usable /dev/kvm"};
    if (auto kept = kept_verdict())
        return *kept;
    SLIPWAY_TRY(auto verdict, prove_accelerator(host, "kvm"));
    keep_verdict(verdict);
    return verdict;
}

} // namespace slipway::vm
