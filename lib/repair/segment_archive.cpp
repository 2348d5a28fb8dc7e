// SPDX-License-Identifier: Apache-2.0
#include "repair/segment_archive.hpp"

#include <algorithm>
#include <set>

#include <sys/stat.h>

#include <fmt/format.h>

#include "archive/cpio_writer.hpp"
#include "base/strings.hpp"

namespace slipway::repair {
namespace {

/// Collects the members in the order in which the kernel is to unpack them.
class SegmentBuilder {
public:
    explicit SegmentBuilder(const SegmentSurvey& survey) : survey_(survey) {}

    void add_file(const std::string& path, std::string content) {
        add_parents(path);
        // The kernel truncates a file that is there, and so empties its other names as well. A link
        // of the same name makes it take the file away first (clean_path in init/initramfs.c).
        if (survey_.hard_linked.contains(path))
            entries_.push_back({path, S_IFLNK | 0777, "replaced"});
        entries_.push_back({path, S_IFREG | 0644, std::move(content)});
    }
    [[nodiscard]] const std::vector<archive::CpioEntry>& entries() const { return entries_; }

private:
    // Only directories that are not there, and none above the modules: one named like a link (lib)
    // would replace the link.
    void add_parents(const std::string& path) {
        for (auto slash = path.find('/'); slash != std::string::npos;
             slash = path.find('/', slash + 1)) {
            auto parent = path.substr(0, slash);
            bool may_be_absent = parent.starts_with(survey_.contents.modules_root + "/") ||
                                 parent.starts_with("etc/");
            if (may_be_absent && !survey_.directories.contains(parent) &&
                added_.insert(parent).second)
                entries_.push_back({parent, S_IFDIR | 0755, ""});
        }
    }

    const SegmentSurvey& survey_;
    std::set<std::string> added_;
    std::vector<archive::CpioEntry> entries_;
};

std::string old_text(const SegmentSurvey& survey, const char* path) {
    auto found = survey.config.find(path);
    auto text = found == survey.config.end() ? std::string{} : found->second;
    if (!text.empty() && text.back() != '\n')
        text += '\n';
    return text;
}

std::string with_lines(std::string text, const std::vector<std::string>& wanted) {
    auto before = text;
    auto lines = split_lines(before);
    for (const auto& line : wanted)
        if (std::find(lines.begin(), lines.end(), line) == lines.end())
            text += line + "\n";
    return text;
}

// Every generator's start scripts also load by modalias, through udev or a scan of their own; this
// is what they do with modules that the administrator asked for.
void add_modules_to_load(SegmentBuilder& builder, const SegmentSurvey& survey,
                         const std::vector<std::string>& names) {
    switch (survey.style) {
    case guest::InitramfsStyle::InitramfsTools:
        builder.add_file("conf/modules", with_lines(old_text(survey, "conf/modules"), names));
        break;
    case guest::InitramfsStyle::Dracut: {
        std::string arguments;
        for (const auto& name : names)
            arguments += fmt::format("rd.driver.pre={}\n", name);
        builder.add_file("etc/cmdline.d/90-slipway-virtio.conf", arguments);
        break;
    }
    case guest::InitramfsStyle::Mkinitcpio:
        builder.add_file("config", fmt::format("{}MODULES=\"${{MODULES}} {}\"\n",
                                               old_text(survey, "config"), join(names, " ")));
        break;
    case guest::InitramfsStyle::Unknown:
        break;
    }
}

} // namespace

Result<std::string> build_segment(const SegmentParts& parts, const SegmentSurvey& survey,
                                  const SegmentStage& stage) {
    auto top = fmt::format("{}/{}", survey.contents.modules_root, parts.kernel);
    SegmentBuilder builder(survey);
    for (const auto& path : parts.modules) {
        SLIPWAY_TRY(auto module, stage.read(path));
        builder.add_file(fmt::format("{}/{}", top, path), std::move(module));
    }
    for (const auto& [name, content] : parts.index)
        builder.add_file(fmt::format("{}/{}", top, name), content);
    if (!parts.to_load.empty())
        add_modules_to_load(builder, survey, parts.to_load);
    for (const auto& [path, content] : parts.files)
        builder.add_file(path, content);
    return archive::write_cpio(builder.entries());
}

// A plain archive needs no decompressor, but must begin at a multiple of 4. The kernel's lz4 reader
// takes whatever follows for the size of its next chunk, and goes on only at its own magic number.
Result<EncodedSegment> encode_segment(std::string cpio, const archive::InitramfsLayout& layout) {
    using archive::Compression;
    if (!layout.segments.empty() && layout.padding == 0 &&
        layout.segments.back().compression == Compression::Lz4Legacy) {
        SLIPWAY_TRY(auto packed, archive::pack_lz4_legacy(cpio));
        return EncodedSegment{Compression::Lz4Legacy, std::move(packed)};
    }
    std::string padding((4 - layout.size % 4) % 4, '\0');
    return EncodedSegment{Compression::None, std::move(padding) + std::move(cpio)};
}

} // namespace slipway::repair
