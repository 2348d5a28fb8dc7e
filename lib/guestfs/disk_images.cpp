// SPDX-License-Identifier: Apache-2.0
// Calls on images that are no drives of the handle.
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/client_calls.hpp"
#include "image/source.hpp"
#include "sys/process.hpp"

namespace slipway::guestfs {
namespace {

using State = HandleState;

Result<image::Probe> probe(const Json& arguments) {
    SLIPWAY_TRY(auto file, sys::open_file(text_at(arguments, 0), O_RDONLY | O_NONBLOCK));
    return image::probe_format(file);
}
Result<Json> disk_format(State&, const Json& arguments) {
    SLIPWAY_TRY(auto probed, probe(arguments));
    return std::string(image::name_of(probed.format));
}
Result<Json> disk_has_backing_file(State&, const Json& arguments) {
    SLIPWAY_TRY(auto probed, probe(arguments));
    return !probed.backing_file.empty();
}
Result<Json> disk_virtual_size(State&, const Json& arguments) {
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto source, image::Source::open(text_at(arguments, 0), {.allow_backing = true}));
    SLIPWAY_TRY(auto size, source.virtual_size({.runner = &runner}));
    return size;
}

// disk_create(filename, format, size, backingfile, backingformat, preallocation, compat,
// clustersize)
Result<Json> disk_create(State&, const Json& arguments) {
    auto format = text_at(arguments, 1);
    if (format != "raw" && format != "qcow2")
        return fail(Code::InvalidArgument,
                    fmt::format("disks of the format '{}' are not made here", printable(format)),
                    "use raw or qcow2");
    std::vector<std::string> options;
    auto add_option = [&](std::string_view name, const std::string& value) {
        if (!value.empty())
            options.push_back(fmt::format("{}={}", name, value));
    };
    add_option("preallocation",
               text_at(arguments, 5) == "sparse" ? "metadata" : text_at(arguments, 5));
    add_option("compat", text_at(arguments, 6));
    if (number_at(arguments, 7) > 0)
        add_option("cluster_size", std::to_string(number_at(arguments, 7)));
    sys::ProcessSpec spec{.argv = {"qemu-img", "create", "-q", "-f", format}};
    for (const auto& option : options)
        spec.argv.insert(spec.argv.end(), {"-o", option});
    if (auto backing = text_at(arguments, 3); !backing.empty()) {
        if (text_at(arguments, 4).empty())
            return fail(Code::InvalidArgument, "a backing file needs backingformat");
        spec.argv.insert(spec.argv.end(), {"-b", backing, "-F", text_at(arguments, 4)});
    }
    auto path = std::filesystem::absolute(text_at(arguments, 0));
    if (::access(path.parent_path().c_str(), W_OK) != 0)
        return fail_errno(printable(path.string()));
    bool existed = std::filesystem::exists(path);
    spec.argv.push_back(path.string());
    if (number_at(arguments, 2) >= 0)
        spec.argv.push_back(std::to_string(number_at(arguments, 2)));
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto captured, sys::run(runner, spec));
    auto made = sys::check_tool(spec, captured, "making a disk image");
    if (!made && !existed)
        ::unlink(path.c_str());
    return made ? Result<Json>(Json()) : fail(std::move(made).error());
}

} // namespace

ClientCalls disk_image_calls() {
    static constexpr ClientEntry calls[] = {
        {"disk_create", disk_create},
        {"disk_format", disk_format},
        {"disk_has_backing_file", disk_has_backing_file},
        {"disk_virtual_size", disk_virtual_size},
    };
    return calls;
}

} // namespace slipway::guestfs
