// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"
#include "rootfs/mirror.hpp"
#include "rootfs/task.hpp"

namespace slipway::ops {
namespace {

// The profile with what the command line adds to it.
struct WholeProfile {
    rootfs::Profile profile;
    std::vector<std::string> added{};
};
Result<WholeProfile> whole_profile(const CreateRootfsRequest& request) {
    WholeProfile whole;
    SLIPWAY_TRY(whole.profile, load_profile(request.profile));
    auto& packages = whole.profile.packages;
    for (const auto& package : request.packages) {
        if (!rootfs::is_package_name(package))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no name of a package", printable(package)));
        if (std::find(packages.begin(), packages.end(), package) != packages.end())
            continue;
        packages.push_back(package);
        whole.added.push_back(package);
    }
    return whole;
}

Result<std::string> destination(const CreateRootfsRequest& request, const std::string& profile) {
    if (!request.path.empty() && !request.name.empty())
        return fail(Code::InvalidArgument, "a root has a name or a path, not both",
                    "leave one of them out");
    if (!request.path.empty())
        return root_path(request.path.find('/') == std::string::npos ? "./" + request.path
                                                                     : request.path);
    if (request.format != RootFormat::Directory)
        return fail(Code::InvalidArgument,
                    fmt::format("no file is named for the root as {}", name_of(request.format)),
                    "name it with --path");
    if (!request.name.empty() && !rootfs::is_root_name(request.name))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no name of a root", printable(request.name)),
                    "use letters, digits, '.', '_' and '-'; another directory goes with --path");
    return root_path(request.name.empty() ? profile : request.name);
}

// Whole beside its place first; `look` reads back what was copied.
Result<std::uint64_t> copy_into_place(const sys::Host& host, const RootPlace& place,
                                      const rootfs::Layer& layer) {
    auto copied = rootfs::copy_by_worker(host, layer.path, place.passing());
    auto facts = copied ? rootfs::look_by_worker(host, place.passing())
                        : Result<rootfs::Facts>(fail(std::move(copied).error()));
    Status done;
    if (!facts)
        done = fail(std::move(facts).error());
    else if (!facts->manifest || !facts->missing.empty() || !facts->unusable.empty())
        done = fail(
            Code::Corrupt,
            fmt::format("the new root is not as its profile wants it: {}",
                        join(!facts->unusable.empty() ? facts->unusable : facts->missing, "; ")),
            "see whether the profile's checks are right; `slipway rootfs delete --cache` "
            "makes the next one anew");
    else
        done = host.cancel.check();
    if (done)
        done = place.publish(host);
    if (!done) {
        if (auto swept = place.sweep(host); !swept)
            host.log.warning("{}", render_text(swept.error()));
        return fail(std::move(done).error());
    }
    return facts->size;
}

Status make_directory_root(const sys::Host& host, const CreateRootfsRequest& request,
                           const rootfs::Layer& layer, CreateRootfsResult& result) {
    auto start = Clock::now();
    if (host.progress)
        host.progress({.step = "copying the root", .bytes = false});
    const auto path = result.root.path;
    SLIPWAY_TRY(auto place, RootPlace::open(host, path));
    SLIPWAY_CHECK(place.check_free(request.force));
    SLIPWAY_CHECK(place.sweep(host));
    SLIPWAY_TRY(auto size, copy_into_place(host, place, layer));
    result.root = describe_root(path, layer.manifest);
    result.root.size = size;
    result.timings["copy"] = seconds_since(start);
    if (auto exposure = exposure_of(path); !exposure.empty())
        result.notes.push_back(exposure);
    return {};
}

Status make_image_root(const sys::Host& host, const CreateRootfsRequest& request,
                       const rootfs::Layer& layer, CreateRootfsResult& result) {
    auto start = Clock::now();
    if (host.progress)
        host.progress(
            {.step = fmt::format("writing the {}", name_of(request.format)), .bytes = false});
    SLIPWAY_TRY(auto facts, rootfs::look_by_worker(host, layer.path));
    SLIPWAY_CHECK(write_root_image(host, {.format = request.format,
                                          .tree = layer.path,
                                          .path = result.root.path,
                                          .key = layer.manifest.layer,
                                          .snapshot = layer.manifest.snapshot,
                                          .size = facts.size,
                                          .replace = request.force}));
    result.root = describe_root(result.root.path, layer.manifest);
    result.root.size = facts.size;
    result.timings["image"] = seconds_since(start);
    return {};
}

// Before the long work; what counts is looked at again when it is done.
Status check_destination(const sys::Host& host, const CreateRootfsRequest& request,
                         const std::string& path) {
    if (request.format == RootFormat::Directory) {
        SLIPWAY_TRY(auto place, RootPlace::open(host, path));
        return place.check_free(request.force);
    }
    auto file = sys::OutputFile::create(path, {.replace = request.force});
    if (!file)
        return fail(std::move(file.error())
                        .advise(file.error().code == Code::Exists ? "--force replaces it"
                                                                  : file.error().hint));
    return {};
}

} // namespace

Result<OwnNamespace> enter_own_namespace(const Context& context) {
    OwnNamespace own;
    SLIPWAY_TRY(own.runner, session::SupervisedRunner::launch(session::Rights::OwnNamespace));
    own.host = context.host;
    own.host.runner = own.runner.get();
    return own;
}

Result<CreateRootfsResult> create_rootfs(const Context& context,
                                         const CreateRootfsRequest& request) {
    CreateRootfsResult result{.format = request.format};
    SLIPWAY_TRY(auto whole, whole_profile(request));
    SLIPWAY_TRY(result.root.path, destination(request, whole.profile.name));
    NewParents parents(result.root.path);
    SLIPWAY_CHECK(check_destination(context.host, request, result.root.path));
    SLIPWAY_TRY(auto own, enter_own_namespace(context));
    SLIPWAY_TRY(auto cache, rootfs::Cache::open());
    auto start = Clock::now();
    SLIPWAY_TRY(auto found, rootfs::find_source(context.host, cache, whole.profile,
                                                {.suite = request.release,
                                                 .mirror = request.mirror,
                                                 .keyring = request.keyring,
                                                 .refresh = request.refresh}));
    result.timings["mirror"] = seconds_since(start);
    result.notes = found.notes;
    SLIPWAY_TRY(auto layer,
                rootfs::ensure_layer({own.host, cache},
                                     {found.source, std::move(whole.profile), whole.added}));
    result.base_built = layer.base_built;
    result.layer_built = layer.layer_built;
    if (layer.base_built)
        result.timings["base"] = layer.base_seconds;
    if (layer.layer_built)
        result.timings["profile"] = layer.layer_seconds;
    SLIPWAY_CHECK(request.format == RootFormat::Directory
                      ? make_directory_root(own.host, request, layer, result)
                      : make_image_root(own.host, request, layer, result));
    parents.keep();
    return result;
}

} // namespace slipway::ops
