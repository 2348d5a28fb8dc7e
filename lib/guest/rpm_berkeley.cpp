// SPDX-License-Identifier: Apache-2.0
// rpm's database in Berkeley DB's hash format, read page by page: pages of pairs hold package
// number and place of the header, which lies in a chain of overflow pages. The order of bytes is
// that of the machine that wrote it. See db_page.h of Berkeley DB.
#include <algorithm>
#include <vector>

#include <sys/stat.h>

#include "guest/rpm_database.hpp"
#include "image/byte_order.hpp"

namespace slipway::guest {
namespace {

constexpr std::size_t page_header_size = 26;
constexpr std::uint32_t hash_magic = 0x061561;

enum PageType : unsigned char { UnsortedHash = 2, Overflow = 7, Hash = 13 };
enum ItemType : unsigned char { Inline = 1, OffPage = 3 };

auto corrupt() {
    return fail(Code::Corrupt, "Berkeley DB: the database contradicts itself");
}

class Pages {
public:
    [[nodiscard]] static Result<Pages> open(sys::BorrowedFd file) {
        struct stat info {};
        if (::fstat(file.raw(), &info) != 0)
            return fail_errno("Berkeley DB: looking at the database");
        Pages pages(file);
        SLIPWAY_TRY(auto meta, pages.read_at(0, 72));
        pages.big_ = image::big_endian<std::uint32_t>(meta, 12) == hash_magic;
        if (!pages.big_ && image::little_endian<std::uint32_t>(meta, 12) != hash_magic)
            return corrupt();
        pages.size_ = pages.number<std::uint32_t>(meta, 20);
        bool is_power_of_two = (pages.size_ & (pages.size_ - 1)) == 0;
        if (pages.size_ < 512 || pages.size_ > 65536 || !is_power_of_two)
            return corrupt();
        pages.count_ = static_cast<std::uint64_t>(info.st_size) / pages.size_;
        return pages;
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] Result<std::string> page(std::uint64_t index) const {
        if (index >= count_)
            return corrupt();
        return read_at(index * size_, size_);
    }
    template <class T> [[nodiscard]] T number(std::string_view bytes, std::size_t at) const {
        return big_ ? image::big_endian<T>(bytes, at) : image::little_endian<T>(bytes, at);
    }

private:
    explicit Pages(sys::BorrowedFd file) : file_(file) {}
    [[nodiscard]] Result<std::string> read_at(std::uint64_t offset, std::size_t count) const {
        std::string bytes(count, '\0');
        SLIPWAY_CHECK(
            sys::read_exactly_at(file_, std::as_writable_bytes(std::span(bytes)), offset));
        return bytes;
    }

    sys::BorrowedFd file_;
    std::size_t size_ = 0;
    std::uint64_t count_ = 0;
    bool big_ = false;
};

class MemoryBlob final : public HeaderBlob {
public:
    explicit MemoryBlob(std::string_view bytes) : bytes_(bytes) {}
    [[nodiscard]] std::size_t size() const override { return bytes_.size(); }
    [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t count) override {
        return std::string(bytes_.substr(offset, count));
    }

private:
    std::string_view bytes_;
};

/// A chain of overflow pages, all of them full but the last. Followed as far as was read.
class ChainBlob final : public HeaderBlob {
public:
    ChainBlob(const Pages& pages, std::uint32_t first, std::size_t size)
        : pages_(pages), chain_{first}, size_(size) {}

    [[nodiscard]] std::size_t size() const override { return size_; }
    [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t count) override {
        auto room = pages_.size() - page_header_size;
        std::string bytes;
        while (count > 0) {
            SLIPWAY_CHECK(go_to(offset / room));
            auto begin = offset % room;
            auto piece = std::min(count, room - begin);
            bytes += std::string_view(page_).substr(page_header_size + begin, piece);
            offset += piece;
            count -= piece;
        }
        return bytes;
    }

private:
    [[nodiscard]] Status go_to(std::size_t index) {
        while (chain_.size() <= index) {
            // A chain that bites its tail is as long as the header at most.
            SLIPWAY_CHECK(load(chain_.size() - 1));
            chain_.push_back(pages_.number<std::uint32_t>(page_, 16));
        }
        return load(index);
    }
    [[nodiscard]] Status load(std::size_t index) {
        if (loaded_ == index + 1)
            return {};
        SLIPWAY_TRY(page_, pages_.page(chain_[index]));
        if (static_cast<unsigned char>(page_[25]) != Overflow)
            return corrupt();
        loaded_ = index + 1;
        return {};
    }

    const Pages& pages_;
    std::vector<std::uint32_t> chain_;
    std::size_t size_;
    std::string page_;
    std::size_t loaded_ = 0; ///< which of the chain `page_` is, from 1
};

/// The items of a page of pairs: key, value, key, value. They fill the page from its end.
class Items {
public:
    Items(const Pages& pages, std::string_view page) : pages_(pages), page_(page) {
        count_ = pages.number<std::uint16_t>(page, 20);
    }
    [[nodiscard]] std::size_t count() const { return count_; }
    [[nodiscard]] Result<std::string_view> item(std::size_t index) const {
        if (page_header_size + 2 * count_ > page_.size())
            return corrupt();
        auto begin = place(index);
        auto end = index == 0 ? page_.size() : place(index - 1);
        if (begin < page_header_size + 2 * count_ || begin >= end || end > page_.size())
            return corrupt();
        return page_.substr(begin, end - begin);
    }

private:
    [[nodiscard]] std::size_t place(std::size_t index) const {
        return pages_.number<std::uint16_t>(page_, page_header_size + 2 * index);
    }
    const Pages& pages_;
    std::string_view page_;
    std::size_t count_;
};

// Number 0 counts the packages.
bool is_package(std::string_view key) {
    return key.size() == 5 && key[0] == Inline && key.substr(1) != std::string_view("\0\0\0\0", 4);
}

Status visit_value(const Pages& pages, std::string_view value, const HeaderVisitor& visit) {
    if (value[0] == Inline) {
        MemoryBlob blob(value.substr(1));
        return visit(blob);
    }
    if (value[0] != OffPage || value.size() < 12)
        return corrupt();
    std::size_t size = pages.number<std::uint32_t>(value, 8);
    if (size > pages.count() * pages.size())
        return corrupt();
    ChainBlob blob(pages, pages.number<std::uint32_t>(value, 4), size);
    return visit(blob);
}

} // namespace

Status visit_berkeley(sys::BorrowedFd file, const HeaderVisitor& visit) {
    SLIPWAY_TRY(auto pages, Pages::open(file));
    for (std::uint64_t index = 1; index < pages.count(); ++index) {
        SLIPWAY_TRY(auto page, pages.page(index));
        auto type = static_cast<unsigned char>(page[25]);
        if (type != Hash && type != UnsortedHash)
            continue;
        Items items(pages, page);
        for (std::size_t i = 0; i + 1 < items.count(); i += 2) {
            SLIPWAY_TRY(auto key, items.item(i));
            SLIPWAY_TRY(auto value, items.item(i + 1));
            if (is_package(key))
                SLIPWAY_CHECK(visit_value(pages, value, visit));
        }
    }
    return {};
}

} // namespace slipway::guest
