// SPDX-License-Identifier: Apache-2.0
#include "session/testbed_place.hpp"

#include <fmt/format.h>

#include "appliance/initramfs.hpp"
#include "base/strings.hpp"
#include "base/units.hpp"
#include "session/readable_copy.hpp"
#include "vm/sandbox.hpp"

namespace slipway::session {
namespace {

// Of descriptors in the machine's process; QEMU's graphs use none here.
constexpr int first_share = 20, first_disk = 40;
static_assert(first_share + 2 + most_shares <= first_disk &&
              first_disk + most_disks < first_image_number);
constexpr std::chrono::seconds switching_off{10};

class TestbedPlace final : public Place {
public:
    TestbedPlace(vm::Sandbox machine, std::chrono::milliseconds timeout)
        : machine_(std::move(machine)), timeout_(timeout) {}

    Status attend() override {
        machine_.listen();
        if (timeout_.count() == 0 || Clock::now() - started_ < timeout_)
            return {};
        kill();
        [[maybe_unused]] auto ended = machine_.wait(std::chrono::seconds(2));
        return fail(Code::Timeout,
                    fmt::format("the machine did not come to its end within {}",
                                format_seconds(std::chrono::duration<double>(timeout_).count())));
    }
    Error explain_end() override {
        [[maybe_unused]] auto ended = machine_.wait(std::chrono::seconds(2));
        return {.code = Code::ToolFailed,
                .what = "the machine has ended before its time",
                .tool = ToolFailure{{}, -1, machine_.console_tail()}};
    }
    void kill() override { machine_.kill(); }
    // All is written by then; a kernel that cannot switch its machine off is no error.
    Status finish() override {
        SLIPWAY_TRY(auto ended, machine_.wait(switching_off));
        if (!ended)
            machine_.kill();
        return {};
    }

private:
    vm::Sandbox machine_;
    std::chrono::milliseconds timeout_;
    Clock::time_point started_ = Clock::now();
};

// Disks that are only read, and come first: /dev/vda and so on in User-mode Linux.
class Images {
public:
    explicit Images(bool uml) : uml_(uml) {}
    Json add(const image::BlockGraph& graph, const char* serial) {
        auto node = fmt::format("/dev/vd{:c}", static_cast<char>('a' + given_.size()));
        given_.push_back(
            {.node = graph.node, .fds = graph.fds, .read_fds = graph.read_fds, .serial = serial});
        return {{"kind", "disk"}, {"source", uml_ ? node : serial}};
    }
    std::vector<vm::SandboxDisk> take() { return std::move(given_); }

private:
    bool uml_;
    std::vector<vm::SandboxDisk> given_;
};

// The machine's side of a share, as lib/testbed reads it.
Json described(const vm::SandboxShare& share, const TestbedShare& wish, bool uml) {
    return {{"kind", uml ? "hostfs" : "9p"},
            {"source", uml ? vm::directory_for_hostfs(share.directory) : share.tag},
            {"guest", wish.guest},
            {"writable", wish.writable}};
}

class Shares {
public:
    explicit Shares(bool uml) : uml_(uml) {}
    Json add(const TestbedShare& wish) {
        auto index = static_cast<int>(given_.size());
        given_.push_back(
            {{wish.directory, first_share + index}, wish.writable, fmt::format("share{}", index)});
        return described(given_.back(), wish, uml_);
    }
    std::vector<vm::SandboxShare> take() { return std::move(given_); }

private:
    bool uml_;
    std::vector<vm::SandboxShare> given_;
};

struct Given {
    std::vector<vm::SandboxShare> shares;
    std::vector<vm::SandboxDisk> images;
};

Result<vm::Sandbox> start_uml(const SupervisedRunner& runner, const sys::Host& host,
                              const TestbedMachine& machine, Given given, vm::TestbedSpec testbed) {
    auto directory = std::string(dirname_of(runner.worker_program()));
    SLIPWAY_TRY(auto worker, readable_copy(runner.worker_program()));
    SLIPWAY_TRY(auto preload, readable_copy(directory + "/slipway-uml.so"));
    vm::SandboxSpec spec{.program = machine.kernel.file,
                         .worker = worker,
                         .preload = preload,
                         .arguments = {"--testbed"},
                         .testbed = std::move(testbed),
                         .disks = std::move(given.images),
                         .shares = std::move(given.shares),
                         .memory_mib = machine.memory_mib,
                         .raid6 = true};
    for (const auto& disk : machine.disks)
        spec.raw_disks.push_back(
            {{disk.file, first_disk + static_cast<int>(spec.raw_disks.size())}, disk.serial});
    return vm::Sandbox::start(host, spec);
}

Result<vm::Sandbox> start_qemu(const SupervisedRunner& runner, const sys::Host& host,
                               const TestbedMachine& machine, Given given,
                               vm::TestbedSpec testbed) {
    SLIPWAY_TRY(auto kernel, sys::open_file(machine.kernel.file, O_RDONLY));
    SLIPWAY_TRY(auto initramfs,
                appliance::build_testbed_initramfs(runner.worker_program(), machine.kernel));
    vm::QemuSandboxSpec spec{.kernel = kernel,
                             .initramfs = initramfs,
                             .accelerator = machine.accelerator,
                             .disks = std::move(given.images),
                             .shares = std::move(given.shares),
                             .memory_mib = machine.memory_mib,
                             .cpus = machine.cpus,
                             .testbed = std::move(testbed)};
    for (const auto& disk : machine.disks) {
        auto number = first_disk + static_cast<int>(spec.disks.size()); // the root has others
        vm::SandboxDisk added{.node = {{"driver", "raw"},
                                       {"read-only", !disk.writable},
                                       {"file",
                                        {{"driver", "file"},
                                         {"filename", sys::proc_path(number)},
                                         {"read-only", !disk.writable},
                                         {"locking", "off"}, // it is locked by who gave it
                                         {"discard", "unmap"}}}},
                              .fds = {{disk.file, number}},
                              .writable = disk.writable,
                              .serial = disk.serial};
        (disk.writable ? added.write_fds : added.read_fds).push_back(number);
        spec.disks.push_back(std::move(added));
    }
    return vm::Sandbox::start(host, spec);
}

} // namespace

Result<StartedTestbed> start_testbed(const SupervisedRunner& runner, const sys::Host& host,
                                     const TestbedMachine& machine) {
    bool uml = machine.kernel.kind == appliance::KernelKind::Uml;
    Shares shares(uml);
    Json arguments{{"overlay", machine.overlay}, {"shares", Json::array()}};
    Images images(uml);
    arguments["root"] = machine.root ? shares.add(*machine.root)
                                     : images.add(machine.root_image.value(), "slipway-root");
    if (machine.modules)
        arguments["modules"] = shares.add(*machine.modules);
    else if (machine.modules_image)
        arguments["modules"] = images.add(*machine.modules_image, "slipway-modules");
    for (const auto& share : machine.shares)
        arguments["shares"].push_back(shares.add(share));
    arguments["loud"] = machine.append.find("loglevel=") == std::string::npos &&
                        machine.append.find("quiet") == std::string::npos;
    vm::TestbedSpec testbed{.append = machine.append,
                            .keeps_user = machine.keeps_user,
                            .changes_files = machine.changes_files,
                            .changes_owners = machine.changes_owners,
                            .on_console = machine.on_console};
    Given given{shares.take(), images.take()};
    auto started = uml ? start_uml(runner, host, machine, std::move(given), std::move(testbed))
                       : start_qemu(runner, host, machine, std::move(given), std::move(testbed));
    if (!started)
        return fail(std::move(started).error());
    SLIPWAY_TRY(auto window, sys::duplicate(started->window()));
    Channel channel(started->take_control(), Window(std::move(window), Window::End::Client));
    return StartedTestbed{{std::make_unique<TestbedPlace>(std::move(*started), machine.timeout),
                           std::move(channel), Json::array()},
                          {"testbed", std::move(arguments)}};
}

} // namespace slipway::session
