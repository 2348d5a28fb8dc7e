// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"
#include "guest_signals.hpp"
#include "invocation.hpp"
#include "ops/boot_kernel.hpp"
#include "raw_terminal.hpp"

namespace slipway::app {
namespace {

constexpr int machine_died = 125, timed_out = 124; // as timeout(1)
constexpr std::size_t most_output = 1 << 20;       // bytes kept for --json

struct Options {
    ops::BootKernelRequest request{};
    bool read_write = false;
    bool overlay = false;
    std::vector<std::string> shared{}; ///< GUEST=HOST
    std::vector<std::string> shared_read_only{};
    std::vector<std::string> disks{}; ///< SIZE|FILE[,serial=S]
    std::string memory = "2G";
    std::string console{};
    double timeout = 0;
};

Result<std::uint64_t> parse_memory(const std::string& text) {
    auto size = parse_size(text);
    if (!size || *size < (std::uint64_t{64} << 20))
        return fail(Code::InvalidArgument, fmt::format("'{}' is no memory of a machine", text),
                    "write it as 512M or 2G; a machine needs 64M at least");
    return *size;
}

Result<ops::SharedDirectory> parse_shared(const std::string& text, bool writable) {
    auto equals = text.find('=');
    // One name: the same in the machine as here.
    auto guest = text.substr(0, equals);
    auto host = equals == std::string::npos ? text : text.substr(equals + 1);
    if (guest.empty() || host.empty())
        return fail(Code::InvalidArgument, fmt::format("'{}' names no directory", text),
                    "write GUEST=HOST, such as /fstests=/home/me/xfstests");
    return ops::SharedDirectory{guest, host, writable};
}

Result<ops::TestDisk> parse_disk(const std::string& text, std::size_t index) {
    ops::TestDisk disk{.serial = fmt::format("disk{}", index)};
    auto words = split(text, ',');
    for (auto word : std::span(words).subspan(1)) {
        constexpr std::string_view name = "serial=";
        if (!word.starts_with(name))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no option of a disk", printable(word)),
                        "write --disk SIZE|FILE,serial=NAME");
        disk.serial = word.substr(name.size());
    }
    auto what = std::string(words.front());
    if (auto size = parse_size(what); size && what.find('/') == std::string::npos)
        disk.size = *size;
    else
        disk.file = what;
    return disk;
}

Status complete(Options& options, const Invocation& invocation) {
    auto& request = options.request;
    request.argv = invocation.guest_argv;
    SLIPWAY_TRY(auto memory, parse_memory(options.memory));
    request.memory_mib = static_cast<unsigned>(memory >> 20);
    request.root_use = options.read_write ? ops::RootUse::ReadWrite : ops::RootUse::Overlay;
    request.timeout = std::chrono::milliseconds(static_cast<long>(options.timeout * 1000));
    for (const auto* list : {&options.shared, &options.shared_read_only})
        for (const auto& text : *list) {
            SLIPWAY_TRY(auto shared, parse_shared(text, list == &options.shared));
            request.shared.push_back(std::move(shared));
        }
    for (const auto& text : options.disks) {
        SLIPWAY_TRY(auto disk, parse_disk(text, request.disks.size()));
        request.disks.push_back(std::move(disk));
    }
    const auto& terminal = invocation.terminal;
    request.tty = terminal.in_is_terminal() && terminal.out_is_terminal() && !invocation.json;
    if (request.argv.empty() && request.tty)
        request.argv = {"/bin/sh", "-l"};
    if (const char* term = std::getenv("TERM"); request.tty && term != nullptr)
        request.env.push_back(fmt::format("TERM={}", term));
    return {};
}

Json to_json(const vm::KernelReport& report) {
    return {{"kind", report.kind},       {"title", report.title}, {"function", report.function},
            {"process", report.process}, {"at", report.at},       {"line", report.line},
            {"text", report.text},       {"fatal", report.fatal}};
}

Json to_json(const ops::BootKernelResult& result) {
    Json json{{"end", ops::name_of(result.end)},
              {"status", result.status ? Json(*result.status) : Json()},
              {"kernel_release", result.kernel_release},
              {"machine", result.machine},
              {"accelerator", result.accelerator},
              {"root_share", result.root_share},
              {"seconds_to_command", result.seconds_to_command},
              {"seconds", result.seconds},
              {"reports", Json::array()},
              {"console_tail", result.console_tail}};
    for (const auto& report : result.reports)
        json["reports"].push_back(to_json(report));
    return json;
}

void say_reports(Invocation& invocation, const ops::BootKernelResult& result) {
    for (const auto& report : result.reports)
        invocation.terminal.say(fmt::format(
            "slipway: kernel {} at {:.3f} s{} (line {} of the console): {}", report.kind, report.at,
            report.function.empty() ? "" : " in " + printable(report.function), report.line,
            printable(report.title)));
}

int exit_code(Invocation& invocation, const Options& options, const ops::BootKernelResult& result) {
    if (result.status) {
        if (result.exec_errno != 0)
            invocation.terminal.say(fmt::format("slipway: {} in the machine: {}",
                                                options.request.argv.front(),
                                                std::strerror(result.exec_errno)));
        return *result.status;
    }
    if (result.end == ops::MachineEnd::TimedOut) {
        invocation.terminal.say(
            fmt::format("slipway: the machine did not end within {} s and was stopped; its console "
                        "ends with:\n{}",
                        options.timeout, result.console_tail));
        return timed_out;
    }
    invocation.terminal.say(fmt::format(
        "slipway: the machine {} while the command ran; its console ends with:\n{}",
        result.end == ops::MachineEnd::Panicked ? "panicked" : "ended", result.console_tail));
    return machine_died;
}

Result<int> run(Invocation& invocation, Options& options) {
    SLIPWAY_CHECK(complete(options, invocation));
    auto& request = options.request;
    SLIPWAY_TRY(auto context, invocation.context());
    context.host.progress = {};
    sys::OwnedFd console;
    if (!options.console.empty()) {
        SLIPWAY_TRY(console,
                    options.console == "-"
                        ? sys::duplicate(sys::BorrowedFd(2))
                        : sys::open_file(options.console, O_WRONLY | O_CREAT | O_TRUNC, 0644));
        request.on_console = [&console](std::string_view bytes) {
            (void)sys::write_all(console, bytes);
        };
    }
    std::string out, err;
    session::CallHooks hooks;
    hooks.on_data = [&](int stream, std::string_view bytes) -> Status {
        if (invocation.json) {
            auto& kept = stream == 2 ? err : out;
            kept.append(bytes);
            kept.erase(0, kept.size() - std::min(kept.size(), most_output));
            return {};
        }
        return stream == 2 ? sys::write_all(sys::BorrowedFd(2), bytes)
                           : invocation.terminal.out(bytes);
    };
    request.has_input = !request.tty && !invocation.json;
    hooks.input = invocation.json ? sys::BorrowedFd(-1) : invocation.terminal.in();
    std::optional<RawTerminal> raw;
    if (request.tty) {
        if (auto window = window_size_of(invocation.terminal.in()))
            std::tie(request.rows, request.columns) = *window;
        pass_signals_on();
        hooks.take_signal = take_signal;
        hooks.take_window = [&invocation]() -> std::optional<std::pair<unsigned, unsigned>> {
            return take_window_change() ? window_size_of(invocation.terminal.in()) : std::nullopt;
        };
        raw.emplace(invocation.terminal.in());
    }
    auto result = ops::boot_kernel(context, request, hooks);
    raw.reset();
    if (!result)
        return fail(std::move(result).error());
    if (invocation.json) {
        auto json = to_json(*result);
        json["stdout"] = out;
        json["stderr"] = err;
        SLIPWAY_CHECK(invocation.terminal.out(render_json(json) + "\n"));
    }
    say_reports(invocation, *result);
    return exit_code(invocation, options, *result);
}

} // namespace

