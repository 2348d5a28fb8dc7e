// SPDX-License-Identifier: Apache-2.0
// The records of test roots as JSON, and from what a root's manifest says.
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/rootfs_steps.hpp"

namespace slipway::ops {
namespace {

struct FormatName {
    RootFormat format;
    std::string_view name;
};
constexpr std::array format_names{
    FormatName{RootFormat::Directory, "dir"}, FormatName{RootFormat::Tar, "tar"},
    FormatName{RootFormat::Squashfs, "squashfs"}, FormatName{RootFormat::Erofs, "erofs"},
    FormatName{RootFormat::Qcow2, "qcow2"}};

Json map_to_json(const auto& map) {
    auto json = Json::object();
    for (const auto& [key, value] : map)
        json[key] = value;
    return json;
}

} // namespace

std::string_view name_of(RootFormat format) {
    for (const auto& row : format_names)
        if (row.format == format)
            return row.name;
    return "";
}

Result<RootFormat> parse_root_format(std::string_view text) {
    for (const auto& row : format_names)
        if (row.name == text)
            return row.format;
    return fail(Code::InvalidArgument, fmt::format("'{}' is no format of a root", printable(text)),
                "use dir, tar, squashfs, erofs or qcow2");
}

std::string release_of(const TestRoot& root) {
    auto release = root.release.empty() ? "unknown" : root.release;
    return root.suite.empty() ? release : fmt::format("{} ({})", root.suite, release);
}

std::string_view name_of(RootState state) {
    constexpr std::array names{"ready", "stale", "partial", "broken"};
    return names.at(static_cast<std::size_t>(state));
}

Json to_json(const TestRoot& root) {
    auto users = Json::array();
    for (const auto& user : root.users)
        users.push_back(
            {{"name", user.name}, {"uid", user.uid}, {"gid", user.gid}, {"groups", user.groups}});
    return {{"name", root.name},
            {"path", root.path},
            {"profile", root.profile},
            {"distribution", root.distribution},
            {"suite", root.suite},
            {"release", root.release},
            {"architecture", root.architecture},
            {"snapshot", root.snapshot},
            {"created", root.created},
            {"recipe", root.recipe},
            {"added_packages", root.added_packages},
            {"size", root.size != 0 ? Json(root.size) : Json()},
            {"users", users},
            {"packages", map_to_json(root.packages)}};
}

Json to_json(const CreateRootfsResult& result) {
    return {{"root", to_json(result.root)},           {"format", name_of(result.format)},
            {"base_built", result.base_built},        {"layer_built", result.layer_built},
            {"timings", map_to_json(result.timings)}, {"notes", result.notes}};
}

Json to_json(const CheckRootfsResult& result) {
    return {{"state", name_of(result.state)},
            {"root", to_json(result.root)},
            {"problems", result.problems},
            {"remedy", result.remedy}};
}

Json to_json(const RootfsList& list) {
    auto roots = Json::array();
    for (const auto& root : list.roots)
        roots.push_back(to_json(root));
    return {{"directory", list.directory}, {"roots", roots}, {"broken", list.broken}};
}

Json to_json(const ExportRootfsResult& result) {
    return {{"file", result.file}, {"size", result.size}, {"sha256", result.sha256}};
}

} // namespace slipway::ops
