// SPDX-License-Identifier: Apache-2.0
#include "repair/segment_survey.hpp"

#include <sys/stat.h>

#include <fmt/format.h>

#include "archive/compression.hpp"
#include "base/strings.hpp"
#include "guest/module_tree.hpp"

namespace slipway::repair {
namespace {

constexpr std::size_t max_module = 64 << 20;
constexpr std::size_t max_remembered_paths = 20'000;
constexpr std::size_t max_remembered_size = 1024; // nothing of ours has a longer path

bool may_be_written(std::string_view path) {
    return path.size() <= max_remembered_size &&
           (path.starts_with("usr/lib/modules/") || path.starts_with("lib/modules/") ||
            path.starts_with("etc/") || path.starts_with("conf/") || path == "config");
}

class Surveyor {
public:
    Surveyor(const std::string& kernel, const GuestModules& modules, SegmentStage& stage)
        : collector_(kernel), modules_(modules), stage_(stage) {}

    Status visit(const archive::InitramfsEntry& entry, archive::EntryContent& content) {
        SLIPWAY_CHECK(remember(entry));
        auto below = collector_.path_below_version(entry.path);
        if (guest::module_name_of(below).empty())
            return collector_.visit(entry, content);
        if (S_ISREG(entry.mode) && entry.size > 0) {
            SLIPWAY_TRY(auto packed, content.read(max_module));
            SLIPWAY_TRY(auto module, archive::unpack(packed, max_module));
            SLIPWAY_CHECK(stage(below, module));
        } else if (S_ISREG(entry.mode) || S_ISLNK(entry.mode))
            elsewhere_.emplace_back(below);
        return collector_.visit(entry, content);
    }

    Result<SegmentSurvey> finish(archive::InitramfsLayout layout) {
        // Links (weak-updates of Red Hat) and further names of one file have their content at
        // another place of the archive, perhaps of another kernel: take the guest's own file.
        for (const auto& below : elsewhere_)
            if (!stage_.has(without_gzip(below))) {
                SLIPWAY_TRY(auto path, sys::GuestPath::parse(
                                           fmt::format("{}/{}", modules_.directory.str(), below)));
                if (auto module = read_module(modules_.root, path); module)
                    SLIPWAY_CHECK(stage(below, *module));
            }
        for (const auto& [name, text] : collector_.files())
            if (name.starts_with("modules.") && name != "modules.dep")
                SLIPWAY_CHECK(stage_.add(name, text));
        survey_.layout = std::move(layout);
        survey_.contents = collector_.finish();
        survey_.style = collector_.style();
        for (const auto* path : {"conf/modules", "config"})
            if (auto found = collector_.files().find(path); found != collector_.files().end())
                survey_.config.insert(*found);
        return std::move(survey_);
    }

private:
    static std::string without_gzip(std::string_view path) {
        return path.ends_with(".gz") ? without_compression(path) : std::string(path);
    }

    // Plain ELF under any of depmod's suffixes: it looks at the content for the compression.
    Status stage(std::string_view below, std::string_view module) {
        if (below.ends_with(".gz"))
            survey_.renamed.push_back(without_gzip(below));
        return stage_.add(without_gzip(below), module);
    }

    Status remember(const archive::InitramfsEntry& entry) {
        if (!may_be_written(entry.path))
            return {};
        if (S_ISDIR(entry.mode))
            survey_.directories.insert(entry.path);
        else if (S_ISREG(entry.mode) && entry.links > 1)
            survey_.hard_linked.insert(entry.path);
        if (survey_.directories.size() + survey_.hard_linked.size() > max_remembered_paths)
            return fail(Code::Unsupported, "it has too many directories and hard links");
        return {};
    }

    guest::ContentsCollector collector_;
    const GuestModules& modules_;
    SegmentStage& stage_;
    SegmentSurvey survey_;
    std::vector<std::string> elsewhere_;
};

} // namespace

std::string without_compression(std::string_view path) {
    auto slash = path.rfind('/');
    auto suffix = path.find(".ko", slash == std::string_view::npos ? 0 : slash);
    return std::string(suffix == std::string_view::npos ? path : path.substr(0, suffix + 3));
}

Result<std::string> read_module(const sys::RootDir& root, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto packed, root.read(path, max_module));
    auto module = archive::unpack(packed, max_module);
    if (!module)
        return fail(
            std::move(module).error().in(fmt::format("unpacking {} of the guest", path.str())));
    return module;
}

Result<SegmentSurvey> survey_initramfs(sys::BorrowedFd file, const std::string& kernel,
                                       const GuestModules& modules, SegmentStage& stage) {
    Surveyor surveyor(kernel, modules, stage);
    auto visitor = [&](const archive::InitramfsEntry& entry, archive::EntryContent& content) {
        return surveyor.visit(entry, content);
    };
    SLIPWAY_TRY(auto layout, archive::read_initramfs(file, visitor));
    return surveyor.finish(std::move(layout));
}

} // namespace slipway::repair
