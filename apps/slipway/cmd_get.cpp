// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "invocation.hpp"
#include "ops/look.hpp"
#include "sys/output_file.hpp"

namespace slipway::app {
namespace {

struct Options {
    std::string path{};
    std::string local{};
    bool force = false;
    bool tar = false;
};

std::string local_name(const Options& options) {
    if (!options.local.empty())
        return options.local;
    auto name = std::string(basename_of(options.path));
    if (options.tar)
        return (name.empty() || name == "/" ? "root" : name) + ".tar";
    return name;
}

Result<int> run(Invocation& invocation, const Options& options) {
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto image, invocation.image_options());
    auto get = options.tar ? ops::get_tree : ops::get;
    if (options.local == "-") {
        SLIPWAY_TRY([[maybe_unused]] auto size, get(context, image, options.path,
                                                    [&invocation](std::string_view bytes) {
                                                        return invocation.terminal.out(bytes);
                                                    },
                                                    {}));
        return 0;
    }
    auto local = local_name(options);
    std::error_code ignored;
    if (std::filesystem::equivalent(local, image.path, ignored))
        return fail(Code::Exists, fmt::format("{} is the image itself", local),
                    "choose another name for the copy");
    auto created = sys::OutputFile::create(local, {.replace = options.force});
    if (!created && created.error().code == Code::Exists && !options.force)
        created.error().hint = "--force replaces it";
    SLIPWAY_TRY(auto file, std::move(created));
    auto write = [&](std::string_view bytes) -> Status {
        auto written = sys::write_all(file.fd(), bytes);
        if (!written && written.error().code == Code::NoSpace)
            written.error().hint = "make room there, or choose another place";
        if (!written)
            return fail(std::move(written.error()).in(local));
        return {};
    };
    auto empty = [&]() -> Status {
        if (::ftruncate(file.fd().raw(), 0) != 0 || ::lseek(file.fd().raw(), 0, SEEK_SET) != 0)
            return fail_errno(fmt::format("emptying {}", local));
        return {};
    };
    SLIPWAY_TRY([[maybe_unused]] auto size, get(context, image, options.path, write, empty));
    SLIPWAY_CHECK(file.publish());
    return 0;
}

} // namespace

void declare_get(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("get", "Copy a file of the guest to this machine");
    auto options = std::make_shared<Options>();
    add_machine_options(*command, invocation);
    command->add_option("GUESTPATH", options->path, "File in the guest, or directory with --tar")
        ->required();
    command->add_option("LOCAL", options->local,
                        "File to write, or - for standard output; without: the same name here");
    command->add_flag("--force", options->force, "Replace an existing file");
    command->add_flag("--tar", options->tar, "A directory, as a tar archive");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
