// SPDX-License-Identifier: Apache-2.0
#include "appliance/program_files.hpp"

#include <array>

#include <unistd.h>

#include <fmt/format.h>

#include "appliance/elf_needs.hpp"
#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {
namespace {

constexpr std::size_t largest_file = 256 << 20;

// Where the loaders of the distributions look by themselves: Debian's multiarch, then the others'.
constexpr std::array library_directories{"/lib/x86_64-linux-gnu",
                                         "/usr/lib/x86_64-linux-gnu",
                                         "/lib64",
                                         "/usr/lib64",
                                         "/lib",
                                         "/usr/lib"};

std::vector<std::string> expand_origin(std::vector<std::string> run_path, const std::string& path) {
    auto origin = std::string(dirname_of(path));
    for (auto& directory : run_path)
        directory =
            replace_all(replace_all(std::move(directory), "${ORIGIN}", origin), "$ORIGIN", origin);
    return run_path;
}

} // namespace

Result<std::string> ProgramFiles::find_library(const std::string& name,
                                               const std::vector<std::string>& run_path) const {
    auto directories = run_path;
    directories.insert(directories.end(), library_directories.begin(), library_directories.end());
    for (const auto& directory : directories) {
        auto path = fmt::format("{}/{}", directory, name);
        if (::access((host_ + path).c_str(), R_OK) == 0)
            return path;
    }
    return fail(Code::NotFound, fmt::format("there is no library {}", name));
}

Status ProgramFiles::add_needs(const std::string& path, const std::string& content,
                               Files& found) const {
    auto needs = parse_elf_needs(content);
    if (!needs && needs.error().code == Code::Unsupported)
        return {}; // a script
    if (!needs)
        return fail(std::move(needs.error()).in(path));
    auto run_path = expand_origin(needs->run_path, path);
    std::vector<std::string> wanted;
    if (!needs->interpreter.empty())
        wanted.push_back(needs->interpreter);
    for (const auto& name : needs->libraries) {
        auto library = find_library(name, run_path);
        if (!library)
            return fail(std::move(library.error()).in(path));
        wanted.push_back(std::move(*library));
    }
    for (const auto& file : wanted) {
        if (files_.contains(file) || found.contains(file))
            continue;
        SLIPWAY_TRY(auto bytes, sys::read_file(host_ + file, largest_file));
        auto& kept = found[file] = std::move(bytes);
        // Depth is bounded by the number of libraries: each is entered once.
        SLIPWAY_CHECK(add_needs(file, kept, found));
    }
    return {};
}

Status ProgramFiles::add(const std::string& path) {
    return add_as(path, path);
}

Status ProgramFiles::add_as(const std::string& path, const std::string& name) {
    SLIPWAY_TRY(auto content, sys::read_file(host_ + path, largest_file));
    Files found;
    SLIPWAY_CHECK(add_needs(path, content, found));
    files_.merge(found);
    files_.insert_or_assign(name, std::move(content));
    return {};
}

} // namespace slipway::appliance
