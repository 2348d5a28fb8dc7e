// SPDX-License-Identifier: Apache-2.0
#include "ops/journal.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

Status sync_directory_of(const std::string& path) {
    SLIPWAY_TRY(auto directory,
                sys::open_file(std::string(dirname_of(path)), O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.raw()) != 0)
        return fail_errno(fmt::format("syncing the directory of {}", path));
    return {};
}

Status copy_and_remove(const Context& context, const image::Source& source,
                       const image::Overlay& overlay) {
    auto journal = journal_path(source.path());
    auto copied = image::commit(context.host, overlay.graph_over(source.graph(true)));
    // qemu-img has flushed; its files may be several, and a crash of the host must not undo it.
    if (copied)
        copied = source.sync();
    if (!copied) {
        auto error = std::move(copied).error();
        error.hint = fmt::format(
            "the changes are safe in {}: {}; the next slipway command on the image brings them in",
            journal, error.code == Code::NoSpace ? "make room on its filesystem" : "keep it");
        return fail(std::move(error).in(source.path()));
    }
    if (::unlink(journal.c_str()) != 0)
        return fail_errno(fmt::format("removing {}", journal));
    return sync_directory_of(journal);
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

image::OverlayMark overlay_mark(const image::Source& source) {
    struct stat info {};
    auto identity = ::stat(source.path().c_str(), &info) == 0 ? fmt::format("{}", info.st_ino)
                                                              : std::string("unknown");
    return {fmt::format("slipway-overlay-of-inode-{}", identity), source.format()};
}

Status finish_interrupted_fix(const Context& context, const std::string& image) {
    auto journal = sys::open_file(journal_path(image), O_RDONLY);
    // In a directory that we may not enter the image cannot be opened either, and says so.
    if (!journal && ::access(journal_path(image).c_str(), F_OK) != 0)
        return {};
    if (!journal)
        return fail(std::move(journal.error()).in("finishing a repair that was interrupted"));
    context.host.log.info("{}: finishing a repair that was interrupted", image);
    SLIPWAY_TRY(auto mark, image::read_overlay_mark(context.host, *journal));
    auto source = image::Source::open(image, {.access = image::Access::Write,
                                              .in_place = true,
                                              .format = mark.format,
                                              .allow_backing = true});
    if (!source)
        return fail(std::move(source.error()).in("finishing a repair that was interrupted"));
    // Another process may have finished it between our look and our lock.
    struct stat info {};
    if (::fstat(journal->raw(), &info) != 0 || info.st_nlink == 0)
        return {};
    if (mark.name != overlay_mark(*source).name)
        return fail(Code::Corrupt,
                    fmt::format("{} belongs to another file than {}", journal_path(image), image),
                    "if the image was replaced on purpose, remove the journal");
    auto overlay = image::Overlay::adopt(std::move(*journal), source->next_fd());
    return copy_and_remove(context, *source, overlay);
}

Status commit_through_journal(const Context& context, OpenImage& opened, sys::OutputFile journal) {
    SLIPWAY_CHECK(journal.publish());
    return copy_and_remove(context, *opened.source, *opened.overlay);
}

} // namespace slipway::ops
