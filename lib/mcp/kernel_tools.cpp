// SPDX-License-Identifier: Apache-2.0
// boot_kernel.
#include <cstring>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "mcp/machine_arguments.hpp"
#include "mcp/program_output.hpp"
#include "mcp/tools.hpp"

namespace slipway::mcp {

Shape<KernelArguments> KernelArguments::shape() {
    using A = KernelArguments;
    return Shape<A>()
        .add("kernel_path", &A::kernel_path,
             "bzImage, vmlinux, build tree, User-mode Linux program or DEB package; or host",
             {.required = true, .is_path = true})
        .add("memory_mib", &A::memory_mib, "Memory of the machine", {.least = 64, .most = 1 << 20})
        .add("cpus", &A::cpus, "Its processors", {.least = 1, .most = 64})
        .add("accelerator", &A::accelerator, "KVM is taken by auto where it was proven",
             {.choices = {"auto", "kvm", "tcg"}})
        .add("append", &A::append, "More for the kernel's command line")
        .with(Waiting::shape());
}

Shape<ReportRecord> ReportRecord::shape() {
    using R = ReportRecord;
    return Shape<R>()
        .add("kind", &R::kind, "panic, oops, bug, warning, lockdep, kasan, hung-task, …")
        .add("title", &R::title, "Its first line")
        .add("function", &R::function, "The function that it names; may be empty")
        .add("line", &R::line, "Of the console, counted from 1")
        .add("fatal", &R::fatal, "The kernel does not go on after it");
}

std::vector<ReportRecord> records_of(const std::vector<vm::KernelReport>& reports) {
    std::vector<ReportRecord> records;
    for (const auto& report : reports)
        records.push_back({report.kind, report.title, report.function, report.line, report.fatal});
    return records;
}

namespace {

struct SharedArgument {
    std::string guest;
    std::string host;
    bool writable = true;
    static Shape<SharedArgument> shape() {
        using A = SharedArgument;
        return Shape<A>()
            .add("guest", &A::guest, "Absolute path in the machine", {.required = true})
            .add("host", &A::host, "Directory of this host", {.required = true, .is_path = true})
            .add("writable", &A::writable, "The machine may write there");
    }
};

struct DiskArgument {
    std::string serial;
    std::string file{};
    std::uint64_t size = 0;
    static Shape<DiskArgument> shape() {
        using A = DiskArgument;
        return Shape<A>()
            .add("serial", &A::serial, "In the machine it is /dev/disk/by-id/virtio-SERIAL",
                 {.required = true})
            .add("file", &A::file,
                 "Raw image, opened for writing; empty: one of 'size' bytes that "
                 "goes with the machine",
                 {.is_path = true})
            .add("size", &A::size, "Bytes, without 'file'");
    }
};

struct BootArguments : KernelArguments {
    std::string root{};
    std::vector<std::string> argv{"true"};
    bool write_root = false;
    std::vector<SharedArgument> shared{};
    std::vector<DiskArgument> disks{};
    std::vector<std::string> env{};
    std::string cwd = "/";
    std::string input{};
    double timeout_seconds = 600;
    static Shape<BootArguments> shape() {
        using A = BootArguments;
        return Shape<A>()
            .with(KernelArguments::shape())
            .add("root", &A::root,
                 "Test root by name, directory or disk image; host: this machine's own tree, "
                 "read-only; empty: minimal",
                 {.is_path = true})
            .add("argv", &A::argv, "Command and its arguments")
            .add("write_root", &A::write_root,
                 "Changes go to the root itself; otherwise to the machine's memory")
            .add("shared", &A::shared, "Directories of this host that the machine sees")
            .add("disks", &A::disks, "Disks of the machine")
            .add("env", &A::env, "NAME=value for the command")
            .add("cwd", &A::cwd, "Directory in the machine")
            .add("input", &A::input, "Text for the command's standard input")
            .add("timeout_seconds", &A::timeout_seconds, "Of the whole machine",
                 {.least = 1, .most = 86400});
    }
    [[nodiscard]] ops::BootKernelRequest request() const {
        ops::BootKernelRequest request{.kernel = kernel_path,
                                       .root = root,
                                       .root_use = write_root ? ops::RootUse::ReadWrite
                                                              : ops::RootUse::Overlay,
                                       .memory_mib = memory_mib,
                                       .cpus = cpus,
                                       .accelerator = accelerator,
                                       .timeout = milliseconds_of(timeout_seconds),
                                       .append = append,
                                       .argv = argv,
                                       .env = env,
                                       .cwd = cwd,
                                       .has_input = !input.empty()};
        for (const auto& each : shared)
            request.shared.push_back({each.guest, each.host, each.writable});
        for (const auto& disk : disks)
            request.disks.push_back({disk.serial, disk.file, disk.size});
        return request;
    }
};

struct BootRecord : ProgramOutput {
    std::string end;
    std::optional<int> status{};
    std::optional<std::string> not_executed{};
    std::string kernel_release;
    std::string machine;
    std::string accelerator;
    std::string root_share;
    double seconds_to_command = 0;
    double seconds = 0;
    std::vector<ReportRecord> reports{};
    std::string console;
    static Shape<BootRecord> shape() {
        using R = BootRecord;
        return Shape<R>()
            .add("end", &R::end, "How the machine came to its end",
                 {.choices = {"exited", "panicked", "timed-out", "died"}})
            .add("status", &R::status, "Of the command, if it ended: 128+N for signal N")
            .add("not_executed", &R::not_executed, "Why it could not be executed")
            .add("kernel_release", &R::kernel_release, "As uname -r says")
            .add("machine", &R::machine, "uml or qemu")
            .add("accelerator", &R::accelerator, "Which, and why")
            .add("root_share", &R::root_share, "How the root came into the machine")
            .add("seconds_to_command", &R::seconds_to_command, "From the machine's start")
            .add("seconds", &R::seconds, "Of the command")
            .add("reports", &R::reports, "What the kernel complained of, in order")
            .add("console", &R::console, "The console's last lines")
            .with(ProgramOutput::shape());
    }
};

std::string text_of(const BootRecord& record) {
    auto text = fmt::format("kernel {} on {} ({}), root by {}\n", record.kernel_release,
                            record.machine, record.accelerator, record.root_share);
    if (record.status)
        text +=
            fmt::format("exit status {} after {}; the command began after {}\n", *record.status,
                        format_seconds(record.seconds), format_seconds(record.seconds_to_command));
    else
        text += fmt::format("the command did not end: the machine {}\n", record.end);
    if (record.not_executed)
        text += fmt::format("it could not be executed: {}\n", *record.not_executed);
    for (const auto& report : record.reports)
        text += fmt::format("kernel {}{}: {} (line {} of the console)\n", report.kind,
                            report.function.empty() ? "" : " in " + report.function, report.title,
                            report.line);
    text += record.text();
    if (!record.status)
        text += "\nthe console's last lines:\n" + record.console;
    return printable(text);
}

Result<Told<BootRecord>> boot(Job& job, const BootArguments& arguments) {
    SLIPWAY_CHECK(check_command(arguments.argv));
    SLIPWAY_CHECK(check_environment(arguments.env));
    SLIPWAY_TRY(auto context, job.context());
    auto request = arguments.request();
    request.on_console = [&job](std::string_view bytes) { job.add("console", bytes); };
    SLIPWAY_TRY(auto input, sys::make_memfd("input", arguments.input));
    auto hooks = keep_streams(job);
    if (request.has_input)
        hooks.input = input;
    SLIPWAY_TRY(auto result, ops::boot_kernel(context, request, hooks));
    constexpr std::size_t shown = 600;
    BootRecord record{ProgramOutput::of(job)};
    record.end = ops::name_of(result.end);
    record.status = result.status;
    if (result.exec_errno != 0)
        record.not_executed = std::strerror(result.exec_errno);
    record.kernel_release = result.kernel_release;
    record.machine = result.machine;
    record.accelerator = result.accelerator;
    record.root_share = result.root_share;
    record.seconds_to_command = result.seconds_to_command;
    record.seconds = result.seconds;
    record.reports = records_of(result.reports);
    record.console = tail_of(job, "console", shown);
    auto text = text_of(record);
    return Told<BootRecord>{std::move(text), std::move(record)};
}

} // namespace

void add_kernel_tools(Tools& tools) {
    tools.push_back(job_tool<BootArguments, BootRecord>(
        {"boot_kernel", "Boot a kernel",
         "Boots a kernel in a virtual machine and runs a command there, and finds panics, oopses, "
         "lockdep, KASAN and other reports in its console. Needs no privilege.",
         Effect::Changes, false},
        boot));
}

} // namespace slipway::mcp
