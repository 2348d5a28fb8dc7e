// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <span>

#include <linux/sched.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/strings.hpp"
#include "enter/root_state.hpp"
#include "enter/running_state.hpp"
#include "enter/syscall_filter.hpp"
#include "sys/mount.hpp"

namespace slipway::enter {
namespace {

constexpr std::string_view path_prefix = "PATH=";
constexpr auto default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// libudev refuses a /sys that is no sysfs unless it is told otherwise (systemd's
// docs/ENVIRONMENT.md), and grub-probe asks udevadm.
constexpr auto accept_our_sys = "SYSTEMD_DEVICE_VERIFY_SYSFS=0";

std::string_view name_of_variable(std::string_view assignment) {
    return assignment.substr(0, assignment.find('='));
}

std::vector<std::string> merge_environment(const std::vector<std::string>& given) {
    std::vector<std::string> merged{default_path, "HOME=/root", "LC_ALL=C", accept_our_sys};
    for (const auto& assignment : given) {
        auto same = [&](const std::string& other) {
            return name_of_variable(other) == name_of_variable(assignment);
        };
        if (auto found = std::find_if(merged.begin(), merged.end(), same); found != merged.end())
            *found = assignment;
        else
            merged.push_back(assignment);
    }
    return merged;
}

std::vector<std::string> candidates(const std::string& program,
                                    const std::vector<std::string>& environment) {
    if (program.find('/') != std::string::npos)
        return {program};
    std::vector<std::string> paths;
    for (const auto& assignment : environment)
        if (assignment.starts_with(path_prefix))
            for (auto folder : split(std::string_view(assignment).substr(path_prefix.size()), ':'))
                paths.push_back(fmt::format("{}/{}", folder.empty() ? "." : folder, program));
    return paths;
}

template <class Pointer, class Strings> std::vector<Pointer> pointers_to(Strings& strings) {
    std::vector<Pointer> pointers;
    pointers.reserve(strings.size());
    for (auto& text : strings)
        pointers.push_back(text.data());
    return pointers;
}

} // namespace

// The mounts of one command: those that all share, and its own. Then whatever an InitPlan points
// to.
struct Launch {
    std::vector<std::string> argv, env, programs, nodev;
    std::vector<char*> argv_pointers, env_pointers;
    std::vector<const char*> program_pointers, nodev_pointers;
    std::span<const Step> pseudo, dev;
    Script own;
    InitPlan plan;

