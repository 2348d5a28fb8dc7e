// SPDX-License-Identifier: Apache-2.0
#include "archive/initramfs_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::archive {
namespace {

// Of a plain archive from the start of the file (init/initramfs.c).
constexpr unsigned alignment = 4;
// With its name or link, for which the kernel takes 4 KiB.
constexpr std::uint64_t max_header = 64 << 10;

/// A plain archive: the file's own bytes, whose contents need not be read to be passed over.
class PlainStream final : public BlockStream {
public:
    PlainStream(ByteCursor& cursor, std::uint64_t file_size)
        : cursor_(cursor), file_size_(file_size) {}
    Result<Bytes> next() override {
        SLIPWAY_TRY(auto block, cursor_.peek());
        cursor_.advance(block.size());
        return block;
    }
    std::uint64_t skip(std::uint64_t count) override {
        count = std::min(count, file_size_ - std::min(file_size_, cursor_.position()));
        cursor_.seek(cursor_.position() + count);
        return count;
    }

private:
    ByteCursor& cursor_;
    std::uint64_t file_size_;
};

/// What libarchive reads from: a stream, of which it takes more than one archive.
struct Feed {
    BlockStream& stream;
    const InitramfsLimits& limits;
    std::uint64_t& unpacked; ///< bytes of the whole initramfs so far
    Bytes block{};           ///< the last block that was given
    Bytes pending{};         ///< its end, when that is to be given again
    std::uint64_t given = 0; ///< bytes, since the archive began
    std::optional<Error> error{};

    Result<Bytes> next() {
        if (!pending.empty())
            return std::exchange(pending, {});
        SLIPWAY_TRY(block, stream.next());
        unpacked += block.size();
        if (unpacked > limits.unpacked_size)
            return fail(Code::Unsupported,
                        fmt::format("it unpacks to more than {} bytes", limits.unpacked_size));
        return block;
    }
};

la_ssize_t read_from_feed(struct ::archive* reader, void* context, const void** buffer) {
    auto& feed = *static_cast<Feed*>(context);
    // libarchive 3.6 gathers as much as a header claims for its name, up to 4 GiB.
    auto gathered = feed.given - static_cast<std::uint64_t>(::archive_filter_bytes(reader, 0));
    auto block = gathered > max_header ? fail(Code::Unsupported, "a name or link in it is too long")
                                       : feed.next();
    if (!block) {
        ::archive_set_error(reader, EIO, "%s", block.error().what.c_str());
        feed.error = std::move(block).error();
        return -1;
    }
    *buffer = block->data();
    feed.given += block->size();
    return static_cast<la_ssize_t>(block->size());
}

la_int64_t skip_in_feed(struct ::archive*, void* context, la_int64_t count) {
    auto& feed = *static_cast<Feed*>(context);
    auto skipped = feed.stream.skip(static_cast<std::uint64_t>(std::max<la_int64_t>(count, 0)));
    feed.given += skipped;
    feed.unpacked += skipped;
    return static_cast<la_int64_t>(skipped);
}

class LibarchiveContent final : public EntryContent {
public:
    LibarchiveContent(struct ::archive* reader, std::uint64_t size)
        : reader_(reader), size_(size) {}
    Result<std::string> read(std::size_t limit) override {
        if (size_ > limit)
            return fail(Code::Unsupported,
                        fmt::format("a file of {} bytes is over the limit of {}", size_, limit));
        std::string content(static_cast<std::size_t>(size_), '\0');
        std::size_t filled = 0;
        while (filled < content.size()) {
            auto got =
                ::archive_read_data(reader_, content.data() + filled, content.size() - filled);
            if (got <= 0)
                return fail(Code::Corrupt, "the archive ends in the middle of a file");
            filled += static_cast<std::size_t>(got);
        }
        return content;
    }

private:
    struct ::archive* reader_;
    std::uint64_t size_;
};

class InitramfsReader {
public:
    InitramfsReader(sys::BorrowedFd file, const InitramfsVisitor& visitor,
                    const InitramfsLimits& limits)
        : cursor_(file), visitor_(visitor), limits_(limits) {}

    Result<InitramfsLayout> run() {
        SLIPWAY_TRY(layout_.size, cursor_.size());
        while (true) {
            SLIPWAY_CHECK(skip_padding());
            SLIPWAY_TRY(auto head, cursor_.peek(6));
            if (head.empty())
                return std::move(layout_);
            if (auto done = read_segment(head); !done)
                return fail(std::move(done).error().in(
                    fmt::format("reading the segment at byte {}", layout_.segments.back().offset)));
        }
    }

private:
    Status skip_padding();
    Status read_segment(Bytes head);
    Status read_plain(InitramfsSegment& segment);
    Status read_packed(InitramfsSegment& segment);
    Status read_archive(Feed& feed, InitramfsSegment& segment);
    Status visit(struct ::archive* reader, struct ::archive_entry* entry);
    Status count_entry(InitramfsSegment& segment);

