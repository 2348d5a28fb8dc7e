// SPDX-License-Identifier: Apache-2.0
#include "invocation.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "keys.hpp"
#include "ops/steps.hpp"

namespace slipway::app {

Log Invocation::log() {
    auto threshold = verbose ? Level::Debug : quiet ? Level::Warning : Level::Info;
    return {threshold, [this](Level, std::string_view text) { terminal.say(text); }};
}

Result<ops::Context> Invocation::context() {
    if (!runner) {
        SLIPWAY_TRY(runner, session::SupervisedRunner::launch());
    }
    ops::Context context;
    context.runner = runner.get();
    context.host.runner = runner.get();
    context.host.cancel = cancel;
    context.host.log = log();
    if (!quiet)
        context.host.progress = [this](const sys::Progress& progress) {
            terminal.progress(progress);
        };
    return context;
}

Result<ops::ImageOptions> Invocation::image_options() const {
    auto options = image;
    options.untrusted = options.untrusted || ops::untrusted_by_environment();
    SLIPWAY_TRY(options.keys, read_keys(keys, cancel));
    if (!source_format.empty()) {
        SLIPWAY_TRY(options.format, image::parse_format(source_format));
    }
    return options;
}

void add_output_options(CLI::App& command, Invocation& invocation) {
    command.add_flag("-v,--verbose", invocation.verbose, "Say more on standard error");
    command.add_flag("-q,--quiet", invocation.quiet, "Say only what went wrong");
    command.add_flag("--json", invocation.json, "Results as JSON on standard output");
}

void add_image_options(CLI::App& command, Invocation& invocation) {
    command
        .add_option("IMAGE", invocation.image.path,
                    "Disk image: raw, qcow2, VMDK, VHD, VHDX or VDI; or a block device")
        ->required();
    command.add_option("--root", invocation.image.root,
                       "Volume of the operating system, such as sda2 or btrfs:sda2/@");
    command.add_option(
        "--source-format", invocation.source_format,
        "Take the image for raw, qcow2, vmdk, vpc, vhdx or vdi instead of finding out");
    command.add_flag("--allow-backing", invocation.image.allow_backing,
                     "Follow backing and data files that the image names");
    command.add_option("--engine", invocation.image.engine, "auto, host or sandbox")
        ->capture_default_str();
    command.add_option("--sandbox", invocation.image.sandbox.machine,
                       "The sandbox engine's machine: auto, uml or qemu");
    command.add_option("--sandbox-kernel", invocation.image.sandbox.kernel,
                       "Kernel of a QEMU sandbox (bzImage)");
    command.add_flag("--untrusted", invocation.image.untrusted,
                     "The image may be hostile: never let the host's kernel parse it");
    command
        .add_option(
            "--key", invocation.keys,
            "Key of an encrypted volume: WHICH:file:PATH, WHICH:fd:N or WHICH:prompt, where "
            "WHICH is a volume, a UUID or all; may be given again")
        ->allow_extra_args(false)
        ->take_all();
    add_output_options(command, invocation);
}

void add_machine_options(CLI::App& command, Invocation& invocation) {
    add_image_options(command, invocation);
    command
        .add_option("--disk", invocation.image.further_disks,
                    "Image of a further disk of the same machine (sdb, sdc, ...); may be given "
                    "again")
        ->allow_extra_args(false)
        ->take_all();
}

void add_policy_options(CLI::App& command, report::Policy& policy, std::string& fstab_mode) {
    command
        .add_option("--fstab-mode", fstab_mode,
                    "Which names in /etc/fstab to make stable: stabilize-all, bypath-only or noop")
        ->capture_default_str();
    command.add_flag("--regen-initramfs", policy.regen_initramfs,
                     "Run the guest's initramfs generator instead of appending virtio");
    command.add_flag("--update-grub", policy.update_grub, "Run the guest's own grub-mkconfig");
    command
        .add_option_function<unsigned>(
            "--tool-timeout",
            [&policy](unsigned seconds) { policy.tool_timeout = std::chrono::seconds(seconds); },
            "Seconds after which a program of the guest is killed")
        ->check(CLI::Range(1U, 86400U))
        ->default_str("1800");
}

Status parse_fstab_mode(const std::string& text, report::Policy& policy) {
    for (auto mode :
         {report::FstabMode::StabilizeAll, report::FstabMode::BypathOnly, report::FstabMode::Noop})
        if (report::name_of(mode) == text) {
            policy.fstab_mode = mode;
            return {};
        }
    return fail(Code::InvalidArgument, fmt::format("'{}' is no --fstab-mode", text),
                "use stabilize-all, bypath-only or noop");
}

std::string plan_text(const report::Report& report) {
    std::string text;
    for (const auto& action : report.plan) {
        text += json_get<std::string>(action, "text") + "\n";
        for (const auto& change : json_at(action, "changes"))
            text += fmt::format("    {}: {} -> {}\n", json_get<std::string>(change, "what"),
                                json_get<std::string>(change, "old"),
                                json_get<std::string>(change, "new"));
    }
    return text.empty() ? "nothing to change\n" : printable(text);
}

namespace {

// A report replaces an earlier one and nothing else: `--report` with the name of an image must not
// cost the image.
Status check_replaceable(const std::string& path) {
    auto file = sys::open_file(path, O_RDONLY | O_NONBLOCK);
    if (!file)
        return {}; // not there; or its making will say why not
    struct stat info {};
    std::string head(256, '\0');
    auto got = ::pread(file->raw(), head.data(), head.size(), 0);
    head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    bool regular = ::fstat(file->raw(), &info) == 0 && S_ISREG(info.st_mode);
    if (!regular || info.st_size == 0 || head.find("slipway.report.") != std::string::npos)
        return {}; // what is no file is refused by its maker
    return fail(Code::Exists, fmt::format("{} exists already, and is no report of slipway", path),
                "choose another name for --report");
}

} // namespace

Result<std::optional<sys::OutputFile>> open_report(const std::string& path) {
    if (path.empty())
        return std::optional<sys::OutputFile>{};
    SLIPWAY_CHECK(check_replaceable(path));
    auto file = sys::OutputFile::create(path, {.replace = true});
    if (!file)
        return fail(std::move(file.error()).in("making the report"));
    return std::optional(std::move(*file));
}

Result<std::optional<sys::OutputFile>> open_page(const std::string& path) {
    std::optional<sys::OutputFile> file;
    if (!path.empty()) {
        SLIPWAY_TRY(file, sys::OutputFile::create(path, {.replace = true}));
    }
    return file;
}

Status publish_page(std::optional<sys::OutputFile>& file, std::string_view text) {
    if (!file)
        return {};
    SLIPWAY_CHECK(sys::write_all(file->fd(), text));
    return file->publish();
}

namespace {

const char* summary_of(const report::Findings& findings) {
    switch (report::worst_of(findings)) {
    case report::Severity::Blocker:
        return "done, but something remains that keeps the guest from booting";
    case report::Severity::Error:
        return "done, but what remains may keep the guest from booting";
    default:
        return "done: nothing remains that keeps the guest from booting";
    }
}

} // namespace

Result<int> finish(Invocation& invocation, const ops::Context& context, report::Report& report,
                   Status status, std::optional<sys::OutputFile> file) {
    if (!status)
        report.error = status.error();
    else if (report.dry_run)
        report.summary = report.plan.empty() ? "dry run: nothing would be changed"
                                             : "dry run: nothing was changed";
    else
        report.summary = summary_of(report.findings);
    if (file || invocation.json)
        report.tools = ops::tool_versions(context);
    Status written;
    if (file)
        written = ops::write_report(report, std::move(*file));
    if (invocation.json)
        SLIPWAY_CHECK(invocation.terminal.out(render_json_pretty(report::to_json(report)) + "\n"));
    if (!status)
        return fail(std::move(status).error());
    if (!written)
        return fail(std::move(written.error()).in("all is done, but the report was not written"));
    if (report.dry_run && !invocation.json)
        SLIPWAY_CHECK(invocation.terminal.out(plan_text(report)));
    if (!invocation.json && !invocation.quiet)
        SLIPWAY_CHECK(invocation.terminal.out(report::render_text(report) + report.summary + "\n"));
    return report::is_bootable(report) ? 0 : 1;
}

} // namespace slipway::app
