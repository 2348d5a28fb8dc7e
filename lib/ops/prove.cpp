// SPDX-License-Identifier: Apache-2.0
#include "ops/prove.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "ops/boot_command.hpp"
#include "ops/look.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t largest_config = 1 << 20;
constexpr auto entries_folder = "/boot/loader/entries";

// A guest's text file, or nothing where it cannot be read.
std::string config_text(const Context& context, const ImageOptions& image,
                        const std::string& path) {
    std::string text;
    auto got = get(context, image, path, [&text](std::string_view bytes) -> Status {
        text.append(bytes.substr(0, largest_config - std::min(text.size(), largest_config)));
        return {};
    });
    return got ? text : std::string();
}

// Guest paths of the files that hold the kernel's command line, most telling first.
std::vector<std::string> command_files(const Context& context, const ImageOptions& image,
                                       const report::Inventory& guest) {
    std::vector<std::string> paths;
    const auto& loader = guest.boot_loader;
    if (loader.uses_bls) {
        auto entries = list(context, image, entries_folder);
        for (const auto& kernel : guest.kernels)
            for (const auto& entry : entries ? *entries : std::vector<ListedFile>{})
                if (!kernel.rescue && entry.name.find(kernel.version) != std::string::npos)
                    paths.push_back(fmt::format("{}/{}", entries_folder, entry.name));
    }
    if (!loader.grub_config.empty()) {
        paths.push_back(loader.grub_config);
        paths.push_back(fmt::format("{}/grubenv", dirname_of(loader.grub_config)));
    }
    for (const auto& path : loader.config_files)
        if (path.ends_with("extlinux.conf") || path.ends_with("syslinux.cfg") ||
            path.ends_with("menu.lst"))
            paths.push_back(path);
    return paths;
}

// The guest's own command line. None where no root= can be read: one of our making proves nothing.
std::optional<BootCommand> boot_command(const Context& context, const ImageOptions& image,
                                        const report::Inventory& guest) {
    BootCommand found;
    for (const auto& path : command_files(context, image, guest)) {
        auto command = find_boot_command(path, config_text(context, image, path));
        if (!command)
            continue;
        if (found.kernel.empty())
            found.kernel = command->kernel;
        found.arguments += (found.arguments.empty() ? "" : " ") + command->arguments;
        if (found.arguments.find("root=") != std::string::npos)
            return found;
    }
    return std::nullopt;
}

const report::Kernel* kernel_named(const report::Inventory& guest, const std::string& path) {
    for (const auto& kernel : guest.kernels)
        if (!kernel.image.empty() &&
            (path.empty() || basename_of(kernel.image) == basename_of(path)))
            return &kernel;
    return guest.kernels.empty() || guest.kernels.front().image.empty() ? nullptr
                                                                        : &guest.kernels.front();
}

Result<sys::OwnedFd> fetch(const Context& context, const ImageOptions& image,
                           const std::string& path) {
    SLIPWAY_TRY(auto file, sys::make_scratch_file(scratch_directory()));
    SLIPWAY_TRY([[maybe_unused]] auto size,
                get(context, image, path,
                    [&file](std::string_view bytes) { return sys::write_all(file, bytes); }));
    return file;
}

Result<ProveResult> boot(const Context& context, const ImageOptions& image, ProveRequest request) {
    SLIPWAY_TRY(auto opened, open_disks(context, image, disks_of(image, Use::Discard), {}));
    request.disk = opened.first().graph(true);
    return prove_graph(context, request);
}

// Firmware and boot loader were seen in the first boot, the rest in the second.
ProveResult join_boots(const ProveResult& loader, ProveResult direct) {
    auto stages = loader.stages;
    auto later = [&loader](const StageEvidence& seen) {
        return seen.stage > std::max(loader.reached, vm::Stage::BootLoader);
    };
    std::copy_if(direct.stages.begin(), direct.stages.end(), std::back_inserter(stages), later);
    direct.stages = std::move(stages);
    direct.reached = std::max(direct.reached, loader.reached);
    direct.seconds += loader.seconds;
    direct.method_reason =
        "the guest's kernels have no serial console: it was booted as it is for firmware and boot "
        "loader, "
        "and then its own kernel, initramfs and command line with console=ttyS0 added";
    if (loader.reached < vm::Stage::BootLoader)
        direct.method_reason += "; the boot loader showed nothing, so it is not proven";
    return direct;
}

