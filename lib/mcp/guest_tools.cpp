// SPDX-License-Identifier: Apache-2.0
// inspect_image, run_in_image, prove_boot, doctor.
#include <cstring>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "mcp/image_arguments.hpp"
#include "mcp/program_output.hpp"
#include "mcp/tools.hpp"
#include "ops/doctor.hpp"
#include "ops/look.hpp"
#include "ops/prove.hpp"

namespace slipway::mcp {
namespace {

struct InspectArguments : MachineArguments {
    bool deep = false;
    bool packages = false;
    static Shape<InspectArguments> shape() {
        using A = InspectArguments;
        return Shape<A>()
            .with(MachineArguments::shape())
            .add("deep", &A::deep, "Also look into each initramfs: can it find a virtio disk?")
            .add("packages", &A::packages, "Also count what is installed; the report lists it");
    }
};

struct VolumeRecord {
    std::string name;
    std::string type;
    std::uint64_t size = 0;
    static Shape<VolumeRecord> shape() {
        using R = VolumeRecord;
        return Shape<R>()
            .add("name", &R::name, "As other tools take it")
            .add("type", &R::type, "Filesystem, swap, crypto_LUKS, …; empty: unknown")
            .add("size", &R::size, "Bytes");
    }
};

struct GuestRecord {
    std::string product;
    std::string distro;
    std::string version;
    std::string arch;
    std::string hostname;
    std::string root;
    std::string firmware;
    std::string boot_loader;
    std::vector<std::string> kernels{};
    std::vector<VolumeRecord> volumes{};
    std::vector<FindingRecord> findings{};
    std::optional<std::size_t> packages{};
    static Shape<GuestRecord> shape() {
        using R = GuestRecord;
        return Shape<R>()
            .add("product", &R::product, "Name of the operating system")
            .add("distro", &R::distro, "Its short name, such as debian")
            .add("version", &R::version, "Its version")
            .add("arch", &R::arch, "Of its programs, such as x86_64")
            .add("hostname", &R::hostname, "Its own name")
            .add("root", &R::root, "Volume of /")
            .add("firmware", &R::firmware, "bios, uefi, bios+uefi; empty: unknown")
            .add("boot_loader", &R::boot_loader, "Such as grub2; empty: unknown")
            .add("kernels", &R::kernels, "Versions, newest first")
            .add("volumes", &R::volumes, "Partitions and what is inside of them")
            .add("findings", &R::findings, "What would break, the worst first")
            .add("packages", &R::packages, "How many are installed, where it was asked for");
    }
};

GuestRecord record_of(const report::Inventory& guest) {
    GuestRecord record{.product = guest.os.product,
                       .distro = guest.os.distro,
                       .version = guest.os.version,
                       .arch = guest.os.arch,
                       .hostname = guest.os.hostname,
                       .root = guest.root,
                       .firmware = guest.firmware,
                       .boot_loader = guest.boot_loader.kind,
                       .findings = records_of(guest.findings)};
    for (const auto& kernel : guest.kernels)
        record.kernels.push_back(kernel.version);
    for (const auto& volume : guest.volumes)
        record.volumes.push_back({volume.name, volume.type, volume.size});
    if (guest.packages)
        record.packages = guest.packages->list.size();
    return record;
}

Result<Told<GuestRecord>> inspect(Job& job, const InspectArguments& arguments) {
    SLIPWAY_TRY(auto context, job.context());
    SLIPWAY_TRY(auto image, arguments.options(context.host.cancel));
    SLIPWAY_TRY(
        auto inspection,
        ops::inspect(context, image, {.deep = arguments.deep, .packages = arguments.packages}));
    job.add("report", render_json_pretty(report::to_json(inspection.inventory)) + "\n");
    if (inspection.no_system)
        return fail(std::move(*inspection.no_system));
    return Told<GuestRecord>{report::render_text(inspection.inventory),
                             record_of(inspection.inventory)};
}

struct RunArguments : MachineArguments {
    std::vector<std::string> argv{};
    std::vector<std::string> env{};
    std::string cwd = "/";
    std::string input{};
    bool write = false;
    bool network = false;
    double timeout_seconds = 600;
    static Shape<RunArguments> shape() {
        using A = RunArguments;
        return Shape<A>()
            .add("argv", &A::argv,
                 "The guest's program and its arguments; no shell unless you "
                 "name one, such as [\"sh\", \"-c\", \"…\"]",
                 {.required = true})
            .add("env", &A::env, "NAME=value for its environment")
            .add("cwd", &A::cwd, "Directory in the guest")
            .add("input", &A::input, "Text for its standard input")
            .add("write", &A::write, "Keep the changes in the image; otherwise they are dropped")
            .add("network", &A::network, "Let it use this machine's network (host engine only)")
            .add("timeout_seconds", &A::timeout_seconds, "Then it is killed",
                 {.least = 0.1, .most = 86400})
            .with(MachineArguments::shape());
    }
};

struct RunRecord : ProgramOutput {
    int status = 0;
    bool timed_out = false;
    std::optional<std::string> not_executed{};
    double seconds = 0;
    static Shape<RunRecord> shape() {
        using R = RunRecord;
        return Shape<R>()
            .add("status", &R::status, "Exit status; 128+N for signal N, 126 or 127: not executed")
            .add("timed_out", &R::timed_out, "It was killed")
            .add("not_executed", &R::not_executed, "Why it could not be executed")
            .add("seconds", &R::seconds, "That it ran")
            .with(ProgramOutput::shape());
    }
};

std::string text_of(const RunRecord& record) {
    auto text =
        fmt::format("exit status {} after {}\n", record.status, format_seconds(record.seconds));
    if (record.timed_out)
        text += "it did not end in time, and was killed\n";
    if (record.not_executed)
        text += fmt::format("it could not be executed: {}\n", *record.not_executed);
    return text + record.text();
}

Result<Told<RunRecord>> run(Job& job, const RunArguments& arguments) {
    SLIPWAY_CHECK(check_command(arguments.argv));
    SLIPWAY_CHECK(check_environment(arguments.env));
    SLIPWAY_TRY(auto context, job.context());
    SLIPWAY_TRY(auto image, arguments.options(context.host.cancel));
    ops::RunRequest request{.argv = arguments.argv,
                            .env = arguments.env,
                            .cwd = arguments.cwd,
                            .write = arguments.write,
                            .network = arguments.network,
                            .deadline = milliseconds_of(arguments.timeout_seconds)};
    SLIPWAY_TRY(auto input, sys::make_memfd("input", arguments.input));
    auto hooks = keep_streams(job);
    hooks.input = input;
    SLIPWAY_TRY(auto result, ops::run(context, image, request, hooks));
    RunRecord record{
        ProgramOutput::of(job), result.status, result.timed_out, {}, result.timings.run};
    if (result.exec_errno != 0)
        record.not_executed = std::strerror(result.exec_errno);
    auto text = text_of(record);
    return Told<RunRecord>{std::move(text), std::move(record)};
}

struct ProveArguments : ImageArguments {
    std::string bus = "virtio";
    std::string firmware{};
    unsigned timeout_seconds = 300;
    static Shape<ProveArguments> shape() {
        using A = ProveArguments;
        return Shape<A>()
            .with(ImageArguments::shape())
            .add("bus", &A::bus, "Bus of the disk", {.choices = {"virtio", "sata", "scsi"}})
            .add("firmware", &A::firmware, "Empty: what the image was installed for",
                 {.choices = {"", "bios", "uefi"}})
            .add("timeout_seconds", &A::timeout_seconds, "To wait for the login prompt",
                 {.least = 1, .most = 86400});
    }
};

struct ProofRecord {
    bool login = false;
    std::string reached;
    std::string likely_cause;
    std::string waits_for_passphrase;
    std::string accelerator;
    std::string how;
    double seconds = 0;
    std::string console;
    static Shape<ProofRecord> shape() {
        using R = ProofRecord;
        return Shape<R>()
            .add("login", &R::login, "The guest came up to its login prompt")
            .add("reached", &R::reached, "The last stage that was seen")
            .add("likely_cause", &R::likely_cause, "Why it got no further; empty with login")
            .add("waits_for_passphrase", &R::waits_for_passphrase, "Of this volume; or empty")
            .add("accelerator", &R::accelerator, "kvm or tcg")
            .add("how", &R::how, "Where the boot was not the plain one; may be empty")
            .add("seconds", &R::seconds, "Of all boots")
            .add("console", &R::console, "The console's last lines");
    }
};

Result<Told<ProofRecord>> prove(Job& job, const ProveArguments& arguments) {
    SLIPWAY_TRY(auto context, job.context());
    SLIPWAY_TRY(auto image, arguments.options(context.host.cancel));
    ops::ProveOptions options{.timeout = std::chrono::seconds(arguments.timeout_seconds)};
    SLIPWAY_TRY(options.bus, vm::parse_bus(arguments.bus));
    if (!arguments.firmware.empty()) {
        SLIPWAY_TRY(options.firmware, vm::parse_firmware(arguments.firmware));
    }
    SLIPWAY_TRY(auto proof, ops::prove(context, image, options));
    job.add("report", render_json_pretty(ops::to_json(proof)) + "\n");
    job.add("console", proof.console_tail);
    return Told<ProofRecord>{ops::render_text(proof),
                             {.login = proof.login,
                              .reached = std::string(vm::name_of(proof.reached)),
                              .likely_cause = proof.likely_cause,
                              .waits_for_passphrase = proof.waits_for_passphrase,
                              .accelerator = proof.accelerator,
                              .how = proof.method_reason,
                              .seconds = proof.seconds,
                              .console = proof.console_tail}};
}

struct CheckRecord {
    std::string name;
    bool good = false;
    bool needed = false;
    std::string found;
    std::string remedy;
    static Shape<CheckRecord> shape() {
        using R = CheckRecord;
        return Shape<R>()
            .add("name", &R::name, "What was tried")
            .add("good", &R::good, "It is there and works")
            .add("needed", &R::needed, "Without it the main job does not work")
            .add("found", &R::found, "What was seen")
            .add("remedy", &R::remedy, "How to get it; may be empty");
    }
};

struct DoctorRecord {
    std::size_t good = 0;
    std::vector<CheckRecord> gaps{};
    static Shape<DoctorRecord> shape() {
        using R = DoctorRecord;
        return Shape<R>()
            .add("good", &R::good, "How many checks were good")
            .add("gaps", &R::gaps, "Those that were not, needed ones first");
    }
};

Result<Told<DoctorRecord>> doctor(Job& job, const Waiting&) {
    SLIPWAY_TRY(auto context, job.context());
    auto checks = ops::doctor(context);
    job.add("report", render_json_pretty(ops::to_json(checks)) + "\n");
    std::stable_sort(checks.begin(), checks.end(),
                     [](const auto& a, const auto& b) { return a.needed > b.needed; });
    Told<DoctorRecord> told;
    for (const auto& check : checks) {
        if (check.good) {
            ++told.record.good;
            continue;
        }
        told.record.gaps.push_back(
            {check.name, check.good, check.needed, check.found, check.remedy});
        told.text += fmt::format("{} {}: {}; {}\n", check.needed ? "GAP" : "-", check.name,
                                 check.found, check.remedy);
    }
    told.text =
        fmt::format("{} good, {} not\n", told.record.good, told.record.gaps.size()) + told.text;
    return told;
}

} // namespace

void add_guest_tools(Tools& tools) {
    tools.push_back(job_tool<InspectArguments, GuestRecord>(
        {"inspect_image", "Inspect an image",
         "Says which operating system, kernels and volumes are in a disk image, and what would "
         "keep it from booting on virtio hardware. Directories, archives, squashfs and erofs can "
         "be "
         "looked into, too."},
        inspect));
    tools.push_back(job_tool<RunArguments, RunRecord>(
        {"run_in_image", "Run a program in an image",
         "Runs a program of the guest inside its root, isolated from this machine. Its changes are "
         "dropped unless 'write' is set.",
         Effect::Changes, false},
        run));
    tools.push_back(job_tool<ProveArguments, ProofRecord>(
        {"prove_boot", "Prove that an image boots",
         "Boots a throw-away copy in a virtual machine, and says how far it comes. Takes seconds "
         "with KVM, a minute or two without."},
        prove));
    tools.push_back(job_tool<Waiting, DoctorRecord>(
        {"doctor", "Check this machine",
         "Says what this machine can do, by trying, and how to get what it lacks."},
        doctor));
}

} // namespace slipway::mcp
