// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_kernel.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "appliance/tested_kernel.hpp"
#include "base/strings.hpp"
#include "base/units.hpp"
#include "image/lock.hpp"
#include "ops/boot_root.hpp"
#include "ops/mend.hpp"
#include "ops/tree_image.hpp"
#include "sys/output_file.hpp"
#include "vm/accelerator.hpp"
#include "vm/console.hpp"

namespace slipway::ops {
namespace {

using appliance::KernelKind;
using appliance::WantedDriver;

constexpr std::size_t tail_lines = 25;
// Of images; one that the root is may have several from there on.
constexpr int root_number = session::first_image_number, modules_number = root_number - 1;

constexpr std::array machine_drivers{WantedDriver{"virtio_pci", "VIRTIO_PCI"},
                                     WantedDriver{"virtio_blk", "VIRTIO_BLK"},
                                     WantedDriver{"virtio_console", "VIRTIO_CONSOLE"}};
constexpr std::array share_drivers{WantedDriver{"9pnet_virtio", "NET_9P_VIRTIO"},
                                   WantedDriver{"9p", "9P_FS"}};
constexpr std::array overlay_driver{WantedDriver{"overlay", "OVERLAY_FS"}};

bool can_show_directories(const appliance::TestedKernel& kernel) {
    if (kernel.kind == KernelKind::Uml)
        return appliance::driver_of(kernel, "hostfs", "HOSTFS") != appliance::Driver::Absent;
    return appliance::absent_drivers(kernel, share_drivers).empty();
}

// What makes certain that the machine cannot work, by name, before it is started.
Status check_drivers(const appliance::TestedKernel& kernel, const BootKernelRequest& request) {
    std::vector<std::string> absent;
    auto add = [&](auto drivers) {
        auto more = appliance::absent_drivers(kernel, std::span<const WantedDriver>(drivers));
        absent.insert(absent.end(), more.begin(), more.end());
    };
    if (kernel.kind != KernelKind::Uml)
        add(machine_drivers);
    bool writes_directories = !request.shared.empty() || request.root_use == RootUse::ReadWrite;
    if (writes_directories && kernel.kind != KernelKind::Uml)
        add(share_drivers);
    if (request.root_use == RootUse::Overlay && kernel.kind != KernelKind::Uml)
        add(overlay_driver);
    if (absent.empty())
        return {};
    return fail(Code::Unsupported,
                fmt::format("the kernel {} lacks {}", kernel.release, join(absent, ", ")),
                kernel.modules.empty()
                    ? "build them in; its modules were not found here"
                    : "build it with them, or test a kernel that has them (Debian's cloud kernels "
                      "have no 9p)");
}

struct OpenFiles {
    BootRoot root;
    std::optional<TreeImage> root_image; ///< of a directory
    sys::OwnedFd modules;
    std::optional<TreeImage> modules_image;
    std::vector<sys::OwnedFd> shared;
    std::vector<sys::OwnedFd> disks;
};

Result<sys::OwnedFd> open_disk(const TestDisk& disk) {
    if (disk.file.empty()) {
        SLIPWAY_TRY(auto file, sys::make_scratch_file(scratch_directory()));
        if (::ftruncate(file.raw(), static_cast<off_t>(disk.size)) != 0)
            return fail_errno(
                fmt::format("making the disk {} in {}", disk.serial, scratch_directory()));
        return file;
    }
    SLIPWAY_TRY(auto file, sys::open_file(disk.file, O_RDWR | O_NONBLOCK));
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0 || !S_ISREG(info.st_mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no regular file, and devices of this host are not given to "
                                "a kernel under test",
                                disk.file),
                    "make a file with truncate -s SIZE");
    return file;
}

Result<OpenFiles> open_files(const Context& context, const BootKernelRequest& request,
                             const appliance::TestedKernel& kernel) {
    OpenFiles files;
    SLIPWAY_TRY(files.root, open_boot_root(context, request));
    if (!kernel.modules.empty()) {
        SLIPWAY_TRY(files.modules, sys::open_file(kernel.modules, O_RDONLY | O_DIRECTORY));
    }
    for (const auto& shared : request.shared) {
        SLIPWAY_TRY(auto directory, open_shown_directory(shared.host));
        files.shared.push_back(std::move(directory));
    }
    for (const auto& disk : request.disks) {
        SLIPWAY_TRY(auto file, open_disk(disk));
        if (!disk.file.empty())
            SLIPWAY_CHECK(image::lock_image(file, image::Access::Write, disk.file));
        files.disks.push_back(std::move(file));
    }
    return files;
}

// What the console says, for the caller, for the result, and for who looks for reports.
class Listener {
public:
    explicit Listener(const BootKernelRequest& request) : tell_(request.on_console) {}
    void hear(std::string_view bytes) {
        console_.feed(bytes, [this](std::string_view line) { reports_.see(line); });
        if (tell_)
            tell_(bytes);
    }
    [[nodiscard]] const std::vector<vm::KernelReport>& reports() const { return reports_.found(); }
    [[nodiscard]] const vm::KernelReport* fatal() const {
        auto found = std::find_if(reports().begin(), reports().end(),
                                  [](const auto& report) { return report.fatal; });
        return found == reports().end() ? nullptr : &*found;
    }
    [[nodiscard]] std::string tail() const { return console_.tail(tail_lines); }

private:
    vm::Console console_;
    vm::KernelReports reports_;
    std::function<void(std::string_view)> tell_;
};

session::TestbedMachine describe(const BootKernelRequest& request,
                                 const appliance::TestedKernel& kernel, const OpenFiles& files,
                                 const std::string& accelerator) {
    session::TestbedMachine machine{.kernel = kernel,
                                    .accelerator = accelerator,
                                    .memory_mib = request.memory_mib,
                                    .cpus = request.cpus,
                                    .append = request.append,
                                    .overlay = request.root_use == RootUse::Overlay,
                                    .timeout = request.timeout};
    if (files.root.image)
        machine.root_image = files.root.image->graph();
    else if (files.root_image)
        machine.root_image = files.root_image->graph;
    else
        machine.root = session::TestbedShare{files.root.directory, "", !machine.overlay};
    if (files.modules_image)
        machine.modules_image = files.modules_image->graph;
    else if (files.modules.valid())
        machine.modules = session::TestbedShare{files.modules, ""};
    bool writes = !machine.overlay;
    for (std::size_t index = 0; index < files.shared.size(); ++index) {
        const auto& shared = request.shared[index];
        machine.shares.push_back({files.shared[index], shared.guest, shared.writable});
        writes = writes || shared.writable;
    }
    for (std::size_t index = 0; index < files.disks.size(); ++index)
        machine.disks.push_back({files.disks[index], request.disks[index].serial});
    machine.changes_files = writes;
    machine.changes_owners = writes && (::geteuid() == 0 || files.root.in_own_namespace);
    machine.keeps_user = machine.changes_owners;
    return machine;
}

Result<vm::Accelerator> accelerator_for(const Context& context, const BootKernelRequest& request,
                                        const appliance::TestedKernel& kernel) {
    if (kernel.kind == KernelKind::Uml && request.accelerator == "kvm")
        return fail(Code::InvalidArgument,
                    "User-mode Linux is a program of this host: it has no accelerator",
                    "leave --accel out");
    if (kernel.kind == KernelKind::Uml)
        return vm::Accelerator{"none", "User-mode Linux is a program of this host"};
    if (request.accelerator == "auto")
        return vm::choose_accelerator(context.host);
    if (request.accelerator == "tcg")
        return vm::Accelerator{"tcg", "asked for"};
    SLIPWAY_TRY(auto proven, vm::prove_accelerator(context.host, "kvm"));
    if (proven.name != "kvm")
        return fail(Code::Unsupported, fmt::format("KVM does not work here: {}", proven.reason),
                    "use --accel auto or tcg");
    return proven;
}

// A machine that ended before it could do anything: why, as far as its console tells.
Error explain_start(Error error, const Listener& listener, const appliance::TestedKernel& kernel) {
    if (error.code == Code::Cancelled || error.code == Code::Unsupported)
        return error;
    auto tail = listener.tail();
    if (const auto* report = listener.fatal()) {
        error.code = Code::ToolFailed;
        error.what = fmt::format("the kernel {} panicked before the command could start: {}",
                                 kernel.release, report->title);
        if (report->title.find("memory") != std::string::npos)
            error.hint = "give the machine more with --memory";
    } else if (tail.find("this machine has no device") != std::string::npos) {
        error.code = Code::Unsupported;
        error.what =
            fmt::format("the kernel {} lacks a driver that its machine needs", kernel.release);
        error.hint = "build in CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_BLK and CONFIG_VIRTIO_CONSOLE, or "
                     "keep its modules beside it";
    } else if (tail.empty()) {
        error.hint = "the kernel printed nothing: is the file whole, --memory enough, and the "
                     "kernel one with CONFIG_SERIAL_8250_CONSOLE?";
    }
    error.tool = ToolFailure{{}, -1, tail};
    return error;
}

Json command_of(const BootKernelRequest& request) {
    return {{"argv", request.argv},      {"env", request.env},   {"cwd", request.cwd},
            {"tty", request.tty},        {"rows", request.rows}, {"columns", request.columns},
            {"input", request.has_input}};
}

class Boot {
public:
    Boot(Context& context, const BootKernelRequest& request)
        : context_(context), request_(request), listener_(request) {}

