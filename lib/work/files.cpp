// SPDX-License-Identifier: Apache-2.0
#include "work/files.hpp"

#include <cstdlib>
#include <memory>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/pack.hpp"

namespace slipway::work {
namespace {

constexpr std::size_t piece_size = 512 << 10;
constexpr std::size_t alignment = 4096;    // no disk has larger logical blocks
constexpr off_t uncached_size = 16 << 20;  // bytes of a file
constexpr std::size_t max_entries = 2'000; // with names of 255 bytes still below the largest frame

struct Free {
    void operator()(char* memory) const { std::free(memory); } // NOLINT: of aligned_alloc
};
using AlignedBuffer = std::unique_ptr<char, Free>;

std::string_view type_of(mode_t mode) {
    if (S_ISREG(mode))
        return "file";
    if (S_ISDIR(mode))
        return "directory";
    if (S_ISLNK(mode))
        return "link";
    if (S_ISBLK(mode))
        return "block";
    if (S_ISCHR(mode))
        return "character";
    return S_ISFIFO(mode) ? "fifo" : "socket";
}

Result<sys::GuestPath> path_of(const Json& arguments) {
    return sys::GuestPath::parse(json_get<std::string>(arguments, "path"));
}

// A file that is larger than the memory of a machine would push everything else out of its cache,
// and memory that is new to the machine costs the host more than the copy. Not every filesystem
// can do without.
Result<sys::OwnedFd> open_to_stream(const sys::RootDir& root, const sys::GuestPath& path,
                                    const struct stat& info) {
    if (S_ISREG(info.st_mode) && info.st_size >= uncached_size)
        if (auto direct = root.open_path(path, O_RDONLY | O_DIRECT))
            return direct;
    return root.open_path(path, O_RDONLY);
}

} // namespace

Result<Json> list_files(const sys::RootDir& root, const Json& arguments) {
    SLIPWAY_TRY(auto path, path_of(arguments));
    SLIPWAY_TRY(auto info, root.stat(path));
    auto entries = Json::array();
    if (!S_ISDIR(info.st_mode)) {
        entries.push_back({{"name", path.str()}, {"type", type_of(info.st_mode)}});
        return Json{{"entries", entries}, {"more", false}};
    }
    SLIPWAY_TRY(auto listed, root.list(path));
    // Large directories come in pages: "from" is the number of entries that were already given.
    auto from = json_get<std::size_t>(arguments, "from");
    for (std::size_t i = from; i < listed.size() && i < from + max_entries; ++i)
        entries.push_back({{"name", listed[i].name}, {"type", type_of(DTTOIF(listed[i].type))}});
    return Json{{"entries", entries}, {"more", listed.size() > from + max_entries}};
}

Result<Json> stat_file(const sys::RootDir& root, const Json& arguments) {
    SLIPWAY_TRY(auto path, path_of(arguments));
    SLIPWAY_TRY(auto info, root.stat(path, json_get<bool>(arguments, "follow", true)));
    Json answer{{"type", type_of(info.st_mode)},
                {"mode", info.st_mode & 07777},
                {"uid", info.st_uid},
                {"gid", info.st_gid},
                {"size", info.st_size},
                {"mtime", info.st_mtime}};
    if (S_ISLNK(info.st_mode)) {
        SLIPWAY_TRY(answer["target"], root.read_link(path));
    }
    return answer;
}

Result<Json> get_file(const sys::RootDir& root, const Json& arguments, Peer& peer) {
    SLIPWAY_TRY(auto path, path_of(arguments));
    SLIPWAY_TRY(auto info, root.stat(path));
    if (S_ISDIR(info.st_mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{} in the guest is a directory", path.str()),
                    "--tar gives it as a tar archive; `slipway ls` lists it");
    SLIPWAY_TRY(auto file, open_to_stream(root, path, info));
    std::uint64_t done = 0;
    AlignedBuffer buffer(static_cast<char*>(std::aligned_alloc(alignment, piece_size)));
    while (true) {
        auto got = ::read(file.raw(), buffer.get(), piece_size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(fmt::format("reading {} in the guest", path.str()));
        if (got == 0)
            return Json{{"size", done}, {"mode", info.st_mode & 07777}};
        SLIPWAY_CHECK(peer.send(Output, {buffer.get(), static_cast<std::size_t>(got)}));
        done += static_cast<std::uint64_t>(got);
    }
}

Result<Json> get_tree(const sys::RootDir& root, const Json& arguments, Peer& peer) {
    SLIPWAY_TRY(auto path, path_of(arguments));
    if (!root.is_dir(path)) {
        SLIPWAY_TRY([[maybe_unused]] auto info, root.stat(path)); // it may not be there at all
        return fail(Code::InvalidArgument,
                    fmt::format("{} in the guest is no directory", path.str()),
                    "leave --tar away to get a file");
    }
    SLIPWAY_TRY(auto directory, root.open_path(path, O_RDONLY | O_DIRECTORY));
    SLIPWAY_TRY(auto entries, archive::pack_directory(directory, [&peer](std::string_view bytes) {
                    return peer.send(Output, bytes);
                }));
    return Json{{"entries", entries}};
}

Status refuse_hidden(const mount::MountTree& tree, const std::string& path) {
    SLIPWAY_TRY(auto wanted, sys::GuestPath::parse(path));
    auto directory = tree.root().real_path(wanted.parent());
    if (!directory)
        return {}; // put_file says what is wrong with it
    auto place = (*directory / wanted.name()).str();
    for (const auto& [mountpoint, why] : tree.missing())
        if (place == mountpoint || place.starts_with(mountpoint + "/"))
            return fail(Code::Unsupported,
                        fmt::format("the guest's {} is not mounted here, so {} would be hidden by "
                                    "it: {}",
                                    mountpoint, place, why),
                        "use slipway where the filesystem can be mounted, or write it in the "
                        "running guest");
    return {};
}

Result<Json> put_file(const sys::RootDir& root, const Json& arguments, Peer& peer) {
    SLIPWAY_TRY(auto path, path_of(arguments));
    if (root.is_dir(path))
        return fail(Code::InvalidArgument,
                    fmt::format("{} in the guest is a directory", path.str()),
                    "give the full name of the file");
    if (!root.is_dir(path.parent()))
        return fail(Code::NotFound,
                    fmt::format("the guest has no directory {}", path.parent().str()));
    SLIPWAY_TRY(auto file, root.replace(path, static_cast<mode_t>(
                                                  json_get<unsigned>(arguments, "mode", 0644)) &
                                                  07777));
    std::uint64_t size = 0;
    while (true) {
        SLIPWAY_TRY(auto event, peer.next_event(std::chrono::seconds(1)));
        if (!event)
            continue;
        if (event->kind == Event::Kind::Cancel)
            return fail(Code::Cancelled, "stopped on request");
        if (event->kind == Event::Kind::EndOfInput)
            break;
        if (event->kind != Event::Kind::Data)
            continue;
        if (auto written = sys::write_all(file.fd(), event->bytes); !written)
            return fail(
                std::move(written.error()).in(fmt::format("writing {} in the guest", path.str())));
        size += event->bytes.size();
        peer.consumed(event->bytes.size());
    }
    SLIPWAY_CHECK(file.commit());
    return Json{{"size", size}};
}

} // namespace slipway::work
