// SPDX-License-Identifier: Apache-2.0
#include "ops/cleanup.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/journal.hpp"
#include "ops/rootfs_steps.hpp"
#include "storage/leftovers.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view temporary_mark = ".slipway-tmp.";
constexpr std::string_view endings_of_changes[] = {".slipway-journal", ".slipway-group"};

// ".NAME.slipway-tmp.PID-NUMBER" of a process that has gone.
bool is_dead_temporary(std::string_view name) {
    auto at = name.rfind(temporary_mark);
    if (!name.starts_with('.') || at == std::string_view::npos)
        return false;
    auto pid = parse_number(split(name.substr(at + temporary_mark.size()), '-').front());
    return pid && ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH;
}

// The name of a socket that a sandbox's client was killed with, see lib/vm/uml_sandbox.
bool is_left_socket(const fs::directory_entry& entry) {
    constexpr std::string_view prefix = "slipway-";
    constexpr std::size_t random = 6;
    auto name = entry.path().filename().string();
    std::error_code ignored;
    if (!name.starts_with(prefix) || name.size() != prefix.size() + random ||
        !entry.is_directory(ignored) || entry.is_symlink(ignored))
        return false;
    for (const auto& inside : fs::directory_iterator(entry.path(), ignored))
        if (inside.path().filename() != "disk" || !inside.is_socket(ignored))
            return false;
    // One that is being used is gone in a moment.
    auto age = fs::file_time_type::clock::now() - fs::last_write_time(entry.path(), ignored);
    return !ignored && age > std::chrono::seconds(10);
}

// The image beside which this file tells of an interrupted change, or "".
std::string image_of_change(const std::string& path) {
    for (auto ending : endings_of_changes)
        if (path.ends_with(ending) && basename_of(path).size() > ending.size())
            return path.substr(0, path.size() - ending.size());
    return {};
}

void look_at_file(const Context& context, const CleanupRequest& request,
                  const fs::directory_entry& entry, std::vector<Leftover>& found) {
    auto name = entry.path().filename().string();
    if (is_dead_temporary(name)) {
        Leftover leftover{.what = entry.path().string(), .why = "an unfinished output"};
        std::error_code failed;
        leftover.removed = !request.dry_run && fs::remove(entry.path(), failed);
        found.push_back(std::move(leftover));
    } else if (is_left_socket(entry)) {
        Leftover leftover{.what = entry.path().string(), .why = "a socket that nobody has"};
        std::error_code failed;
        leftover.removed = !request.dry_run && fs::remove_all(entry.path(), failed) > 0;
        found.push_back(std::move(leftover));
    } else if (auto image = image_of_change(entry.path().string()); !image.empty()) {
        Leftover leftover{.what = entry.path().string(), .why = "a repair that was interrupted"};
        if (!request.dry_run) {
            auto finished = finish_interrupted_fix(context, image);
            leftover.removed = finished.has_value();
            if (!finished)
                leftover.why = render_text(finished.error());
        }
        found.push_back(std::move(leftover));
    }
}

} // namespace

Result<std::vector<Leftover>> cleanup(const Context& context, const CleanupRequest& request) {
    std::vector<Leftover> found;
    if (!request.dry_run)
        for (auto& device : storage::close_leftovers())
            found.push_back({.what = "/dev/" + device,
                             .why = "a device of an image whose worker was killed",
                             .removed = true});
    for (const auto& directory : request.directories) {
        std::error_code failed;
        for (const auto& entry : fs::directory_iterator(directory, failed))
            look_at_file(context, request, entry, found);
        if (failed)
            return fail_errno(fmt::format("looking into {}", directory), failed.value());
    }
    SLIPWAY_TRY(auto roots, clean_rootfs(context, request));
    found.insert(found.end(), roots.begin(), roots.end());
    return found;
}

Json to_json(const std::vector<Leftover>& found) {
    auto list = Json::array();
    for (const auto& leftover : found)
        list.push_back(
            {{"what", leftover.what}, {"why", leftover.why}, {"removed", leftover.removed}});
    return {{"leftovers", list}};
}

} // namespace slipway::ops
