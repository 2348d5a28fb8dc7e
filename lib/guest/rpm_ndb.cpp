// SPDX-License-Identifier: Apache-2.0
// rpm's own database "ndb". The file begins with pages of slots (after a header as large as two),
// each of which says where a header stands, in blocks of 16 bytes. Little-endian.
#include <algorithm>

#include <sys/stat.h>

#include "guest/rpm_database.hpp"
#include "image/byte_order.hpp"

namespace slipway::guest {
namespace {

using image::little_endian;

constexpr std::size_t block_size = 16, slot_size = 16, page_size = 4096;
constexpr std::size_t header_size = 32, blob_head_size = 16;

auto corrupt() {
    return fail(Code::Corrupt, "ndb: the database contradicts itself");
}

Result<std::string> read_at(sys::BorrowedFd file, std::uint64_t offset, std::size_t count) {
    std::string bytes(count, '\0');
    SLIPWAY_CHECK(sys::read_exactly_at(file, std::as_writable_bytes(std::span(bytes)), offset));
    return bytes;
}

class FileBlob final : public HeaderBlob {
public:
    FileBlob(sys::BorrowedFd file, std::uint64_t start, std::size_t size)
        : file_(file), start_(start), size_(size) {}
    [[nodiscard]] std::size_t size() const override { return size_; }
    [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t count) override {
        return read_at(file_, start_ + offset, count);
    }

private:
    sys::BorrowedFd file_;
    std::uint64_t start_;
    std::size_t size_;
};

struct Slot {
    std::uint32_t package = 0;
    std::uint64_t start = 0, size = 0; ///< bytes
};

Status visit_slot(sys::BorrowedFd file, const Slot& slot, const HeaderVisitor& visit) {
    SLIPWAY_TRY(auto head, read_at(file, slot.start, blob_head_size));
    std::size_t size = little_endian<std::uint32_t>(head, 12);
    if (!head.starts_with("BlbS") || little_endian<std::uint32_t>(head, 4) != slot.package ||
        size + blob_head_size > slot.size)
        return corrupt();
    FileBlob blob(file, slot.start + blob_head_size, size);
    return visit(blob);
}

} // namespace

Status visit_ndb(sys::BorrowedFd file, const HeaderVisitor& visit) {
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno("ndb: looking at the database");
    auto file_size = static_cast<std::uint64_t>(info.st_size);
    SLIPWAY_TRY(auto header, read_at(file, 0, header_size));
    std::uint64_t pages = little_endian<std::uint32_t>(header, 12);
    if (!header.starts_with("RpmP") || pages * page_size > file_size)
        return corrupt();
    for (std::uint64_t page = 0; page < pages; ++page) {
        SLIPWAY_TRY(auto bytes, read_at(file, page * page_size, page_size));
        for (std::size_t at = page == 0 ? header_size : 0; at < page_size; at += slot_size) {
            std::string_view text = std::string_view(bytes).substr(at, slot_size);
            Slot slot{.package = little_endian<std::uint32_t>(text, 4),
                      .start = block_size * std::uint64_t{little_endian<std::uint32_t>(text, 8)},
                      .size = block_size * std::uint64_t{little_endian<std::uint32_t>(text, 12)}};
            if (!text.starts_with("Slot") || slot.start + slot.size > file_size)
                return corrupt();
            if (slot.package != 0) // 0: free
                SLIPWAY_CHECK(visit_slot(file, slot, visit));
        }
    }
    return {};
}

} // namespace slipway::guest
