// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "background.hpp"
#include "base/strings.hpp"
#include "guestfs/image_mount.hpp"
#include "invocation.hpp"

namespace slipway::app {
namespace {

struct Options {
    guestfs::ImageMountRequest request{};
    bool in_background = false;
    std::optional<Background> background{}; ///< what it says is said until the end of the program
};

Result<int> run(Invocation& invocation, Options& options) {
    auto& request = options.request;
    auto& background = options.background;
    if (options.in_background) {
        if (request.write)
            return fail(Code::InvalidArgument,
                        "with --write it is told at the end whether the image was changed, which "
                        "nobody would see in the background",
                        "leave --background away; a shell's & does as well");
        SLIPWAY_TRY(auto parted, part(invocation.cancel));
        if (!parted.goes_on)
            return parted.exit_code;
        background = std::move(parted.goes_on);
        SLIPWAY_CHECK(background->leave_output(invocation.terminal));
    }
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto image, invocation.image_options());
    request.ready = [&]() -> Status {
        invocation.terminal.clear_progress();
        if (background)
            return background->ready(invocation.terminal);
        context.host.log.info("{} is on {}{}; Ctrl-C or fusermount3 -u ends it",
                              printable(image.path), printable(request.directory),
                              request.write ? "" : ", read-only");
        return {};
    };
    SLIPWAY_CHECK(guestfs::mount_image(context, image, request));
    return 0;
}

} // namespace

void declare_mount(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("mount", "Show the guest's files in a directory, without root");
    auto options = std::make_shared<Options>();
    add_machine_options(*command, invocation);
    command->add_option("DIR", options->request.directory, "Empty directory to show them in")
        ->required();
    command->add_flag("--write", options->request.write,
                      "Keep what is written: the image is changed in place at the end");
    command->add_flag("--background", options->in_background,
                      "Return when the files are there; fusermount3 -u DIR ends it");
    command->add_option("-o,--options", options->request.options,
                        "Further mount options of FUSE, such as allow_other");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
