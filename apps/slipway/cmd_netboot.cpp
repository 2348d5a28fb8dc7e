// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/strings.hpp"
#include "cmd_netboot.hpp"
#include "ops/netboot.hpp"

namespace slipway::app {
namespace {

Result<int> build(Invocation& invocation, const ops::NetbootBuildRequest& request) {
    SLIPWAY_TRY(auto context, invocation.context());
    auto start = Clock::now();
    SLIPWAY_TRY(auto result, ops::build_netboot(context, request));
    if (invocation.json) {
        SLIPWAY_CHECK(invocation.terminal.out(render_json_pretty(ops::to_json(result)) + "\n"));
        return 0;
    }
    for (const auto& note : result.notes)
        invocation.terminal.say(fmt::format("note: {}", note));
    SLIPWAY_CHECK(invocation.terminal.out(fmt::format(
        "✓ {} in {}\n"
        "  kernel     {}\n"
        "  initramfs  {}, {} modules, {}{}\n"
        "  boots by   {}\n"
        "try: slipway netboot serve {}\n",
        result.directory, format_seconds(seconds_since(start)), result.kernel_release,
        format_size(result.initramfs_bytes), result.modules,
        result.firmware == 0 ? "" : fmt::format("{} files of firmware, ", result.firmware),
        result.compression, join(result.files, ", "), shell_quote(result.directory))));
    return 0;
}

void declare_build(CLI::App& netboot, Invocation& invocation) {
    auto* verb = netboot.add_subcommand("build", "Make the folder that machines boot from");
    add_output_options(*verb, invocation);
    auto request = std::make_shared<ops::NetbootBuildRequest>();
    verb->add_option("--kernel", request->kernel,
                     "host, a bzImage, a build tree or a DEB package of a kernel")
        ->required();
    verb->add_option("--output", request->output, "Directory to make, or to bring up to date")
        ->required();
    verb->add_option("--modules", request->modules,
                     "net, storage, all, none, or names of modules: a,b")
        ->capture_default_str();
    verb->add_option("--key", request->keys, "Public key that images must be signed with (PEM)");
    verb->add_option("--ca", request->ca,
                     "Authorities that https servers are checked against (PEM)");
    verb->add_option("--server", request->server,
                     "Machines take orders there: https://ADDRESS:8443, of this host");
    verb->add_option("--state", request->state,
                     "Directory of that server's key, instead of the user's own");
    verb->add_option("--firmware", request->firmware,
                     "Directory with firmware of network cards, or none")
        ->capture_default_str();
    verb->add_flag("--with-shell", request->with_shell, "Take busybox along, for `shell`");
    verb->add_option("--append", request->append, "Add this to the kernel's command line");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request] { return build(invocation, *request); };
    });
}

Result<int> pack(Invocation& invocation, ops::NetbootPackRequest request) {
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(request.source, invocation.image_options());
    auto start = Clock::now();
    SLIPWAY_TRY(auto result, ops::pack_netboot(context, request));
    if (invocation.json) {
        SLIPWAY_CHECK(invocation.terminal.out(render_json_pretty(ops::to_json(result)) + "\n"));
        return 0;
    }
    if (!result.excluded.empty())
        invocation.terminal.say(fmt::format("note: left out, as they are not on its disks: {}",
                                            join(result.excluded, " ")));
    SLIPWAY_CHECK(invocation.terminal.out(
        fmt::format("✓ {} in {}: {}, {}, {}\n", result.file, format_seconds(seconds_since(start)),
                    format_size(result.size), result.architecture, result.sha256)));
    return 0;
}

void declare_pack(CLI::App& netboot, Invocation& invocation) {
    auto* verb = netboot.add_subcommand("pack", "Make an image for the bootstrap");
    add_machine_options(*verb, invocation);
    verb->get_option("IMAGE")->description(
        "Directory (/ is the running system), disk image, archive, or name of a test root");
    auto request = std::make_shared<ops::NetbootPackRequest>();
    verb->add_option("OUTPUT", request->output,
                     "FILE.squashfs, .erofs, .tar.zst, .tar.xz, .tar.gz or .tar")
        ->required();
    verb->add_option("--exclude", request->excludes,
                     "Directory whose content is left out; may be given again");
    verb->add_option("--sign", request->sign, "Private key to sign it with (ed25519, PEM)");
    verb->add_flag("--force", request->force, "Replace an image of that name");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request] { return pack(invocation, *request); };
    });
}

Result<int> serve(Invocation& invocation, ops::NetbootServeRequest request) {
    SLIPWAY_TRY(auto context, invocation.context());
    request.on_ready = [&](const std::string& what, const std::string& url) {
        invocation.terminal.say(
            what == "files" ? fmt::format("serving {} (Ctrl-C ends it)", url)
                            : fmt::format("machines and operators at {} (the operators' token is "
                                          "in {}/token)",
                                          url, what));
    };
    if (!invocation.quiet)
        request.on_event = [&](const std::string& line) { invocation.terminal.say(line); };
    SLIPWAY_CHECK(ops::serve_netboot(context, request));
    return 0;
}

void declare_serve(CLI::App& netboot, Invocation& invocation) {
    auto* verb = netboot.add_subcommand("serve", "Serve such a folder: HTTP, and DHCP with TFTP");
    verb->add_flag("-v,--verbose", invocation.verbose, "Say more on standard error");
    verb->add_flag("-q,--quiet", invocation.quiet, "Say only what went wrong");
    auto request = std::make_shared<ops::NetbootServeRequest>();
    verb->add_option("DIR", request->folder, "Made by `slipway netboot build`")->required();
    verb->add_option("--address", request->address, "Address of the HTTP server")
        ->capture_default_str();
    verb->add_option("--port", request->port, "Its port; 0 for one that is free")
        ->capture_default_str();
    verb->add_option("--certificate", request->certificate, "Serve https with this one (PEM)");
    verb->add_option("--key", request->key, "Its key (PEM)");
    verb->add_option("--interface", request->interface,
                     "Serve TFTP there, and DHCP with --dhcp, by dnsmasq; needs root");
    verb->add_option("--dhcp", request->dhcp,
                     "Addresses to lease: FIRST,LAST; or NETWORK,proxy beside another DHCP server");
    verb->add_option("--state", request->state,
                     "Directory of the key and the token of remote control, as in build");
    verb->add_flag("--approve-all", request->approve_all,
                   "Every machine that reports is approved: on a network that you trust");
    verb->callback([&invocation, request] {
        invocation.action = [&invocation, request] { return serve(invocation, *request); };
    });
}

} // namespace

void declare_netboot(CLI::App& app, Invocation& invocation) {
    auto* netboot = app.add_subcommand("netboot", "Boot machines over the network, into images");
    netboot->require_subcommand(1);
    declare_build(*netboot, invocation);
    declare_pack(*netboot, invocation);
    declare_serve(*netboot, invocation);
    declare_netboot_machines(*netboot, invocation);
}

} // namespace slipway::app