    Result<BootKernelResult> run(const session::CallHooks& hooks) {
        SLIPWAY_CHECK(check(request_));
        SLIPWAY_TRY(kernel_, appliance::find_tested_kernel(context_.host, request_.kernel));
        SLIPWAY_TRY(files_, open_files(context_, request_, kernel_));
        SLIPWAY_CHECK(check_drivers(kernel_, request_));
        SLIPWAY_TRY(auto accelerator, accelerator_for(context_, request_, kernel_));
        result_.machine = kernel_.kind == KernelKind::Uml ? "uml" : "qemu";
        result_.accelerator = fmt::format("{}: {}", accelerator.name, accelerator.reason);
        SLIPWAY_CHECK(make_images());
        bool is_disk = files_.root.image || files_.root_image;
        result_.root_share = is_disk ? "disk" : kernel_.kind == KernelKind::Uml ? "hostfs" : "9p";
        context_.host.log.debug("{} {}, {}; root {} by {}", result_.machine, kernel_.release,
                                result_.accelerator, files_.root.path, result_.root_share);
        SLIPWAY_TRY(auto session, start(accelerator.name));
        return converse(*session, hooks);
    }

private:
    // Everything that sees the root's files runs where their owners are what they are in it.
    Result<session::SupervisedRunner*> runner() {
        if (!files_.root.in_own_namespace)
            return context_.runner;
        if (!own_runner_) {
            SLIPWAY_TRY(own_runner_,
                        session::SupervisedRunner::launch(session::Rights::OwnNamespace));
        }
        return own_runner_.get();
    }

