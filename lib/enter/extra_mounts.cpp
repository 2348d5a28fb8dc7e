// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <filesystem>

#include <sys/mount.h>

#include <fmt/format.h>

#include "enter/root_state.hpp"

namespace slipway::enter {
namespace {

constexpr auto resolv_path = "/etc/resolv.conf";
constexpr std::array pseudo{"/proc", "/sys", "/run"};

bool is_at_or_below(std::string_view path, std::string_view top) {
    return path.substr(0, top.size()) == top &&
           (path.size() == top.size() || path[top.size()] == '/');
}

// Where a link leads by its text alone: its target is not there, as /run is not filled in a guest
// that does not run.
std::string target_of_link(const std::string& text) {
    auto path = (std::filesystem::path("/etc") / text).lexically_normal().string();
    constexpr std::string_view old_run = "/var/run/";
    return path.starts_with(old_run) ? "/run/" + path.substr(old_run.size()) : path;
}

} // namespace

Script plan_resolv_conf(const sys::RootDir& root, const std::string& content) {
    sys::GuestPath path(resolv_path);
    auto info = root.stat(path, false);
    if (!info)
        return {};
    auto real = root.real_path(path);
    auto is_hidden = [&](const char* top) { return is_at_or_below(real->str(), top); };
    bool hidden =
        !real || std::any_of(pseudo.begin(), pseudo.end(), is_hidden) || is_hidden("/dev");
    if (!hidden)
        return {{.kind = StepKind::Bind, .target = resolv_path, .source = stage_resolv_conf}};
    auto link = root.read_link(path);
    auto target = link ? target_of_link(*link) : std::string();
    if (!target.starts_with("/run/"))
        return {};
    Script script;
    for (auto slash = target.find('/', 5); slash != std::string::npos;
         slash = target.find('/', slash + 1))
        script.push_back(
            {.kind = StepKind::Directory, .target = target.substr(0, slash), .mode = 0755});
    script.push_back({.kind = StepKind::File, .target = target, .source = content, .mode = 0644});
    return script;
}

Script plan_covers(const std::string& directory, const std::vector<std::string>& mounts) {
    auto top = directory == "/" ? std::string() : directory;
    Script script;
    for (const auto* path : pseudo)
        if (std::any_of(mounts.begin(), mounts.end(),
                        [&](const auto& mount) { return is_at_or_below(mount, top + path); }))
            script.push_back({.kind = StepKind::Mount,
                              .target = path,
                              .source = "tmpfs",
                              .options = "mode=0755,size=4k",
                              .flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC});
    return script;
}

} // namespace slipway::enter
