// SPDX-License-Identifier: Apache-2.0
#include "guest/files.hpp"

#include <algorithm>
#include <memory>

#include <dirent.h>
#include <fcntl.h>

#include <fmt/format.h>

namespace slipway::guest {

using report::Severity;
using sys::GuestPath;

std::optional<std::string> GuestFiles::read(const std::string& path, std::size_t limit) const {
    auto guest_path = GuestPath::parse(path);
    if (!guest_path)
        return std::nullopt;
    auto content = root_.read(*guest_path, limit);
    if (content)
        return std::move(*content);
    const auto& error = content.error();
    bool damaged = error.code == Code::Corrupt && error.errno_value != 0;
    if (error.code != Code::NotFound)
        find({.id = damaged ? std::string(report::damage_id) : "file-unreadable",
              .severity = Severity::Warning,
              .where = path,
              .text = fmt::format("{} was not read: {}", path, render_line(error))});
    return std::nullopt;
}

std::vector<std::string> GuestFiles::list(const std::string& path, std::size_t limit) const {
    std::vector<std::string> names;
    auto fd = root_.open_path(GuestPath(path), O_RDONLY | O_DIRECTORY);
    if (!fd)
        return names;
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd->raw()), ::closedir);
    if (!dir)
        return names;
    [[maybe_unused]] auto owned_by_dir = fd->release();
    while (const auto* entry = ::readdir(dir.get())) {
        std::string_view name(entry->d_name);
        if (name == "." || name == "..")
            continue;
        if (names.size() == limit) {
            find({.id = "directory-too-large",
                  .severity = Severity::Warning,
                  .where = path,
                  .text = fmt::format("{} has more than {} entries; not all were looked at", path,
                                      limit)});
            break;
        }
        names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

bool GuestFiles::exists(const std::string& path) const {
    auto guest_path = GuestPath::parse(path);
    return guest_path && root_.exists(*guest_path);
}

std::string GuestFiles::first_of(std::initializer_list<std::string_view> paths) const {
    for (auto path : paths)
        if (root_.exists(GuestPath(path)))
            return std::string(path);
    return {};
}

} // namespace slipway::guest
