// SPDX-License-Identifier: Apache-2.0
// Calls on NTFS.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "calls/bind.hpp"
#include "calls/devices.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

Result<std::int64_t> ntfs_3g_probe(Machine& machine, bool rw, const Device& device) {
    sys::ProcessSpec spec{
        .argv = {"ntfs-3g.probe", rw ? "--readwrite" : "--readonly", device.name}};
    SLIPWAY_TRY(auto captured,
                sys::run(*machine.host.runner, spec, {.cancel = machine.host.cancel}));
    return captured.status;
}

Status ntfsfix(Machine& machine, const Device& device, std::optional<bool> clear_bad_sectors) {
    Strings words{"ntfsfix"};
    if (clear_bad_sectors.value_or(false))
        words.emplace_back("-b");
    words.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return {};
}

Status ntfsresize(Machine& machine, const Device& device, std::optional<std::int64_t> size,
                  std::optional<bool> force) {
    if (size.value_or(1) <= 0)
        return fail(Code::InvalidArgument, "a size is zero or negative");
    Strings words{"ntfsresize", "-P"};
    if (size)
        words.insert(words.end(), {"--size", std::to_string(*size)});
    if (force.value_or(false))
        words.emplace_back("--force");
    words.push_back(device.name);
    // It asks before it does it.
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words), "y\n"));
    return {};
}

Status ntfsresize_size(Machine& machine, const Device& device, std::int64_t size) {
    return ntfsresize(machine, device, size, std::nullopt);
}

Status ntfsclone_out(Machine& machine, const Device& device, const Output& output,
                     std::optional<bool> metadata_only, std::optional<bool> rescue,
                     std::optional<bool> ignore_check, std::optional<bool> keep_times,
                     std::optional<bool> force) {
    Strings words{"ntfsclone", "-o", "-", "--save-image"};
    for (const auto& [chosen, word] : {std::pair{metadata_only, "--metadata"},
                                       {rescue, "--rescue"},
                                       {ignore_check, "--ignore-fs-check"},
                                       {keep_times, "--preserve-timestamps"},
                                       {force, "--force"}})
        if (chosen.value_or(false))
            words.emplace_back(word);
    words.push_back(device.name);
    sys::ProcessSpec spec{.argv = std::move(words)};
    Status sent;
    Cancel cancel = machine.host.cancel;
    SLIPWAY_TRY(auto captured, sys::run(*machine.host.runner, spec,
                                        {.deadline = std::chrono::hours(12),
                                         .cancel = cancel,
                                         .on_stdout = [&](std::string_view bytes) {
                                             if (sent)
                                                 sent = output.send(bytes);
                                         }}));
    SLIPWAY_CHECK(std::move(sent));
    return sys::check_tool(spec, captured, failure_of(spec, captured));
}

// Through a file: the tool reads its standard input, which has to be fed as it comes.
Status ntfsclone_in(Machine& machine, const Input& input, const Device& device) {
    SLIPWAY_TRY(auto pipe, sys::make_pipe());
    SLIPWAY_TRY(auto said, sys::make_memfd("messages"));
    sys::ProcessSpec spec{.argv = {"ntfsclone", "-O", device.name, "--restore-image", "-"},
                          .fds = {{pipe.first, 0}, {said, 1}, {said, 2}}};
    SLIPWAY_TRY(auto child, machine.host.runner->start(spec));
    pipe.first.reset();
    auto fed =
        input.each([&](std::string_view bytes) { return sys::write_all(pipe.second, bytes); });
    pipe.second.reset();
    SLIPWAY_TRY(auto status, child->wait(std::chrono::hours(12)));
    if (!fed && fed.error().code == Code::Cancelled)
        return fed;
    // A tool that ended too early tells more than the pipe.
    sys::Captured captured{.status = status.value_or(1)};
    SLIPWAY_TRY(captured.err, sys::read_file(sys::proc_path(said.raw())));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, failure_of(spec, captured)));
    return fed;
}

Status ntfscat_i(Machine& machine, const Device& device, std::int64_t inode, const Output& output) {
    if (inode < 0)
        return fail(Code::InvalidArgument, "an inode is negative");
    sys::ProcessSpec spec{.argv = {"ntfscat", "-i", std::to_string(inode), device.name}};
    Status sent;
    SLIPWAY_TRY(auto captured, sys::run(*machine.host.runner, spec,
                                        {.deadline = std::chrono::hours(12),
                                         .cancel = machine.host.cancel,
                                         .on_stdout = [&](std::string_view bytes) {
                                             if (sent)
                                                 sent = output.send(bytes);
                                         }}));
    SLIPWAY_CHECK(std::move(sent));
    return sys::check_tool(spec, captured, failure_of(spec, captured));
}

} // namespace

Calls ntfs_calls() {
    static constexpr Call calls[] = {
        {"ntfs_3g_probe", bind<ntfs_3g_probe>},
        {"ntfscat_i", bind<ntfscat_i>},
        {"ntfsclone_in", bind<ntfsclone_in>},
        {"ntfsclone_out", bind<ntfsclone_out>},
        {"ntfsfix", bind<ntfsfix>},
        {"ntfsresize", bind<ntfsresize>},
        {"ntfsresize_size", bind<ntfsresize_size>},
    };
    return calls;
}

} // namespace slipway::calls
