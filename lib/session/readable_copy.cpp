// SPDX-License-Identifier: Apache-2.0
#include "session/readable_copy.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/output_file.hpp"
#include "vm/accelerator.hpp"

namespace slipway::session {
namespace {

bool has_mode(const std::filesystem::path& path, mode_t wanted) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && (info.st_mode & wanted) == wanted;
}

bool everybody_reads(const std::filesystem::path& program) {
    if (!has_mode(program, S_IROTH | S_IXOTH))
        return false;
    for (auto directory = program.parent_path(); directory != directory.root_path();
         directory = directory.parent_path())
        if (!has_mode(directory, S_IXOTH))
            return false;
    return true;
}

} // namespace

Result<std::string> readable_copy(const std::string& program) {
    std::error_code failed;
    auto real = std::filesystem::canonical(program, failed);
    struct stat info {};
    if (failed || ::geteuid() != 0 || everybody_reads(real) || ::stat(real.c_str(), &info) != 0)
        return program;
    // A changed program has another name.
    auto directory = fmt::format("{}/programs", vm::state_directory());
    std::filesystem::create_directories(directory, failed);
    for (const auto& each : {vm::state_directory(), directory}) // whatever the umask was
        ::chmod(each.c_str(), 0755);
    auto copy = fmt::format("{}/{}-{}-{}-{}", directory, real.filename().string(), info.st_ino,
                            info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    if (::access(copy.c_str(), X_OK) == 0)
        return copy;
    constexpr std::size_t largest_program = 256 << 20;
    SLIPWAY_TRY(auto bytes, sys::read_file(real.string(), largest_program));
    SLIPWAY_TRY(auto file, sys::OutputFile::create(copy, {.replace = true, .mode = 0755}));
    SLIPWAY_CHECK(sys::write_all(file.fd(), bytes));
    SLIPWAY_CHECK(file.publish());
    return copy;
}

} // namespace slipway::session