void declare_boot(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("boot", "Boot a kernel in a virtual machine and run a command");
    auto options = std::make_shared<Options>();
    auto& request = options->request;
    command
        ->add_option(
            "--kernel", request.kernel,
            "bzImage, vmlinux, build tree, User-mode Linux program or DEB package; or host")
        ->required();
    command->add_option("--root", request.root,
                        "Test root by name, directory or disk image; host: this machine's own "
                        "tree, read-only; minimal if it is left out");
    auto* read_write =
        command->add_flag("--rw", options->read_write, "Changes go to the root itself");
    command->add_flag("--overlay", options->overlay, "Changes are kept in memory (the default)")
        ->excludes(read_write);
    command
        ->add_option("--rwdir", options->shared,
                     "GUEST=HOST: a directory of this host, for writing; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--rodir", options->shared_read_only, "The same for reading")
        ->allow_extra_args(false);
    command
        ->add_option("--disk", options->disks,
                     "SIZE or FILE (raw), with ,serial=NAME: /dev/disk/by-id/virtio-NAME in the "
                     "machine; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--memory", options->memory, "Of the machine")->capture_default_str();
    command->add_option("--cpus", request.cpus, "Processors")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command->add_option("--accel", request.accelerator, "auto, kvm or tcg")->capture_default_str();
    command
        ->add_option("--timeout", options->timeout,
                     "Seconds after which the machine is stopped (exit code 124)")
        ->check(CLI::PositiveNumber);
    command->add_option("--append", request.append, "More for the kernel's command line");
    command->add_option("--env", request.env, "NAME=value for the command; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--cwd", request.cwd, "Directory in the machine to run in")
        ->capture_default_str();
    command->add_option("--console", options->console,
                        "Write what the kernel prints to this file; -: to standard error");
    add_output_options(*command, invocation);
    command->footer(
        "After -- follow the command and its arguments: slipway boot --kernel K -- uname "
        "-a. Without it, at a terminal, a shell.");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