    ByteCursor cursor_;
    const InitramfsVisitor& visitor_;
    const InitramfsLimits& limits_;
    InitramfsLayout layout_;
    std::uint64_t unpacked_ = 0;
    std::uint64_t entries_ = 0;
};

Status InitramfsReader::skip_padding() {
    auto start = cursor_.position();
    while (true) {
        SLIPWAY_TRY(auto block, cursor_.peek());
        auto data =
            std::find_if(block.begin(), block.end(), [](unsigned char byte) { return byte != 0; });
        cursor_.advance(static_cast<std::size_t>(data - block.begin()));
        if (data != block.end() || block.empty())
            break;
    }
    layout_.padding = cursor_.position() - start;
    return {};
}

bool is_newc(Bytes head) {
    std::string_view text(reinterpret_cast<const char*>(head.data()),
                          std::min<std::size_t>(head.size(), 6));
    return text == "070701" || text == "070702";
}

Status InitramfsReader::read_segment(Bytes head) {
    auto& segment = layout_.segments.emplace_back();
    segment.offset = cursor_.position();
    segment.compression = identify_compression(head);
    if (is_newc(head) && segment.offset % alignment == 0)
        return read_plain(segment);
    if (head[0] == 'M' && head.size() > 1 && head[1] == 'Z' && segment.offset == 0)
        return fail(Code::Unsupported, "this is a unified kernel image (UKI) and not an initramfs");
    if (segment.compression == Compression::None)
        return fail(Code::Corrupt, "neither a cpio archive nor a known compression begins here");
    return read_packed(segment);
}

Status InitramfsReader::read_plain(InitramfsSegment& segment) {
    PlainStream stream(cursor_, layout_.size);
    Feed feed{.stream = stream, .limits = limits_, .unpacked = unpacked_};
    SLIPWAY_CHECK(read_archive(feed, segment));
    cursor_.seek(cursor_.position() - feed.pending.size());
    unpacked_ -= feed.pending.size();
    segment.size = segment.unpacked_size = cursor_.position() - segment.offset;
    return {};
}

Status InitramfsReader::read_packed(InitramfsSegment& segment) {
    SLIPWAY_TRY(auto stream, open_decoder(segment.compression, cursor_));
    auto before = unpacked_;
    Feed feed{.stream = *stream, .limits = limits_, .unpacked = unpacked_};
    while (true) {
        SLIPWAY_TRY(auto block, feed.next());
        if (block.empty())
            break;
        auto data =
            std::find_if(block.begin(), block.end(), [](unsigned char byte) { return byte != 0; });
        feed.pending = block.subspan(static_cast<std::size_t>(data - block.begin()));
        if (feed.pending.empty())
            continue;
        if (feed.pending.front() != '0')
            return fail(Code::Corrupt, "what was unpacked is no cpio archive");
        SLIPWAY_CHECK(read_archive(feed, segment));
    }
    segment.size = cursor_.position() - segment.offset;
    segment.unpacked_size = unpacked_ - before;
    return {};
}

Status InitramfsReader::count_entry(InitramfsSegment& segment) {
    ++segment.entries;
    if (++entries_ > limits_.entries)
        return fail(Code::Unsupported, fmt::format("it has more than {} members", limits_.entries));
    return {};
}

// One cpio archive up to its trailer; libarchive stops there, and what it had read beyond becomes
// pending again. It takes only as much as it is about to consume, so that this lies in one block.
Status InitramfsReader::read_archive(Feed& feed, InitramfsSegment& segment) {
    feed.given = 0;
    std::unique_ptr<struct ::archive, int (*)(struct ::archive*)> reader(::archive_read_new(),
                                                                         ::archive_read_free);
    auto failed = [&]() -> Status {
        if (feed.error)
            return fail(std::move(*feed.error));
        const auto* text = ::archive_error_string(reader.get());
        return fail(Code::Corrupt,
                    printable(text != nullptr ? text : "the cpio archive is damaged"));
    };
    ::archive_read_support_format_cpio(reader.get());
    ::archive_read_set_callback_data(reader.get(), &feed);
    ::archive_read_set_read_callback(reader.get(), read_from_feed);
    ::archive_read_set_skip_callback(reader.get(), skip_in_feed);
    if (::archive_read_open1(reader.get()) != ARCHIVE_OK)
        return failed();
    while (true) {
        SLIPWAY_CHECK(count_entry(segment));
        struct ::archive_entry* entry = nullptr;
        auto result = ::archive_read_next_header(reader.get(), &entry);
        if (result == ARCHIVE_EOF)
            break;
        // ARCHIVE_WARN: it had to search for the next header, where the kernel gives up.
        if (result != ARCHIVE_OK)
            return failed();
        auto visited = visit(reader.get(), entry);
        if (feed.error) // the cause, where the visitor only saw that a file has no end
            return failed();
        SLIPWAY_CHECK(std::move(visited));
    }
    auto unread = feed.given - static_cast<std::uint64_t>(::archive_filter_bytes(reader.get(), 0));
    if (unread > feed.block.size())
        return fail(Code::Corrupt, "the cpio archive has no proper end");
    feed.pending = feed.block.last(static_cast<std::size_t>(unread));
    return {};
}

Status InitramfsReader::visit(struct ::archive* reader, struct ::archive_entry* entry) {
    const auto* name = ::archive_entry_pathname(entry);
    std::string_view path(name != nullptr ? name : "");
    if (path.size() > limits_.path_size)
        return fail(Code::Unsupported,
                    fmt::format("a name is longer than {} bytes", limits_.path_size));
    while (path.substr(0, 1) == "/" || path.substr(0, 2) == "./")
        path.remove_prefix(path.front() == '/' ? 1 : 2);
    const auto* target = ::archive_entry_symlink(entry);
    InitramfsEntry record{
        .path = std::string(path),
        .mode = ::archive_entry_mode(entry),
        .size = static_cast<std::uint64_t>(std::max<la_int64_t>(::archive_entry_size(entry), 0)),
        .links = ::archive_entry_nlink(entry),
        .link_target = target != nullptr ? target : ""};
    LibarchiveContent content(reader, record.size);
    return visitor_(record, content);
}

} // namespace

Result<InitramfsLayout> read_initramfs(sys::BorrowedFd file, const InitramfsVisitor& visitor,
                                       const InitramfsLimits& limits) {
    return InitramfsReader(file, visitor, limits).run();
}

} // namespace slipway::archive
