// SPDX-License-Identifier: Apache-2.0
// Calls on images that are no drives of the handle.
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"
#include "guestfs/client_calls.hpp"
#include "image/source.hpp"
#include "sys/process.hpp"

namespace slipway::guestfs {
namespace {

using State = HandleState;

Result<image::Probe> probe_file(const std::filesystem::path& path) {
    SLIPWAY_TRY(auto file, sys::open_file(path.string(), O_RDONLY | O_NONBLOCK));
    return image::probe_format(file);
}
Result<image::Probe> probe(const Json& arguments) {
    return probe_file(text_at(arguments, 0));
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

// What is to be made, by the arguments of disk_create(filename, format, size, backingfile,
// backingformat, preallocation, compat, clustersize).
struct Making {
    std::filesystem::path path;
    std::string format;
    std::int64_t size; ///< bytes; -1: of the backing file
    std::string backing, backing_format, preallocation, compat;
    std::int64_t cluster_size; ///< bytes; 0: as qemu-img likes
};

Status refuse(std::string_view parameter, const std::string& value, std::string hint) {
    return fail(Code::InvalidArgument, fmt::format("'{}' is no {}", printable(value), parameter),
                std::move(hint));
}

// What libguestfs takes, and no more.
Status check(const Making& making) {
    constexpr std::int64_t smallest_cluster = 512;
    constexpr std::int64_t largest_cluster = 2 << 20;
    bool qcow2 = making.format == "qcow2";
    if (!qcow2 && making.format != "raw")
        return refuse("format of disks that are made here", making.format, "use raw or qcow2");
    if (making.size < (making.backing.empty() ? 0 : -1))
        return refuse("size", std::to_string(making.size), "use bytes");
    const auto& way = making.preallocation;
    if (!way.empty() && way != "off" && way != "sparse" && way != "full" &&
        !(qcow2 && way == "metadata"))
        return refuse("preallocation of " + making.format, way,
                      qcow2 ? "use off, sparse, metadata or full" : "use off, sparse or full");
    if (!qcow2 && !(making.backing.empty() && making.compat.empty() && making.cluster_size == 0))
        return fail(Code::InvalidArgument, "a raw disk has no backing file, compat or clustersize",
                    "use qcow2");
    if (!making.compat.empty() && making.compat != "0.10" && making.compat != "1.1")
        return refuse("compat", making.compat, "use 0.10 or 1.1");
    bool power = (making.cluster_size & (making.cluster_size - 1)) == 0;
    if (making.cluster_size != 0 &&
        (!power || making.cluster_size < smallest_cluster || making.cluster_size > largest_cluster))
        return refuse("clustersize", std::to_string(making.cluster_size),
                      "use a power of two from 512 to 2097152");
    return {};
}

Result<sys::ProcessSpec> command_for(const Making& making) {
    sys::ProcessSpec spec{.argv = {"qemu-img", "create", "-q", "-f", making.format}};
    auto add = [&](std::initializer_list<std::string> words) {
        spec.argv.insert(spec.argv.end(), words);
    };
    if (making.preallocation == "metadata" || making.preallocation == "full")
        add({"-o", "preallocation=" + making.preallocation});
    if (!making.compat.empty())
        add({"-o", "compat=" + making.compat});
    if (making.cluster_size != 0)
        add({"-o", fmt::format("cluster_size={}", making.cluster_size)});
    if (!making.backing.empty()) {
        auto format = making.backing_format;
        if (format.empty()) { // a relative name is one in the new image's directory
            SLIPWAY_TRY(auto probed, probe_file(making.path.parent_path() / making.backing));
            format = image::name_of(probed.format);
        }
        add({"-b", making.backing, "-F", format});
    }
    spec.argv.push_back(making.path.string());
    if (making.size >= 0)
        spec.argv.push_back(std::to_string(making.size));
    return spec;
}

Result<Json> disk_create(State& state, const Json& arguments) {
    if (text_at(arguments, 0).empty())
        return fail(Code::InvalidArgument, "the name of the new image is empty");
    Making making{.path = std::filesystem::absolute(text_at(arguments, 0)),
                  .format = text_at(arguments, 1),
                  .size = number_at(arguments, 2),
                  .backing = text_at(arguments, 3),
                  .backing_format = text_at(arguments, 4),
                  .preallocation = text_at(arguments, 5),
                  .compat = text_at(arguments, 6),
                  .cluster_size = number_at(arguments, 7)};
    SLIPWAY_CHECK(check(making));
    if (::access(making.path.parent_path().c_str(), W_OK) != 0)
        return fail_errno(printable(making.path.string()));
    SLIPWAY_TRY(auto spec, command_for(making));
    bool existed = std::filesystem::exists(making.path);
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto captured, sys::run(runner, spec));
    auto made = sys::check_tool(
        spec, captured,
        fmt::format("making a disk image: {}", printable(excerpt(trim(captured.err), 500))));
    if (!made && !existed)
        ::unlink(making.path.c_str());
    SLIPWAY_CHECK(std::move(made));
    if (!making.backing.empty())
        state.made_on_backing[std::filesystem::canonical(making.path)] = making.backing;
    return Json();
}

} // namespace

bool is_as_made(const HandleState& state, const std::string& drive) {
    std::error_code none;
    auto path = std::filesystem::canonical(drive, none);
    auto made = state.made_on_backing.find(path);
    if (made == state.made_on_backing.end())
        return false;
    auto top = probe_file(path);
    auto below = probe_file(path.parent_path() / made->second);
    return top && below && top->backing_file == made->second && top->data_file.empty() &&
           below->backing_file.empty() && below->data_file.empty();
}

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
