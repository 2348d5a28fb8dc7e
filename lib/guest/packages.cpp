// SPDX-License-Identifier: Apache-2.0
#include "guest/packages.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

#include "guest/package_texts.hpp"
#include "guest/rpm_database.hpp"

namespace slipway::guest {
namespace {

using report::Package;
using report::Severity;
using Packages = std::optional<std::vector<Package>>; ///< nothing: there is no such database

constexpr std::size_t largest_text = 128 << 20;  // ten times that of 10 000 packages
constexpr std::size_t largest_of_one = 64 << 10; // where each package has a file

void find_incomplete(const GuestFiles& files, const std::string& path, std::string text) {
    files.find({.id = "packages-incomplete",
                .severity = Severity::Info,
                .where = path,
                .text = std::move(text)});
}

Packages read_dpkg(const GuestFiles& files) {
    Packages packages;
    auto add = [&](const std::string& path, std::size_t limit) {
        auto text = files.read(path, limit);
        if (!text)
            return;
        auto found = parse_dpkg_status(*text);
        if (!packages)
            packages.emplace();
        auto room = max_packages - packages->size();
        found.resize(std::min(found.size(), room));
        std::move(found.begin(), found.end(), std::back_inserter(*packages));
    };
    add("/var/lib/dpkg/status", largest_text);
    // Images that were made without dpkg (distroless) have a file for each package.
    const std::string folder = "/var/lib/dpkg/status.d";
    for (const auto& name : files.list(folder))
        if (!name.ends_with(".md5sums"))
            add(fmt::format("{}/{}", folder, name), largest_of_one);
    return packages;
}

Packages read_apk(const GuestFiles& files) {
    for (const std::string path : {"/lib/apk/db/installed", "/usr/lib/apk/db/installed"})
        if (auto text = files.read(path, largest_text))
            return parse_apk_installed(*text);
    return std::nullopt;
}

Packages read_pacman(const GuestFiles& files) {
    const std::string folder = "/var/lib/pacman/local";
    if (!files.exists(folder))
        return std::nullopt;
    Packages packages(std::in_place);
    for (const auto& name : files.list(folder, max_packages)) {
        if (name == "ALPM_DB_VERSION")
            continue;
        if (auto text = files.read(fmt::format("{}/{}/desc", folder, name), largest_of_one))
            if (auto package = parse_pacman_desc(*text))
                packages->push_back(std::move(*package));
    }
    return packages;
}

struct RpmFile {
    std::string_view name;
    Status (*visit)(sys::BorrowedFd, const HeaderVisitor&);
};
// After a conversion rpm leaves the old one behind: the newest format first.
constexpr std::array rpm_files{RpmFile{"rpmdb.sqlite", visit_sqlite},
                               RpmFile{"Packages.db", visit_ndb},
                               RpmFile{"Packages", visit_berkeley}};

std::vector<Package> read_rpm_file(const GuestFiles& files, const std::string& path,
                                   sys::BorrowedFd file, const RpmFile& kind) {
    std::vector<Package> packages;
    std::size_t bad = 0;
    auto visited = kind.visit(file, [&](HeaderBlob& blob) -> Status {
        auto package = parse_rpm_header(blob);
        if (package)
            packages.push_back(std::move(*package));
        else
            ++bad;
        if (packages.size() + bad > max_packages)
            return fail(Code::Corrupt, fmt::format("more than {} packages", max_packages));
        return {};
    });
    if (!visited)
        files.find({.id = "packages-unreadable",
                    .severity = Severity::Warning,
                    .where = path,
                    .text = fmt::format("the package database {} was not read to its end: {}", path,
                                        render_line(visited.error())),
                    .remedy = "rpm --rebuilddb in the guest"});
    if (bad > 0)
        find_incomplete(files, path, fmt::format("{} packages of {} are damaged", bad, path));
    if (auto log = files.root().stat(sys::GuestPath(path + "-wal")); log && log->st_size > 0)
        find_incomplete(files, path,
                        fmt::format("what stands in {}-wal only was not looked at: rpm ended "
                                    "without writing it back",
                                    path));
    return packages;
}

Packages read_rpm(const GuestFiles& files) {
    for (const std::string folder : {"/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"})
        for (const auto& kind : rpm_files) {
            auto path = fmt::format("{}/{}", folder, kind.name);
            if (auto file = files.root().open_path(sys::GuestPath(path), O_RDONLY))
                return read_rpm_file(files, path, *file, kind);
        }
    return std::nullopt;
}

struct Source {
    std::string_view database;
    std::string_view format;
    Packages (*read)(const GuestFiles&);
};
constexpr std::array sources{Source{"dpkg", "deb", read_dpkg}, Source{"rpm", "rpm", read_rpm},
                             Source{"pacman", "pacman", read_pacman},
                             Source{"apk", "apk", read_apk}};

} // namespace

report::PackageList read_packages(const GuestFiles& files, std::string_view format) {
    auto order = sources;
    std::stable_partition(order.begin(), order.end(),
                          [&](const Source& source) { return source.format == format; });
    for (const auto& source : order) {
        auto packages = source.read(files);
        if (!packages)
            continue;
        std::sort(packages->begin(), packages->end(), [](const Package& a, const Package& b) {
            return std::tie(a.name, a.version, a.release, a.arch) <
                   std::tie(b.name, b.version, b.release, b.arch);
        });
        return {.database = std::string(source.database), .list = std::move(*packages)};
    }
    return {};
}

} // namespace slipway::guest
