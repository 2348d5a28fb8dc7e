// SPDX-License-Identifier: Apache-2.0
#include "session/place.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include "appliance/initramfs.hpp"
#include "base/strings.hpp"
#include "base/units.hpp"
#include "session/readable_copy.hpp"
#include "storage/leftovers.hpp"
#include "sys/mount.hpp"
#include "vm/sandbox.hpp"

namespace slipway::session {
namespace {

// Of the worker's descriptors, see apps/slipway-worker.
constexpr int session_number = 3, program_number = 4;
// MiB; the root of a QEMU is in its memory, for a moment twice.
constexpr unsigned least_qemu_memory = 256;

class HostPlace final : public Place {
public:
    explicit HostPlace(std::unique_ptr<sys::Child> worker) : worker_(std::move(worker)) {}

    Error explain_end() override {
        auto status = worker_->wait(std::chrono::milliseconds(500));
        auto text = status && *status ? fmt::format(" (status {})", **status) : std::string{};
        return {.code = Code::Protocol,
                .what = fmt::format("the worker process has died{}", text),
                .hint = "nothing was written to the source; try again, and report it if it stays"};
    }
    void kill() override { worker_->signal(SIGKILL, true); }
    Status finish() override {
        auto ended = worker_->wait(std::chrono::seconds(30));
        if (!ended)
            return fail(std::move(ended).error());
        return {};
    }

private:
    std::unique_ptr<sys::Child> worker_;
};

class SandboxPlace final : public Place {
public:
    SandboxPlace(vm::Sandbox sandbox, std::chrono::seconds patience)
        : sandbox_(std::move(sandbox)), patience_(patience) {}

