// SPDX-License-Identifier: Apache-2.0
#include "ops/cleanup.hpp"

#include <csignal>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/journal.hpp"
#include "storage/leftovers.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view temporary_mark = ".slipway-tmp.";
constexpr std::string_view journal_ending = ".slipway-journal";

// ".NAME.slipway-tmp.PID" of a process that has gone.
bool is_dead_temporary(std::string_view name) {
    auto at = name.rfind(temporary_mark);
    if (!name.starts_with('.') || at == std::string_view::npos)
        return false;
    auto pid = parse_number(name.substr(at + temporary_mark.size()));
    return pid && ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH;
}

void look_at_file(const Context& context, const CleanupRequest& request,
                  const fs::directory_entry& entry, std::vector<Leftover>& found) {
    auto name = entry.path().filename().string();
    if (is_dead_temporary(name)) {
        Leftover leftover{.what = entry.path().string(), .why = "an unfinished output"};
        std::error_code failed;
        leftover.removed = !request.dry_run && fs::remove(entry.path(), failed);
        found.push_back(std::move(leftover));
    } else if (name.size() > journal_ending.size() && name.ends_with(journal_ending)) {
        auto image = entry.path().string();
        image.resize(image.size() - journal_ending.size());
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