    void point() {
        argv_pointers = pointers_to<char*>(argv);
        env_pointers = pointers_to<char*>(env);
        program_pointers = pointers_to<const char*>(programs);
        nodev_pointers = pointers_to<const char*>(nodev);
        argv_pointers.push_back(nullptr);
        env_pointers.push_back(nullptr);
        plan.argv = argv_pointers.data();
        plan.env = env_pointers.data();
        plan.programs = program_pointers;
        plan.nodev_paths = nodev_pointers;
        plan.scripts = {pseudo, dev, own};
    }
    [[nodiscard]] std::string describe_step(int number) const {
        auto step = number - static_cast<int>(InitStep::FirstOfScript);
        if (step < 0)
            return std::string(describe(static_cast<InitStep>(number)));
        for (auto script : plan.scripts) {
            if (static_cast<std::size_t>(step) < script.size())
                return describe(script[static_cast<std::size_t>(step)]);
            step -= static_cast<int>(script.size());
        }
        return "an unknown step";
    }
};

namespace {

Status check_command_line(const Command& command) {
    if (command.argv.empty() || command.argv[0].empty())
        return fail(Code::InvalidArgument, "no command was given");
    auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    if (std::any_of(command.argv.begin(), command.argv.end(), has_nul) ||
        std::any_of(command.env.begin(), command.env.end(), has_nul) || has_nul(command.cwd))
        return fail(Code::InvalidArgument, "a command line cannot contain NUL");
    return {};
}

} // namespace

// An error unless the command is under way or could not be executed.
Status Running::State::read_start(const Launch& launch) {
    auto report = receive_report(control, &terminal);
    if (!report)
        return fail(Code::Internal, fmt::format("{}: its init ended too early", name));
    if (report->kind == InitReport::Kind::Failed)
        return fail_errno(fmt::format("{}: {}", name, launch.describe_step(report->step)),
                          report->error);
    executed = report->kind == InitReport::Kind::Started ? report->at : monotonic_now();
    if (report->kind == InitReport::Kind::NotExecuted)
        exec_errno = report->error;
    return {};
}

// The caller's mounts below the root are asked for each time: they may have changed meanwhile.
Status Root::State::plan_mounts(const Command& command, Launch& launch) const {
    launch.dev = dev;
    // The network may need a resolv.conf in /run.
    if (command.mounts || command.network || needs_mounts(command.argv)) {
        launch.pseudo = pseudo;
    } else {
        SLIPWAY_TRY(auto mounts, sys::mounts_below(spec.directory));
        launch.own = plan_covers(spec.directory, mounts);
    }
    if (command.tty)
        launch.own.push_back(console_link());
    if (command.network) {
        // Opened for a moment only: a descriptor on the guest would keep it from being unmounted.
        SLIPWAY_TRY(auto root, sys::RootDir::open(spec.directory));
        auto more = plan_resolv_conf(root, resolv_conf);
        if (more.empty())
            log.warning(
                "the guest has no /etc/resolv.conf: names of other hosts will not be found");
        launch.own.insert(launch.own.end(), more.begin(), more.end());
    }
    if (classic_nodev) {
        SLIPWAY_TRY(launch.nodev, sys::mounts_below(spec.directory));
    }
    return {};
}

void Root::State::fill_plan(const Command& command, InitPlan& plan) const {
    plan.directory = spec.directory.c_str();
    plan.bind_root = bind_root;
    plan.stage = stage.path().c_str();
    plan.classic_nodev = classic_nodev;
    plan.hostname = spec.hostname;
    plan.own_hostname = (namespaces & CLONE_NEWUTS) != 0;
    plan.capabilities = kept_capabilities();
    plan.filter = {.len = static_cast<unsigned short>(filter.size()),
                   .filter = const_cast<sock_filter*>(filter.data())};
    plan.command_line = command_line;
    plan.cwd = command.cwd.c_str();
    plan.tty = command.tty;
    plan.window = command.window;
    plan.deadline = std::chrono::nanoseconds(command.deadline).count();
    plan.null = null.raw();
    plan.network = command.network ? host_network.raw() : no_network.raw();
    plan.cgroup_procs = cgroup ? cgroup->procs_fd() : -1;
    plan.standard = {command.stdin_fd.raw(), command.stdout_fd.raw(), command.stderr_fd.raw()};
    if (!command.tty)
        for (auto& fd : plan.standard)
            fd = fd < 0 ? null.raw() : fd;
}

void Root::State::log_mounts(const std::string& name, const Launch& launch) const {
    if (!log.enabled(Level::Debug))
        return;
    for (auto steps : launch.plan.scripts)
        for (const auto& step : steps)
            log.debug("{}: {}", name, describe(step));
}

Result<Running> Root::start(const Command& command) const {
    SLIPWAY_CHECK(check_command_line(command));
    Launch launch{.argv = command.argv, .env = merge_environment(command.env)};
    launch.programs = candidates(command.argv[0], launch.env);
    SLIPWAY_CHECK(state_->plan_mounts(command, launch));
    launch.point();
    state_->fill_plan(command, launch.plan);

    auto running = std::make_unique<Running::State>();
    running->log = state_->log;
    running->name = fmt::format("{} in the guest", printable(basename_of(command.argv[0])));
    running->quiet = command.quiet;
    state_->log_mounts(running->name, launch);
    SLIPWAY_TRY(auto sockets, sys::make_packet_pair());
    running->control = std::move(sockets.first);
    launch.plan.control = sockets.second.raw();
    running->started = monotonic_now();
    auto cgroup = state_->cgroup ? state_->cgroup->clone_fd() : -1;
    SLIPWAY_TRY(running->child, sys::clone_child({.flags = state_->namespaces, .cgroup_fd = cgroup},
                                                 init_body, &launch.plan));
    sockets.second.reset();
    SLIPWAY_CHECK(running->read_start(launch));
    return Running(std::move(running));
}

} // namespace slipway::enter