Result<ProveResult> prove_without_console(const Context& context, const ImageOptions& image,
                                          const ProveRequest& request, const report::Kernel& kernel,
                                          const BootCommand& command) {
    auto as_it_is = request;
    as_it_is.until_kernel = true;
    SLIPWAY_TRY(auto loader, boot(context, image, as_it_is));
    bool loader_can_hide =
        request.firmware == vm::Firmware::Uefi && loader.reached == vm::Stage::Firmware;
    if (loader.login || (!loader.likely_cause.empty() && !loader_can_hide))
        return loader;
    auto direct = request;
    SLIPWAY_TRY(auto kernel_file, fetch(context, image, kernel.image));
    sys::OwnedFd initramfs;
    if (!kernel.initramfs.empty()) {
        SLIPWAY_TRY(initramfs, fetch(context, image, kernel.initramfs));
    }
    direct.direct =
        ProveRequest::DirectBoot{kernel_file, initramfs, with_serial_console(command.arguments)};
    SLIPWAY_TRY(auto result, boot(context, image, direct));
    return join_boots(loader, std::move(result));
}

} // namespace

Result<ProveResult> prove(const Context& context, const ImageOptions& image,
                          const ProveOptions& options) {
    ProveRequest request{.disk = {},
                         .bus = options.bus,
                         .firmware = options.firmware.value_or(vm::Firmware::Bios),
                         .timeout = options.timeout,
                         .keys = image.keys};
    auto inspected = inspect(context, image, InspectRequest{});
    SLIPWAY_CHECK(context.host.cancel.check());
    if (inspected && inspected->no_system)
        inspected = fail(std::move(*inspected->no_system));
    if (!inspected) {
        SLIPWAY_TRY(auto result, boot(context, image, request));
        if (!result.login)
            result.method_reason =
                fmt::format("booted as it is, because it could not be inspected ({}); a guest "
                            "without a serial console shows nothing this way",
                            render_line(inspected.error()));
        return result;
    }
    const auto& guest = inspected->inventory;
    if (!options.firmware && guest.firmware == "uefi")
        request.firmware = vm::Firmware::Uefi;
    request.arch = guest.os.arch;
    auto command = boot_command(context, image, guest);
    const auto* kernel = command ? kernel_named(guest, command->kernel) : nullptr;
    if (kernel == nullptr) {
        SLIPWAY_TRY(auto result, boot(context, image, request));
        if (!result.login)
            result.method_reason = "booted as it is only: no kernel with a root= that can be read "
                                   "was found in the boot loader's configuration";
        return result;
    }
    if (has_serial_console(command->arguments))
        return boot(context, image, request);
    return prove_without_console(context, image, request, *kernel, *command);
}

Json to_json(const ProveResult& result) {
    auto stages = Json::array();
    for (const auto& seen : result.stages)
        stages.push_back({{"stage", vm::name_of(seen.stage)},
                          {"seconds", seen.seconds},
                          {"method", seen.method},
                          {"evidence", seen.evidence}});
    return {{"schema", "slipway.prove.v1"},
            {"reached", vm::name_of(result.reached)},
            {"login", result.login},
            {"likely_cause", result.likely_cause},
            {"waits_for_passphrase", result.waits_for_passphrase},
            {"stages", stages},
            {"method_reason", result.method_reason},
            {"accelerator", {{"name", result.accelerator}, {"reason", result.accelerator_reason}}},
            {"seconds", result.seconds},
            {"console_tail", result.console_tail}};
}

std::string render_text(const ProveResult& result) {
    std::string text;
    for (const auto& seen : result.stages)
        text += fmt::format("  {:12}  {:>10}  {:13}  {}\n", vm::name_of(seen.stage),
                            format_seconds(seen.seconds), seen.method, seen.evidence);
    if (!result.method_reason.empty())
        text += fmt::format("how: {}\n", result.method_reason);
    text += fmt::format("accelerator: {} ({})\n", result.accelerator, result.accelerator_reason);
    if (result.login)
        return text + fmt::format("the guest boots: login prompt after {}\n",
                                  format_seconds(result.seconds));
    text += "the console's last lines:\n";
    for (auto line : split_lines(result.console_tail))
        text += fmt::format("  | {}\n", line);
    if (!result.waits_for_passphrase.empty())
        return text + fmt::format("the boot is not proven: {}\n", result.likely_cause);
    return text +
           fmt::format(
               "the guest does not come up: it stopped after the stage {}\nlikely cause: {}\n",
               vm::name_of(result.reached), result.likely_cause);
}

} // namespace slipway::ops
