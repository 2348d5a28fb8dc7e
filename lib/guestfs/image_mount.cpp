// SPDX-License-Identifier: Apache-2.0
#include "guestfs/image_mount.hpp"

#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/local_mount.hpp"
#include "guestfs/worker_call.hpp"
#include "ops/look.hpp"

namespace slipway::guestfs {
namespace {

constexpr std::chrono::seconds patience{5};

Status check_empty(const std::string& directory) {
    std::error_code problem;
    bool empty = std::filesystem::is_empty(directory, problem);
    if (problem)
        return fail(os_error(printable(directory), problem.value()));
    if (!empty)
        return fail(Code::InvalidArgument,
                    fmt::format("{} is not empty, and would be hidden", printable(directory)),
                    "give an empty directory");
    return {};
}

// What is under way when somebody wishes to stop is carried out, unless it takes too long: else a
// program that writes would see an error for what is kept.
Cancel patient(const Cancel& cancel) {
    auto since = std::make_shared<std::optional<Clock::time_point>>();
    return Cancel([cancel, since] {
        if (!cancel.requested())
            return false;
        if (!*since)
            *since = Clock::now();
        return Clock::now() - **since > patience;
    });
}

Status show_files(const ops::Context& context, ops::OpenImage& opened,
                  const ImageMountRequest& request) {
    auto cancel = patient(context.host.cancel);
    auto ask = [&opened](const std::string& name, Json words, const session::CallHooks& hooks) {
        return opened.call(name, std::move(words), hooks);
    };
    SLIPWAY_TRY(auto mount, LocalMount::make({.directory = request.directory,
                                              .readonly = !request.write,
                                              .options = request.options},
                                             [&](const char* name, const Json& arguments) {
                                                 return call_of_worker(*find_signature(name),
                                                                       arguments, cancel, Events(),
                                                                       ask);
                                             }));
    if (request.ready)
        SLIPWAY_CHECK(request.ready());
    auto done = mount->run(context.host.cancel);
    return !done && done.error().code == Code::Cancelled ? Status{} : done;
}

} // namespace

Status mount_image(const ops::Context& context, const ops::ImageOptions& image,
                   const ImageMountRequest& request) {
    SLIPWAY_CHECK(check_mount_point(request.directory));
    SLIPWAY_CHECK(check_empty(request.directory));
    return ops::use_files(context, image, request.write, [&](ops::OpenImage& opened) {
        return show_files(context, opened, request);
    });
}

} // namespace slipway::guestfs