    Status attend() override {
        sandbox_.listen();
        auto now = Clock::now();
        auto pulse = sandbox_.pulse();
        // Where we have not looked for long we were stopped ourselves, and perhaps the machine too.
        if (pulse == pulse_ && pulse != 0)
            silence_ += std::min<Clock::duration>(now - looked_, std::chrono::seconds(1));
        else
            silence_ = {};
        pulse_ = pulse;
        looked_ = now;
        if (silence_ < patience_)
            return {};
        kill();
        return fail(Code::Timeout,
                    fmt::format("the sandbox's machine has shown no sign of life for {} s",
                                patience_.count()),
                    "the image may be damaged or hostile; where this machine is just slow, "
                    "SLIPWAY_SANDBOX_TIMEOUT=SECONDS gives it more time");
    }
    Error explain_end() override { return sandbox_.explain_end(); }
    void kill() override { sandbox_.kill(); }
    Status finish() override { return sandbox_.finish(); }

private:
    vm::Sandbox sandbox_;
    std::chrono::seconds patience_;
    std::uint64_t pulse_ = 0;
    Clock::time_point looked_ = Clock::now();
    Clock::duration silence_{};
};

Result<vm::Sandbox> start_uml(const SupervisedRunner& runner, const sys::Host& host,
                              std::vector<vm::SandboxDisk> disks,
                              std::vector<vm::SandboxShare> shares, const MachineOptions& options) {
    auto directory = std::string(dirname_of(runner.worker_program()));
    SLIPWAY_TRY(auto worker, readable_copy(runner.worker_program()));
    SLIPWAY_TRY(auto preload, readable_copy(directory + "/slipway-uml.so"));
    return vm::Sandbox::start(host, vm::SandboxSpec{.worker = worker,
                                                    .preload = preload,
                                                    .disks = std::move(disks),
                                                    .shares = std::move(shares),
                                                    .memory_mib = options.memory_mib,
                                                    .raid6 = options.raid6});
}

Result<vm::Sandbox> start_qemu(const SupervisedRunner& runner, const sys::Host& host,
                               std::vector<vm::SandboxDisk> disks, const MachineOptions& options,
                               const MachineChoice& choice) {
    auto started = Clock::now();
    SLIPWAY_TRY(auto kernel, sys::open_file(choice.kernel.file, O_RDONLY));
    SLIPWAY_TRY(auto initramfs, appliance::build_initramfs(runner.worker_program(), choice.kernel));
    host.log.debug("initramfs made in {}", format_seconds(seconds_since(started)));
    return vm::Sandbox::start(
        host, vm::QemuSandboxSpec{.kernel = kernel,
                                  .initramfs = initramfs,
                                  .accelerator = choice.accelerator.name,
                                  .disks = std::move(disks),
                                  .memory_mib = std::max(options.memory_mib, least_qemu_memory)});
}

} // namespace

Result<StartedWorker> start_on_host(SupervisedRunner& runner,
                                    const std::vector<image::DiskSpec>& disks) {
    if (::geteuid() != 0)
        return fail(Code::Permission, "opening an image with the host engine needs root",
                    "run it with sudo, or use --engine sandbox");
    // Of a run whose supervisor was killed too.
    storage::close_leftovers();
    SLIPWAY_TRY(auto sockets, sys::make_socket_pair());
    sys::ProcessSpec spec;
    // The init of a guest's command is a copy of the worker, and its /proc/self/exe a way to the
    // worker's file: through a mount where nothing can be done to it.
    SLIPWAY_TRY(auto program, sys::open_read_only_mount(runner.worker_program()));
    spec.argv = {sys::proc_path(program_number), "--serve"};
    spec.fds = {
        {sockets.second, session_number}, {program, program_number}, {sys::BorrowedFd(2), 2}};
    // PID 1 of a namespace: whatever it starts ends with it.
    spec.clone_flags = CLONE_NEWPID;
    auto arguments = Json::array();
    for (const auto& disk : disks) {
        spec.fds.insert(spec.fds.end(), disk.graph.fds.begin(), disk.graph.fds.end());
        arguments.push_back(image::to_json(disk));
    }
    SLIPWAY_TRY(auto worker, runner.start(spec));
    return StartedWorker{std::make_unique<HostPlace>(std::move(worker)),
                         Channel(std::move(sockets.first)), std::move(arguments)};
}

Result<StartedWorker> start_in_sandbox(SupervisedRunner& runner, const sys::Host& host,
                                       const std::vector<image::DiskSpec>& disks,
                                       const MachineOptions& options) {
    SLIPWAY_TRY(auto choice, choose_machine(host, options));
    host.log.debug("sandbox {}: {}", name_of(choice.machine), choice.reason);
    std::vector<vm::SandboxDisk> given;
    std::vector<vm::SandboxShare> directories;
    auto arguments = Json::array();
    for (const auto& disk : disks) {
        auto inside = disk;
        if (disk.kind == image::Kind::Directory) {
            directories.push_back({disk.graph.fds.front()});
            inside.device = vm::directory_for_hostfs(directories.back().directory);
        } else {
            inside.device = image::disk_name(static_cast<unsigned>(given.size()), "vd");
            bool writable = disk.writable && disk.kind != image::Kind::Archive;
            given.push_back({disk.graph.node, disk.graph.fds, disk.graph.read_fds,
                             disk.graph.write_fds, writable, disk.block_size});
        }
        arguments.push_back(image::to_json(inside));
    }
    if (!directories.empty() && choice.machine != Machine::Uml)
        return fail(Code::Unsupported,
                    "QEMU as the sandbox cannot show a directory of this machine",
                    "apt install user-mode-linux, or pack the directory into a tar archive");
    auto sandbox = choice.machine == Machine::Uml
                       ? start_uml(runner, host, std::move(given), std::move(directories), options)
                       : start_qemu(runner, host, std::move(given), options, choice);
    if (!sandbox)
        return fail(std::move(sandbox).error());
    SLIPWAY_TRY(auto window, sys::duplicate(sandbox->window()));
    Channel channel(sandbox->take_control(), Window(std::move(window), Window::End::Client));
    return StartedWorker{std::make_unique<SandboxPlace>(std::move(*sandbox), options.patience),
                         std::move(channel), std::move(arguments)};
}

} // namespace slipway::session