    // For a kernel that cannot be shown directories.
    Status make_images() {
        if (can_show_directories(kernel_))
            return {};
        auto host = context_.host;
        if (files_.modules.valid()) {
            SLIPWAY_TRY(files_.modules_image,
                        make_tree_image(host, kernel_, files_.modules, modules_number));
        }
        if (files_.root.image)
            return {};
        SLIPWAY_TRY(host.runner, runner());
        // Not by its mount without a place: tools that ask for its real path would get "/" of the
        // host.
        SLIPWAY_TRY(auto tree, sys::open_file(files_.root.path, O_RDONLY | O_DIRECTORY));
        SLIPWAY_TRY(files_.root_image, make_tree_image(host, kernel_, tree, root_number));
        return {};
    }

    Result<std::unique_ptr<session::Session>> start(const std::string& accelerator) {
        SLIPWAY_TRY(auto* runner, this->runner());
        auto host = context_.host;
        host.runner = runner;
        auto machine = describe(request_, kernel_, files_, accelerator);
        machine.on_console = [this](std::string_view bytes) { listener_.hear(bytes); };
        started_ = Clock::now();
        SLIPWAY_TRY(auto testbed, session::start_testbed(*runner, host, machine));
        auto session = session::Session::open(std::move(testbed.worker), host, Json::array(),
                                              std::move(testbed.first));
        if (!session)
            return fail(explain_start(std::move(session.error()), listener_, kernel_));
        result_.kernel_release = json_get<std::string>((*session)->opened(), "release");
        return session;
    }

    Result<BootKernelResult> converse(session::Session& session, const session::CallHooks& hooks) {
        result_.seconds_to_command = seconds_since(started_);
        if (request_.on_begin)
            request_.on_begin(result_);
        auto began = Clock::now();
        auto answer = session.call("command", command_of(request_), hooks);
        result_.seconds = seconds_since(began);
        if (answer) {
            result_.status = json_get<int>(*answer, "status");
            result_.exec_errno = json_get<int>(*answer, "exec_errno");
            [[maybe_unused]] auto closed = session.close();
        } else if (session.is_alive() || answer.error().code == Code::Cancelled)
            return fail(std::move(answer).error());
        else
            result_.end = answer.error().code == Code::Timeout ? MachineEnd::TimedOut
                          : listener_.fatal() != nullptr       ? MachineEnd::Panicked
                                                               : MachineEnd::Died;
        result_.reports = listener_.reports();
        result_.console_tail = listener_.tail();
        return std::move(result_);
    }

    Context& context_;
    const BootKernelRequest& request_;
    Listener listener_;
    appliance::TestedKernel kernel_;
    OpenFiles files_;
    std::unique_ptr<session::SupervisedRunner> own_runner_;
    BootKernelResult result_;
    Clock::time_point started_{};
};

} // namespace

Result<BootKernelResult> boot_kernel(Context& context, const BootKernelRequest& request,
                                     const session::CallHooks& hooks) {
    return Boot(context, request).run(hooks);
}

} // namespace slipway::ops
