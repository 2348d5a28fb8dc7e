// SPDX-License-Identifier: Apache-2.0
// What the enhanced chroot costs per command: /bin/true in one root, through the public API, beside
// plain fork + chroot + exec and beside other tools that do part of the same. Needs root.
#include <algorithm>
#include <functional>
#include <iostream>
#include <optional>
#include <span>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/ranges.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "enter/enter.hpp"
#include "root/enter_guest_root.hpp"
#include "root/enter_probe.hpp"
#include "sys/mount.hpp"

namespace {

using namespace slipway;

constexpr int default_runs = 60;
constexpr int slow_runs = 15; // for tools that take tens of milliseconds
constexpr auto probe_path = "/bin/probe";

struct Contender {
    std::string name;
    int runs;
    std::function<bool()> once;
    std::vector<double> times{}; ///< ms
};

double median(std::vector<double> values) {
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    auto middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

bool wait_for(pid_t pid) {
    int status = 0;
    return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

// The figure to compare with has to be made of the bare calls, without the clean-up that
// sys::Runner does.
bool plain_chroot(const std::string& root) {
    auto pid = ::fork();
    if (pid == 0) {
        if (::chroot(root.c_str()) == 0 && ::chdir("/") == 0)
            ::execl("/bin/true", "true", static_cast<char*>(nullptr));
        ::_exit(1);
    }
    return wait_for(pid);
}

bool run_tool(const std::vector<std::string>& argv) {
    sys::LocalRunner runner;
    auto child = runner.start({.argv = argv});
    if (!child)
        return false;
    auto status = (*child)->wait(std::chrono::seconds(30));
    return status && *status && **status == 0;
}

std::string mount_script(const std::string& root) {
    return fmt::format("cd {} && mount -t proc proc proc && mount --rbind /sys sys && mount "
                       "--rbind /dev dev && mount -t tmpfs run run && "
                       "chroot . /bin/true; s=$?; umount run && umount -l dev && umount -l sys && "
                       "umount proc; exit $s",
                       root);
}

void add_tools(std::vector<Contender>& contenders, const std::string& root) {
    auto add = [&](const char* program, int runs, std::vector<std::string> argv) {
        if (sys::find_program(program))
            contenders.push_back({program, runs, [argv] { return run_tool(argv); }});
    };
    contenders.push_back({"mount(8) + chroot", slow_runs, [script = mount_script(root)] {
                              return run_tool({"sh", "-c", script});
                          }});
    add("bwrap", default_runs,
        {"bwrap", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run",
         "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup",
         "--die-with-parent", "/bin/true"});
    add("arch-chroot", slow_runs, {"arch-chroot", root, "/bin/true"});
    add("systemd-nspawn", slow_runs,
        {"systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "/bin/true"});
}

Status check_isolation(const enter::Root& root, const std::string& hostname) {
    SLIPWAY_TRY(auto probed,
                root.command_with_mounts({probe_path, enter_probe::option, hostname, "vda"}));
    if (probed.finished.status != 0)
        return fail(Code::Internal,
                    fmt::format("the isolation is not whole:\n{}{}", probed.out, probed.err));
    return {};
}

// Interleaved, so that what else the machine does hits all alike. A tool that cannot run here drops
// out.
void measure(std::vector<Contender>& contenders, int runs) {
    for (int round = -1; round < runs; ++round)
        for (auto& one : contenders) {
            if (round >= std::min(one.runs, runs))
                continue;
            auto start = Clock::now();
            bool good = one.once();
            if (!good) {
                std::cerr << one.name << " failed here, and is left out\n";
                one.runs = -1;
            } else if (round >= 0) // the first round warms caches
                one.times.push_back(seconds_since(start) * 1e3);
        }
    std::erase_if(contenders, [](const Contender& one) { return one.times.empty(); });
}

Json to_record(const std::vector<Contender>& contenders, double prepare_ms) {
    auto plain = median(contenders[0].times);
    auto ours = median(contenders[1].times);
    Json record{{"name", "chroot_overhead"}, {"unit", "ms"}, {"ours", ours}};
    record["baselines"] = Json::object();
    for (std::size_t i = 0; i < contenders.size(); ++i)
        if (i != 1)
            record["baselines"][contenders[i].name] = median(contenders[i].times);
    record["ratio"] = ours / plain;
    record["overhead_ms"] = ours - plain;
    record["prepare_ms"] = prepare_ms;
    record["runs"] = contenders[1].times.size();
    return record;
}

Status bench(const std::string& directory, int runs) {
    SLIPWAY_CHECK(enter_test::make_busybox_root(directory));
    SLIPWAY_CHECK(enter_test::copy_program(std::filesystem::read_symlink("/proc/self/exe"),
                                           directory, probe_path));
    // systemd-nspawn refuses what does not look like an operating system.
    std::filesystem::create_directory(directory + "/usr");
    SLIPWAY_CHECK(sys::write_file(directory + "/etc/os-release", "ID=bench\n"));
    enter::RootSpec spec{
        .directory = directory, .disks = {{"vda", makedev(7, 1023), 1 << 30}}, .hostname = "bench"};
    auto start = Clock::now();
    SLIPWAY_TRY(auto root, enter::Root::prepare(spec, {}));
    auto prepare_ms = seconds_since(start) * 1e3;
    for (const auto& note : root.notes())
        std::cerr << note << "\n";
    SLIPWAY_CHECK(check_isolation(root, spec.hostname));

    std::vector<Contender> contenders;
    contenders.push_back(
        {"plain fork + chroot + exec", runs, [&] { return plain_chroot(directory); }});
    contenders.push_back({"slipway", runs, [&] {
                              auto running = root.start({.argv = {"/bin/true"}});
                              if (!running)
                                  return false;
                              auto finished = running->wait();
                              return finished && finished->status == 0;
                          }});
    add_tools(contenders, directory);
    measure(contenders, runs);
    if (contenders.size() < 2 || contenders[1].name != "slipway")
        return fail(Code::Internal, "a command failed in the enhanced chroot");
    std::cout << render_json(to_record(contenders, prepare_ms)) << std::endl;
    return {};
}

Status bench_in_tmpfs(int runs) {
    SLIPWAY_CHECK(sys::enter_private_mount_namespace());
    std::string directory = "/var/tmp/slipway-bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr)
        return fail_errno("making a directory");
    auto result = sys::mount(
        {.source = "bench", .target = directory, .type = "tmpfs", .options = "mode=0755"});
    if (result)
        result = bench(directory, runs);
    ::umount2(directory.c_str(), MNT_DETACH);
    ::rmdir(directory.c_str());
    return result;
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    if (!arguments.empty() && arguments[0] == enter_probe::option)
        return enter_probe::run({arguments.begin() + 1, arguments.end()});
    auto runs = arguments.empty() ? std::nullopt : parse_number(arguments[0]);
    if (auto result = bench_in_tmpfs(static_cast<int>(runs.value_or(default_runs))); !result) {
        std::cerr << render_text(result.error()) << "\n";
        return exit_code_of(result.error().code);
    }
    return 0;
}
