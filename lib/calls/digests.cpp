// SPDX-License-Identifier: Apache-2.0
// Calls that say what a file holds in short: checksums, kinds of content.
#include <algorithm>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "calls/batch.hpp"
#include "calls/devices.hpp"
#include "calls/digests.hpp"
#include "calls/unpacked.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;

// The tool reads no more of a file than this.
constexpr std::size_t looked_at = 1 << 20;

Result<std::string> checksum(Machine& machine, const std::string& type, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    SLIPWAY_TRY(auto sum, digest_of(machine, file, path.str(), type));
    return sum.text;
}

Result<std::string> checksum_device(Machine& machine, const std::string& type,
                                    const Device& device) {
    SLIPWAY_TRY(auto file, open_device(device, O_RDONLY));
    SLIPWAY_TRY(auto sum, digest_of(machine, file, device.name, type));
    return sum.text;
}

// As the tools of coreutils write it: names that would break the line are escaped.
std::string sum_line(const ContentSum& sum, const std::string& type, const std::string& path) {
    if (type == "crc")
        return fmt::format("{} {} ./{}", sum.text, sum.size, path);
    auto escaped = replace_all(replace_all(path, "\\", "\\\\"), "\n", "\\n");
    return fmt::format("{}{}  ./{}", escaped == path ? "" : "\\", sum.text, escaped);
}

Status checksums_out(Machine& machine, const std::string& type, const GuestPath& path,
                     const Output& output) {
    SLIPWAY_TRY([[maybe_unused]] auto known, archive::open_digest(type));
    SLIPWAY_TRY(auto top, open_file(machine, path, O_RDONLY | O_DIRECTORY));
    Batch batch(output);
    auto enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
        if (entry.type != DT_REG)
            return true;
        SLIPWAY_TRY(auto file,
                    sys::open_at(entry.directory, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        SLIPWAY_TRY(auto sum, digest_of(machine, file, entry.path, type));
        SLIPWAY_CHECK(batch.add(sum_line(sum, type, entry.path), '\n'));
        return true;
    };
    SLIPWAY_CHECK(sys::walk_tree(top, {.enter = enter, .cancel = machine.host.cancel}));
    return batch.flush();
}

// Fills the buffer as far as the content goes.
Result<std::string_view> read_block(sys::BorrowedFd file, const std::string& name,
                                    std::string& buffer) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
        auto got = ::read(file.raw(), buffer.data() + filled, buffer.size() - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(name);
        if (got == 0)
            break;
        filled += static_cast<std::size_t>(got);
    }
    return std::string_view(buffer).substr(0, filled);
}

Result<bool> equal(Machine& machine, const GuestPath& path, const GuestPath& other) {
    SLIPWAY_TRY(auto first, open_file(machine, path));
    SLIPWAY_TRY(auto second, open_file(machine, other));
    std::string one(piece_size, '\0'), two(piece_size, '\0');
    while (true) {
        SLIPWAY_CHECK(machine.host.cancel.check());
        SLIPWAY_TRY(auto a, read_block(first, path.str(), one));
        SLIPWAY_TRY(auto b, read_block(second, other.str(), two));
        if (a != b)
            return false;
        if (a.empty())
            return true;
    }
}

const char* words_for(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symbolic link";
    case S_IFIFO:
        return "FIFO";
    case S_IFBLK:
        return "block device";
    case S_IFCHR:
        return "character device";
    case S_IFSOCK:
        return "socket";
    default:
        return nullptr;
    }
}

Result<std::string> ask_file_tool(Machine& machine, std::vector<std::string> argv,
                                  sys::BorrowedFd content) {
    SLIPWAY_TRY(auto said, run_confined(machine, std::move(argv), content,
                                        {"/usr/share/misc", "/usr/share/file", "/usr/lib/file",
                                         "/etc/magic", "/etc/magic.mime"}));
    return std::string(trim(said));
}

Result<std::string> file(Machine& machine, const FileOrDevice& place) {
    if (!place.is_device) {
        SLIPWAY_TRY(auto root, machine.root());
        SLIPWAY_TRY(auto info, root.stat(GuestPath(place.name), false));
        if (const char* words = words_for(info.st_mode))
            return std::string(words);
    }
    SLIPWAY_TRY(auto content, open_content(machine, place, O_RDONLY));
    return ask_file_tool(machine, {"file", "-zb", "-"}, content);
}

// The beginning of what was packed is enough for the tool.
Result<std::string> zfile(Machine& machine, const std::string& method, const GuestPath& path) {
    if (method != "gzip" && method != "bzip2")
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no known compression", printable(method)),
                    "use gzip or bzip2");
    SLIPWAY_TRY(auto packed, open_file(machine, path));
    auto source = unpacked_content_of(machine.host.cancel, packed, path.str(),
                                      method == "gzip" ? archive::Compression::Gzip
                                                       : archive::Compression::Bzip2);
    std::string beginning;
    while (beginning.size() < looked_at) {
        SLIPWAY_TRY(auto piece, source());
        if (piece.empty())
            break;
        beginning += piece.substr(0, looked_at - beginning.size());
    }
    SLIPWAY_TRY(auto unpacked, sys::make_memfd("unpacked", beginning));
    return ask_file_tool(machine, {"file", "-b", "-"}, unpacked);
}

} // namespace

Result<ContentSum> digest_of(const Machine& machine, sys::BorrowedFd file, const std::string& name,
                             const std::string& type) {
    SLIPWAY_TRY(auto digest, archive::open_digest(type));
    ContentSum sum;
    SLIPWAY_CHECK(each_piece(content_of(machine.host.cancel, file, name),
                             [&](std::string_view piece) -> Status {
                                 digest->add(piece);
                                 sum.size += piece.size();
                                 return {};
                             }));
    sum.text = digest->finish();
    return sum;
}

Calls digest_calls() {
    static constexpr Call calls[] = {
        {"checksum", bind<checksum>},
        {"checksum_device", bind<checksum_device>},
        {"checksums_out", bind<checksums_out>},
        {"equal", bind<equal>},
        {"file", bind<file>},
        {"zfile", bind<zfile>},
    };
    return calls;
}

} // namespace slipway::calls
