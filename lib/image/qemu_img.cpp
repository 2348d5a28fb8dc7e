// SPDX-License-Identifier: Apache-2.0
#include "image/qemu_img.hpp"

#include <charconv>

#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/identity.hpp"

namespace slipway::image {
namespace {

constexpr std::chrono::hours convert_deadline{24};

sys::ProcessSpec qemu_img(std::vector<std::string> arguments, const BlockGraph& graph) {
    sys::ProcessSpec spec;
    spec.argv = {"qemu-img"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.fds = graph.fds;
    // DAC_OVERRIDE: the descriptors are opened again by path, also where root is no owner.
    spec.confinement = sys::Confinement{.read_paths = sys::program_read_paths(),
                                        .read_fds = graph.read_fds,
                                        .write_fds = graph.write_fds,
                                        .keep_capabilities = {CAP_DAC_OVERRIDE}};
    return spec;
}

// What qemu-img complains of, without the graph that it was given: "File truncated, expecting …".
// Under Landlock /dev/null is not for writing, so QEMU finds no OFD locks and complains.
std::string complaint(std::string_view said) {
    std::vector<std::string> reasons;
    for (auto line : split_lines(said)) {
        line = trim(line);
        for (std::string_view label : {"qemu-img: ", "ERROR: "})
            if (line.starts_with(label))
                line.remove_prefix(label.size());
        if (auto graph_end = line.find("}': ");
            line.starts_with("Could not open 'json:") && graph_end != std::string_view::npos)
            line.remove_prefix(graph_end + 4);
        bool noise = line.starts_with("Could not open '/proc/self/fd/") ||
                     line.starts_with("Error when deleting file /proc/self/fd/") ||
                     line.starts_with("Failed to open /dev/null for OFD lock probing");
        if (!line.empty() && !noise)
            reasons.emplace_back(line);
    }
    return join(reasons, "; ");
}

Error explain(Error error) {
    if (error.code != Code::ToolFailed || !error.tool)
        return error;
    const auto& said = error.tool->stderr_tail;
    if (said.find("No space left") != std::string::npos ||
        said.find("File too large") != std::string::npos ||
        said.find("quota exceeded") != std::string::npos)
        error.code = Code::NoSpace;
    else if (said.find("Could not open") != std::string::npos ||
             said.find("nvalid") != std::string::npos ||
             said.find("corrupt") != std::string::npos ||
             said.find("Input/output error") != std::string::npos)
        error.code = Code::Corrupt;
    if (auto reason = complaint(said); !reason.empty()) {
        error.what += ": " + reason;
        error.tool->stderr_tail.clear();
    }
    if (error.code == Code::NoSpace)
        error.hint = "make room";
    if (error.code == Code::Corrupt)
        error.hint = "the image may be damaged or cut off: copy it again from its origin";
    return error;
}

Result<sys::Captured> run_checked(const sys::Host& host, const sys::ProcessSpec& spec,
                                  sys::RunLimits limits, std::string what) {
    limits.cancel = host.cancel;
    auto captured = sys::run(*host.runner, spec, limits);
    if (!captured && captured.error().code == Code::NotFound)
        return fail(Code::Unsupported, "qemu-img is not installed", "apt install qemu-utils");
    if (!captured)
        return captured;
    if (auto good = sys::check_tool(spec, *captured, std::move(what)); !good)
        return fail(explain(std::move(good.error())));
    return captured;
}

// qemu-img -p prints "    (12.34/100%)\r".
void report_percent(const sys::Host& host, std::string_view piece) {
    auto open = piece.rfind('(');
    if (!host.progress || open == std::string_view::npos)
        return;
    double percent = 0;
    auto text = piece.substr(open + 1);
    if (std::from_chars(text.data(), text.data() + text.size(), percent).ec == std::errc{})
        host.progress({.step = "convert",
                       .done = static_cast<std::uint64_t>(percent * 10),
                       .total = 1000,
                       .bytes = false});
}

} // namespace

Result<Overlay> Overlay::create(const sys::Host& host, sys::OwnedFd file, std::uint64_t size,
                                int fd_number, const OverlayMark& mark) {
    BlockGraph target;
    target.fds.push_back({file, fd_number});
    target.write_fds.push_back(fd_number);
    auto spec = qemu_img({"create", "-q", "-f", "qcow2", "-u", "-b", mark.name, "-F",
                          std::string(name_of(mark.format)), sys::proc_path(fd_number),
                          std::to_string(size)},
                         target);
    SLIPWAY_TRY([[maybe_unused]] auto done, run_checked(host, spec, {}, "making an overlay"));
    return Overlay(std::move(file), fd_number);
}

BlockGraph Overlay::graph_over(const BlockGraph& source, bool writable) const {
    BlockGraph graph = source;
    Json file{{"driver", "file"},
              {"filename", sys::proc_path(number_)},
              {"read-only", !writable},
              {"locking", "off"}};
    graph.node = {
        {"driver", "qcow2"}, {"read-only", !writable}, {"file", file}, {"backing", source.node}};
    if (writable)
        graph.node["discard"] = "unmap";
    graph.fds.push_back({fd_, number_});
    (writable ? graph.write_fds : graph.read_fds).push_back(number_);
    return graph;
}

Result<OverlayMark> read_overlay_mark(const sys::Host& host, sys::BorrowedFd overlay) {
    constexpr int number = 19;
    BlockGraph graph;
    graph.node = {{"driver", "qcow2"},
                  {"read-only", true},
                  {"backing", nullptr},
                  {"file",
                   {{"driver", "file"},
                    {"filename", sys::proc_path(number)},
                    {"read-only", true},
                    {"locking", "off"}}}};
    graph.fds.push_back({overlay, number});
    graph.read_fds.push_back(number);
    auto spec = qemu_img({"info", "--output=json", graph.filename()}, graph);
    SLIPWAY_TRY(auto captured, run_checked(host, spec, {}, "reading the journal"));
    SLIPWAY_TRY(auto info, parse_json(captured.out, "the answer of qemu-img"));
    SLIPWAY_TRY(auto format, parse_format(json_get<std::string>(info, "backing-filename-format")));
    return OverlayMark{json_get<std::string>(info, "backing-filename"), format};
}

Status convert(const sys::Host& host, const BlockGraph& from, sys::BorrowedFd to,
               const ConvertOptions& options) {
    constexpr int target_number = 19;
    auto graph = from;
    graph.fds.push_back({to, target_number});
    graph.write_fds.push_back(target_number);
    std::vector<std::string> arguments{"convert", "-p", "-O", std::string(name_of(options.format))};
    if (options.compress)
        arguments.emplace_back("-c");
    if (!options.create.empty())
        arguments.insert(arguments.end(), {"-o", options.create});
    arguments.push_back(from.filename());
    arguments.push_back(sys::proc_path(target_number));
    auto spec = qemu_img(arguments, graph);
    sys::RunLimits limits{.deadline = convert_deadline};
    limits.on_stdout = [&host](std::string_view piece) { report_percent(host, piece); };
    SLIPWAY_TRY([[maybe_unused]] auto done, run_checked(host, spec, limits, "converting the disk"));
    return options.format == Format::Vmdk ? name_vmdk_extent(to, options.name) : Status{};
}

Status commit(const sys::Host& host, const BlockGraph& graph) {
    auto spec = qemu_img({"commit", "-d", "-q", graph.filename()}, graph);
    SLIPWAY_TRY([[maybe_unused]] auto done, run_checked(host, spec, {.deadline = convert_deadline},
                                                        "committing the changes into the image"));
    return {};
}

namespace {

// qemu-img info leaves the backing chain closed, and takes its options for unknown ones.
BlockGraph without_backing(BlockGraph graph) {
    if (graph.node.contains("backing"))
        graph.node["backing"] = nullptr;
    return graph;
}

} // namespace

Status check_tables(const sys::Host& host, const BlockGraph& graph) {
    constexpr int leaks_only = 3, no_check_for_this_format = 63; // qemu-img(1)
    auto top = without_backing(graph);
    auto spec = qemu_img({"check", "-q", top.filename()}, top);
    SLIPWAY_TRY(auto captured, sys::run(*host.runner, spec,
                                        {.deadline = convert_deadline, .cancel = host.cancel}));
    if (captured.status == 0 || captured.status == leaks_only ||
        captured.status == no_check_for_this_format)
        return {};
    auto first = complaint(captured.err);
    return fail(Code::Corrupt,
                fmt::format("the image is damaged or cut off: {}",
                            printable(std::string_view(first).substr(0, first.find(';')))),
                "copy it again from its origin; `qemu-img check` tells more");
}

Result<std::uint64_t> measure_size(const sys::Host& host, const BlockGraph& graph) {
    auto top = without_backing(graph);
    auto spec = qemu_img({"info", "--output=json", top.filename()}, top);
    SLIPWAY_TRY(auto captured, run_checked(host, spec, {}, "opening the image"));
    SLIPWAY_TRY(auto info, parse_json(captured.out, "the answer of qemu-img"));
    auto size = json_get<std::uint64_t>(info, "virtual-size");
    if (size == 0)
        return fail(Code::Corrupt, "the image holds a disk of no size");
    return size;
}

Result<std::uint64_t> Source::virtual_size(const sys::Host& host) const {
    struct stat info {};
    if (kind_ != Kind::Disk)
        return kind_ == Kind::Archive && ::fstat(fd().raw(), &info) == 0
                   ? static_cast<std::uint64_t>(info.st_size)
                   : 0;
    if (probe_.format == Format::Raw && !block_device_ && !data_file_ &&
        ::fstat(fd().raw(), &info) == 0)
        return (static_cast<std::uint64_t>(info.st_size) + 511) / 512 * 512; // as QEMU rounds
    auto size = measure_size(host, graph());
    if (!size)
        return fail(std::move(size.error()).in(path_));
    return size;
}

} // namespace slipway::image
