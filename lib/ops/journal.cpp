// SPDX-License-Identifier: Apache-2.0
#include "ops/journal.hpp"

#include <charconv>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/journal_group.hpp"

namespace slipway::ops {
namespace {

constexpr std::string_view mark_start = "slipway-overlay-of-inode-", group_start = "-group-",
                           list_start = "-of-";
constexpr std::size_t longest_mark = 1000; // the header of a qcow2 has room for 1023
constexpr auto doing = "finishing a change that was interrupted";

// QEMU takes what is before a colon for a protocol.
std::string encoded(std::string_view text) {
    std::string result;
    for (char c : text)
        if (c > ' ' && c < 0x7f && c != '%' && c != ':')
            result += c;
        else
            result += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    return result;
}

std::string decoded(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        unsigned byte = 0;
        const char* digits = text.data() + 1;
        if (text.front() == '%' && text.size() >= 3 &&
            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
            result += static_cast<char>(byte);
            text.remove_prefix(3);
        } else {
            result += text.front();
            text.remove_prefix(1);
        }
    }
    return result;
}

bool has_a_name(sys::BorrowedFd file) {
    struct stat info {};
    return ::fstat(file.raw(), &info) == 0 && info.st_nlink > 0;
}

std::string inode_of(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? fmt::format("{}", info.st_ino) : "unknown";
}

// The list is there before the first journal of its group, and goes after the last one.
Status finish_with_its_group(const Context& context, const FoundJournal& found,
                             const std::string& image) {
    const auto& list = found.mark.group->list;
    SLIPWAY_CHECK(finish_group(context, list));
    if (!has_a_name(found.file))
        return {};
    return fail(
        Code::Corrupt,
        fmt::format("{} belongs to a change of several images, and {}, which names them, is not "
                    "there",
                    journal_path(image), list),
        "put that back, with its image and journal; if they are lost or were replaced on "
        "purpose, remove the journal: without it the image is as before, unless it was already "
        "being changed");
}

} // namespace

std::string file_behind(const std::string& image) {
    std::error_code failed;
    if (!std::filesystem::is_symlink(image, failed))
        return image;
    auto real = std::filesystem::canonical(image, failed);
    return failed ? image : real.string();
}

std::string journal_path(const std::string& image) {
    return file_behind(image) + ".slipway-journal";
}

std::string name_beside(std::string_view file, const std::string& other) {
    return encoded(dirname_of(file) == dirname_of(other) ? basename_of(other) : other);
}

std::string path_of_name(std::string_view file, std::string_view name) {
    auto other = decoded(name);
    if (other.starts_with('/'))
        return other;
    auto directory = dirname_of(file);
    return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", other);
}

std::string to_text(const JournalMark& mark, std::string_view image) {
    auto text = fmt::format("{}{}", mark_start, mark.inode);
    if (mark.group)
        text += fmt::format("{}{}{}{}", group_start, mark.group->id, list_start,
                            name_beside(image, mark.group->list));
    return text;
}

JournalMark parse_journal_mark(std::string_view text, std::string_view image) {
    if (!text.starts_with(mark_start))
        return {};
    text.remove_prefix(mark_start.size());
    auto group = text.find(group_start);
    JournalMark mark{.inode = std::string(text.substr(0, group))};
    if (group == std::string_view::npos)
        return mark;
    text.remove_prefix(group + group_start.size());
    auto list = text.find(list_start);
    if (list == std::string_view::npos)
        return {};
    mark.group = JournalGroup{std::string(text.substr(0, list)),
                              path_of_name(image, text.substr(list + list_start.size()))};
    return mark;
}

Result<image::OverlayMark> overlay_mark(const image::Source& source,
                                        const std::optional<JournalGroup>& group) {
    auto text = to_text({inode_of(source.path()), group}, full_path(source.path()));
    if (text.size() > longest_mark)
        return fail(Code::InvalidArgument,
                    fmt::format("the path {} is too long to change this image together with {}",
                                group->list, source.path()),
                    "use a shorter path");
    return image::OverlayMark{text, source.format()};
}

Result<std::optional<FoundJournal>> find_journal(const Context& context, const std::string& image) {
    auto path = journal_path(image);
    auto file = sys::open_file(path, O_RDONLY);
    // In a directory that we may not enter the image cannot be opened either, and says so.
    if (!file && ::access(path.c_str(), F_OK) != 0)
        return std::nullopt;
    if (!file)
        return fail(std::move(file.error()).in(doing));
    auto mark = image::read_overlay_mark(context.host, *file);
    if (!mark)
        return fail(std::move(mark.error()).in(path));
    return FoundJournal{std::move(*file), parse_journal_mark(mark->name, full_path(image)),
                        mark->format};
}

Result<std::optional<Journaled>> open_journaled(FoundJournal found, const std::string& image) {
    auto source = image::Source::open(image, {.access = image::Access::Write,
                                              .in_place = true,
                                              .format = found.format,
                                              .allow_backing = true});
    if (!source)
        return fail(std::move(source.error()).in(doing));
    if (!has_a_name(found.file))
        return std::nullopt;
    if (found.mark.inode != inode_of(image))
        return fail(Code::Corrupt,
                    fmt::format("{} belongs to another file than {}", journal_path(image), image),
                    "if the image was replaced on purpose, remove the journal");
    auto overlay = image::Overlay::adopt(std::move(found.file), source->next_fd());
    return Journaled{std::move(*source), std::move(overlay)};
}

Status copy_in(const Context& context, const image::Source& source, const image::Overlay& overlay) {
    auto copied = image::commit(context.host, overlay.graph_over(source.graph(true)));
    // qemu-img has flushed; its files may be several, and a crash of the host must not undo it.
    if (copied)
        copied = source.sync();
    if (copied)
        return {};
    auto error = std::move(copied).error();
    error.hint = fmt::format(
        "the changes are safe in {}: {}; the next slipway command on the image brings them in",
        journal_path(source.path()),
        error.code == Code::NoSpace ? "make room on its filesystem" : "keep it");
    return fail(std::move(error).in(source.path()));
}

Status remove_durably(const std::string& path) {
    if (::unlink(path.c_str()) != 0)
        return fail_errno(fmt::format("removing {}", path));
    SLIPWAY_TRY(auto directory,
                sys::open_file(std::string(dirname_of(path)), O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.raw()) != 0)
        return fail_errno(fmt::format("syncing the directory of {}", path));
    return {};
}

Status finish_interrupted_fix(const Context& context, const std::string& image) {
    SLIPWAY_CHECK(finish_group(context, group_path(image)));
    SLIPWAY_TRY(auto found, find_journal(context, image));
    if (!found)
        return {};
    if (found->mark.group)
        return finish_with_its_group(context, *found, image);
    context.host.log.info("{}: {}", image, doing);
    SLIPWAY_TRY(auto journaled, open_journaled(std::move(*found), image));
    if (!journaled)
        return {};
    SLIPWAY_CHECK(copy_in(context, journaled->source, journaled->overlay));
    return remove_durably(journal_path(image));
}

Status commit_through_journal(const Context& context, OpenDisk& disk) {
    SLIPWAY_CHECK(disk.journal->publish());
    SLIPWAY_CHECK(copy_in(context, *disk.source, *disk.overlay));
    return remove_durably(journal_path(disk.source->path()));
}

} // namespace slipway::ops
