// SPDX-License-Identifier: Apache-2.0
// Calls that list a directory, and say where links lead.
#include <algorithm>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "calls/batch.hpp"
#include "calls/files.hpp"
#include "calls/long_listing.hpp"
#include "sys/long_loop.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

constexpr std::size_t longest_target = 4096;

Result<std::vector<sys::DirEntry>> entries_of(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_file(machine, path, O_RDONLY | O_DIRECTORY));
    auto entries = sys::read_directory(directory, machine.host.cancel);
    if (!entries)
        return fail(std::move(entries.error()).in(path.str()));
    return entries;
}

Result<Strings> ls(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto entries, entries_of(machine, path));
    Strings names;
    names.reserve(entries.size());
    for (auto& entry : entries)
        names.push_back(std::move(entry.name));
    std::sort(names.begin(), names.end());
    return names;
}

Status ls0(Machine& machine, const GuestPath& path, const Output& output) {
    SLIPWAY_TRY(auto entries, entries_of(machine, path));
    Batch batch(output);
    for (const auto& entry : entries)
        SLIPWAY_CHECK(batch.add(entry.name, '\0'));
    return batch.flush();
}

std::string letter_of(unsigned char type) {
    switch (type) {
    case DT_BLK:
        return "b";
    case DT_CHR:
        return "c";
    case DT_DIR:
        return "d";
    case DT_FIFO:
        return "f";
    case DT_LNK:
        return "l";
    case DT_REG:
        return "r";
    case DT_SOCK:
        return "s";
    case DT_UNKNOWN:
        return "u";
    default:
        return "?";
    }
}

Result<Json> readdir(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto directory, open_file(machine, path, O_RDONLY | O_DIRECTORY));
    std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(directory.raw()), ::closedir);
    if (!listing)
        return fail_errno(path.str());
    [[maybe_unused]] auto owned_by_listing = directory.release();
    auto records = Json::array();
    errno = 0;
    sys::LongLoop loop(machine.host.cancel);
    while (const auto* found = ::readdir(listing.get())) {
        SLIPWAY_CHECK(loop.step());
        records.push_back({{"ino", static_cast<std::int64_t>(found->d_ino)},
                           {"ftyp", letter_of(found->d_type)},
                           {"name", std::string(found->d_name)}});
        errno = 0;
    }
    if (errno != 0)
        return fail_errno(path.str());
    return records;
}

template <bool contexts>
Status list_long(Machine& machine, const GuestPath& path, const Output& output) {
    SLIPWAY_TRY(auto root, machine.root());
    Batch batch(output);
    SLIPWAY_CHECK(long_listing(root, path, contexts, machine.host.cancel,
                               [&](std::string_view line) { return batch.add(line, '\n'); }));
    return batch.flush();
}

Result<std::string> readlink(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto link, open_to_look(machine, path, false));
    std::string target(longest_target, '\0');
    auto size = ::readlinkat(link.raw(), "", target.data(), target.size());
    // Without a path the kernel says ENOENT of what is no link.
    if (size < 0)
        return fail_errno(path.str(), errno == ENOENT ? EINVAL : errno);
    target.resize(static_cast<std::size_t>(size));
    return target;
}

// "" for what is no link.
Result<Strings> readlinklist(Machine& machine, const GuestPath& path, const Strings& names) {
    SLIPWAY_TRY(auto directory, open_file(machine, path, O_PATH | O_DIRECTORY));
    Strings targets;
    targets.reserve(names.size());
    std::string target(longest_target, '\0');
    for (const auto& name : names) {
        auto size = is_plain_name(name)
                        ? ::readlinkat(directory.raw(), name.c_str(), target.data(), target.size())
                        : -1;
        targets.push_back(target.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
    }
    return targets;
}

Result<std::string> realpath(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto real, root.real_path(path));
    return real.str();
}

} // namespace

Calls listing_calls() {
    static constexpr Call calls[] = {
        {"ls", bind<ls>},
        {"ls0", bind<ls0>},
        {"ll", bind<list_long<false>>},
        {"llz", bind<list_long<true>>},
        {"readdir", bind<readdir>},
        {"readlink", bind<readlink>},
        {"readlinklist", bind<readlinklist>},
        {"realpath", bind<realpath>},
    };
    return calls;
}

} // namespace slipway::calls
