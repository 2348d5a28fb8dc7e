// SPDX-License-Identifier: Apache-2.0
#include "loading/lazy_blocks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"

namespace slipway::loading {
namespace {

constexpr std::size_t digest_size = 32;

Result<std::string> sha256(std::string_view bytes) {
    SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
    digest->add(bytes);
    return digest->finish();
}

} // namespace

LazyBlocks::LazyBlocks(std::uint64_t size, std::uint64_t block_size)
    : size_(size), block_size_(block_size), states_((size + block_size - 1) / block_size) {}

BlockRun LazyBlocks::run_of(std::uint64_t offset, std::uint64_t bytes) const {
    auto end = std::min(offset + std::min(bytes, size_), size_);
    if (offset >= end)
        return {};
    auto first = offset / block_size_;
    return {first, (end - 1) / block_size_ - first + 1};
}

std::uint64_t LazyBlocks::bytes_of(const BlockRun& run) const {
    return std::min((run.first + run.count) * block_size_, size_) - offset_of(run);
}

bool LazyBlocks::has(std::uint64_t offset, std::uint64_t bytes) const {
    auto run = run_of(offset, bytes);
    auto begin = states_.begin() + static_cast<std::ptrdiff_t>(run.first);
    return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(run.count),
                       [](State state) { return state == State::Here; });
}

std::optional<BlockRun> LazyBlocks::missing(std::uint64_t offset, std::uint64_t bytes,
                                            std::uint64_t most) const {
    auto run = run_of(offset, bytes);
    auto is_missing = [this](std::uint64_t block) { return states_[block] == State::Missing; };
    auto first = run.first, end = run.first + run.count;
    while (first < end && !is_missing(first))
        ++first;
    BlockRun found{first, 0};
    while (first + found.count < end && found.count < most && is_missing(first + found.count))
        ++found.count;
    return found.count == 0 ? std::nullopt : std::optional(found);
}

void LazyBlocks::set(const BlockRun& run, State state) {
    for (auto block = run.first; block < run.first + run.count; ++block) {
        auto& known = states_[block];
        blocks_here_ += (state == State::Here ? 1U : 0U);
        blocks_here_ -= (known == State::Here ? 1U : 0U);
        known = state;
    }
}

std::uint64_t LazyBlocks::bytes_here() const {
    if (blocks_here_ == 0)
        return 0;
    auto last_gap = states_.size() * block_size_ - size_;
    return blocks_here_ * block_size_ - (states_.back() == State::Here ? last_gap : 0);
}

Result<BlockDigests> BlockDigests::read(std::string bytes, const std::string& wanted,
                                        std::uint64_t size, std::uint64_t block_size) {
    SLIPWAY_TRY(auto found, sha256(bytes));
    if (found != wanted)
        return fail(Code::Corrupt,
                    fmt::format("the list of blocks has the digest {}, not {}", found, wanted),
                    "it belongs to another image: pack the image again");
    if (block_size == 0 || bytes.size() / digest_size != (size + block_size - 1) / block_size ||
        bytes.size() % digest_size != 0)
        return fail(Code::Corrupt,
                    fmt::format("the list of blocks has {} bytes, which does not fit to an image "
                                "of {}",
                                bytes.size(), size));
    return BlockDigests(std::move(bytes), block_size);
}

Status BlockDigests::check(std::uint64_t first, std::string_view bytes) const {
    for (auto block = first; !bytes.empty(); ++block) {
        auto piece = bytes.substr(0, block_size_);
        SLIPWAY_TRY(auto found, sha256(piece));
        auto known = std::string_view(bytes_).substr(block * digest_size, digest_size);
        if (found != to_hex(reinterpret_cast<const unsigned char*>(known.data()), known.size()))
            return fail(Code::Corrupt,
                        fmt::format("block {} of the image is not what it should be", block),
                        "the server has another image now, or somebody changes it on its way");
        bytes.remove_prefix(piece.size());
    }
    return {};
}

} // namespace slipway::loading
