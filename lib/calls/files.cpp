// SPDX-License-Identifier: Apache-2.0
#include "calls/files.hpp"

#include <algorithm>
#include <memory>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/devices.hpp"

namespace slipway::calls {
namespace {

constexpr std::size_t longest_line = 64 << 20;

} // namespace

Result<FileOrDevice> Parameter<FileOrDevice>::take(const Request& request, const Json& json) {
    if (json.is_string() && json.get_ref<const std::string&>().starts_with("/dev/")) {
        SLIPWAY_TRY(auto device, Parameter<Device>::take(request, json));
        return FileOrDevice{device.name, true};
    }
    SLIPWAY_TRY(auto path, Parameter<sys::GuestPath>::take(request, json));
    return FileOrDevice{path.str(), false};
}

Result<sys::OwnedFd> open_content(Machine& machine, const FileOrDevice& place, int flags,
                                  mode_t mode) {
    if (place.is_device)
        return open_device({place.name}, flags & ~(O_CREAT | O_TRUNC));
    return open_file(machine, sys::GuestPath(place.name), flags, mode);
}

Result<sys::OwnedFd> open_file(Machine& machine, const sys::GuestPath& path, int flags,
                               mode_t mode) {
    SLIPWAY_TRY(auto root, machine.root());
    return root.open_path(path, flags, mode);
}

Result<sys::OwnedFd> open_to_look(Machine& machine, const sys::GuestPath& path, bool follow) {
    return open_file(machine, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
}

Result<Place> place_of(Machine& machine, const sys::GuestPath& path, int errno_of_root) {
    if (path.str() == "/")
        return fail_errno("/", errno_of_root);
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto directory, root.open_parent(path));
    return Place{std::move(directory), std::string(path.name())};
}

bool is_plain_name(const std::string& name) {
    return !name.empty() && name != ".." && name.find('/') == std::string::npos;
}

Source content_of(Cancel cancel, sys::BorrowedFd file, std::string name, std::uint64_t most) {
    auto piece = std::make_shared<std::string>(std::min<std::uint64_t>(piece_size, most), '\0');
    return [=, name = std::move(name), left = most,
            cancel = std::move(cancel)]() mutable -> Result<std::string_view> {
        SLIPWAY_CHECK(cancel.check());
        ssize_t got = 0;
        do
            got = ::read(file.raw(), piece->data(), std::min<std::uint64_t>(piece->size(), left));
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return fail_errno(name);
        left -= static_cast<std::uint64_t>(got);
        return std::string_view(piece->data(), static_cast<std::size_t>(got));
    };
}

Status each_piece(const Source& source, const Take& take) {
    while (true) {
        SLIPWAY_TRY(auto piece, source());
        if (piece.empty())
            return {};
        SLIPWAY_CHECK(take(piece));
    }
}

Status each_line(const Source& source, const std::function<Result<bool>(std::string_view)>& take) {
    std::string begun; // a line that the last piece did not end
    while (true) {
        SLIPWAY_TRY(auto piece, source());
        if (piece.empty())
            break;
        for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
            auto line = piece.substr(0, end);
            if (!begun.empty())
                line = begun.append(line);
            SLIPWAY_TRY(bool more, take(line));
            if (!more)
                return {};
            begun.clear();
            piece.remove_prefix(end + 1);
        }
        if (begun.size() + piece.size() > longest_line)
            return fail(Code::NoSpace,
                        fmt::format("a line is longer than {} MiB", longest_line >> 20));
        begun.append(piece);
    }
    if (!begun.empty()) {
        SLIPWAY_TRY([[maybe_unused]] bool more, take(begun));
    }
    return {};
}

Status refuse_negative(std::int64_t number, std::string_view what) {
    if (number < 0)
        return fail(Code::InvalidArgument, fmt::format("{} is negative", what));
    return {};
}

Result<std::string> run_confined(Machine& machine, std::vector<std::string> argv,
                                 sys::BorrowedFd input, std::vector<std::string> read_paths) {
    constexpr unsigned nobody = 65534;
    sys::ProcessSpec spec{.argv = std::move(argv)};
    spec.fds = {{input, STDIN_FILENO}};
    auto readable = sys::program_read_paths();
    readable.insert(readable.end(), read_paths.begin(), read_paths.end());
    spec.confinement = sys::Confinement{.read_paths = std::move(readable), .user = nobody};
    auto words = fmt::format("running {}", spec.argv.front());
    SLIPWAY_TRY(auto captured, sys::run(*machine.host.runner, spec));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, std::move(words)));
    return std::move(captured.out);
}

} // namespace slipway::calls
