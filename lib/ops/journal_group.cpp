// SPDX-License-Identifier: Apache-2.0
#include "ops/journal_group.hpp"

#include <filesystem>

#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

constexpr std::string_view list_ending = ".slipway-group", first_word = "slipway-group";

std::string first_image(std::string_view list) {
    return std::string(list.substr(0, list.size() - list_ending.size()));
}

std::vector<std::string> all_images(const std::string& path, const GroupList& list) {
    std::vector<std::string> images{first_image(path)};
    images.insert(images.end(), list.others.begin(), list.others.end());
    return images;
}

// The lock ends with the process.
Status hold(sys::BorrowedFd list, const std::string& path) {
    if (::flock(list.raw(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return {}; // as for images, a filesystem without locks is no error
    return fail(
        Code::Busy,
        fmt::format("{}: another slipway is changing several images together", first_image(path)),
        "try again when it has ended");
}

Error missing(const std::string& what, const std::string& list) {
    return {.code = Code::NotFound,
            .what = fmt::format("{} is not there, and a change of several images together, which "
                                "was interrupted, is not finished without it",
                                what),
            .hint = fmt::format("put it back; if an image is lost, take its line out of {}, and "
                                "the next command finishes the change of the others",
                                list)};
}

// None must be forgotten because its filesystem is not mounted. Where a link has taken its place,
// its journal is elsewhere.
Status check_present(const std::string& path, const GroupList& list) {
    for (const auto& image : all_images(path, list)) {
        struct stat info {};
        if (::lstat(image.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
            return fail(missing(image, path));
    }
    return {};
}

bool is_of(const std::optional<FoundJournal>& found, const GroupList& list) {
    return found && found->mark.group && found->mark.group->id == list.id;
}

// Nothing is copied before all are locked. The order is the same for everybody, and nobody waits.
Status copy_all_in(const Context& context, const std::string& path, const GroupList& list) {
    std::vector<Journaled> all;
    for (const auto& image : all_images(path, list)) {
        SLIPWAY_TRY(auto found, find_journal(context, image));
        if (!is_of(found, list))
            return fail(missing(journal_path(image), path));
        SLIPWAY_TRY(auto journaled, open_journaled(std::move(*found), image));
        if (!journaled)
            return fail(missing(journal_path(image), path));
        all.push_back(std::move(*journaled));
    }
    for (const auto& one : all)
        SLIPWAY_CHECK(copy_in(context, one.source, one.overlay));
    return {};
}

// Where the first image has no journal: nothing of the others' is needed.
Status dissolve(const Context& context, const std::string& path, const GroupList& list) {
    for (const auto& image : list.others) {
        SLIPWAY_TRY(auto found, find_journal(context, image));
        if (is_of(found, list))
            SLIPWAY_CHECK(remove_durably(journal_path(image)));
    }
    return remove_durably(path);
}

std::vector<OpenDisk*> kept_of(OpenImage& opened) {
    std::vector<OpenDisk*> kept;
    for (auto& disk : opened.disks)
        if (disk.use == Use::Keep)
            kept.push_back(&disk);
    return kept;
}

Status publish_journal(OpenDisk& disk) {
    auto published = disk.journal->publish();
    if (!published)
        return fail(std::move(published).error().in(disk.source->path()));
    return published;
}

// The last one is the commit.
Status publish_journals(const std::vector<OpenDisk*>& kept) {
    for (std::size_t i = 1; i < kept.size(); ++i)
        SLIPWAY_CHECK(publish_journal(*kept[i]));
    return publish_journal(*kept.front());
}

Result<sys::OutputFile> publish_list(const std::string& path, const GroupList& list) {
    SLIPWAY_TRY(auto file, sys::OutputFile::create(path, {.mode = 0600}));
    SLIPWAY_CHECK(hold(file.fd(), path));
    SLIPWAY_CHECK(sys::write_all(file.fd(), to_text(list, path)));
    SLIPWAY_CHECK(file.publish());
    return file;
}

} // namespace

std::string full_path(const std::string& image) {
    std::error_code failed;
    auto real = std::filesystem::weakly_canonical(std::filesystem::absolute(image, failed), failed);
    return failed ? image : real.string();
}

std::string group_path(const std::string& image) {
    return full_path(image) + std::string(list_ending);
}

std::string to_text(const GroupList& list, std::string_view path) {
    auto text = fmt::format("{} {}\n", first_word, list.id);
    for (const auto& image : list.others)
        text += name_beside(path, image) + "\n";
    return text;
}

Result<GroupList> parse_group_list(std::string_view text, std::string_view path) {
    auto lines = split_lines(text);
    auto words = lines.empty() ? std::vector<std::string_view>{} : split_words(lines.front());
    if (words.size() != 2 || words.front() != first_word)
        return fail(Code::Corrupt, fmt::format("{} is no list of images", path),
                    "it belongs to a change that was interrupted; put back what was there");
    GroupList list{.id = std::string(words.back())};
    for (std::size_t i = 1; i < lines.size(); ++i)
        if (auto name = trim(lines[i]); !name.empty())
            list.others.push_back(path_of_name(path, name));
    return list;
}

std::optional<JournalGroup> group_of(const OpenImage& opened) {
    const OpenDisk* first = nullptr;
    unsigned kept = 0;
    for (const auto& disk : opened.disks)
        if (disk.use == Use::Keep && kept++ == 0)
            first = &disk;
    if (kept < 2)
        return std::nullopt;
    unsigned char bytes[8] = {};
    (void)::getrandom(bytes, sizeof bytes, 0);
    return JournalGroup{to_hex(bytes, sizeof bytes), group_path(first->source->path())};
}

Status commit_group(const Context& context, OpenImage& opened) {
    const auto& group = *opened.group;
    auto kept = kept_of(opened);
    GroupList list{.id = group.id};
    for (std::size_t i = 1; i < kept.size(); ++i)
        list.others.push_back(full_path(kept[i]->source->path()));
    SLIPWAY_TRY(auto held, publish_list(group.list, list));
    auto first_journal = journal_path(kept.front()->source->path());
    if (auto published = publish_journals(kept); !published) {
        if (::access(first_journal.c_str(), F_OK) != 0)
            (void)dissolve(context, group.list, list); // or the next command does it
        return published;
    }
    for (const auto* disk : kept)
        SLIPWAY_CHECK(copy_in(context, *disk->source, *disk->overlay));
    SLIPWAY_CHECK(remove_durably(first_journal));
    return dissolve(context, group.list, list);
}

Status finish_group(const Context& context, const std::string& list) {
    auto file = sys::open_file(list, O_RDWR);
    if (!file && ::access(list.c_str(), F_OK) != 0)
        return {};
    if (!file)
        return fail(std::move(file.error())
                        .in("finishing a change of several images that was interrupted"));
    SLIPWAY_CHECK(hold(*file, list));
    struct stat info {};
    if (::fstat(file->raw(), &info) != 0 || info.st_nlink == 0)
        return {}; // another process was faster
    context.host.log.info("{}: finishing a change of several images that was interrupted",
                          first_image(list));
    SLIPWAY_TRY(auto text, sys::read_file(sys::proc_path(file->raw())));
    SLIPWAY_TRY(auto parsed, parse_group_list(text, list));
    SLIPWAY_CHECK(check_present(list, parsed));
    auto first_journal = journal_path(first_image(list));
    if (::access(first_journal.c_str(), F_OK) == 0) {
        SLIPWAY_CHECK(copy_all_in(context, list, parsed));
        SLIPWAY_CHECK(remove_durably(first_journal));
    }
    return dissolve(context, list, parsed);
}

} // namespace slipway::ops
