// SPDX-License-Identifier: Apache-2.0
// Which blocks of an image are here, and which are to be fetched next; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::loading {

struct BlockRun {
    std::uint64_t first = 0, count = 0; ///< blocks
    bool operator==(const BlockRun&) const = default;
};

/// Of an image in blocks of one size; the last may be shorter.
class LazyBlocks {
public:
    LazyBlocks(std::uint64_t size, std::uint64_t block_size);

    [[nodiscard]] std::uint64_t size() const { return size_; } ///< bytes
    [[nodiscard]] std::uint64_t offset_of(const BlockRun& run) const {
        return run.first * block_size_;
    }
    [[nodiscard]] std::uint64_t bytes_of(const BlockRun& run) const;
    /// Whether all of these bytes are here; what is behind the end counts as here.
    [[nodiscard]] bool has(std::uint64_t offset, std::uint64_t bytes) const;
    /// The first of these bytes' blocks that are neither here nor on their way, `most` at most.
    [[nodiscard]] std::optional<BlockRun> missing(std::uint64_t offset, std::uint64_t bytes,
                                                  std::uint64_t most) const;
    void begin(const BlockRun& run) { set(run, State::OnItsWay); }
    void end(const BlockRun& run, bool is_here) {
        set(run, is_here ? State::Here : State::Missing);
    }
    [[nodiscard]] std::uint64_t bytes_here() const;
    [[nodiscard]] bool is_complete() const { return bytes_here() == size_; }

private:
    enum class State : std::uint8_t { Missing, OnItsWay, Here };
    void set(const BlockRun& run, State state);
    [[nodiscard]] BlockRun run_of(std::uint64_t offset, std::uint64_t bytes) const;
    std::uint64_t size_, block_size_;
    std::vector<State> states_;
    std::uint64_t blocks_here_ = 0;
};

/// Of each block of an image, as NAME.blocks has them: 32 bytes of SHA-256 each.
class BlockDigests {
public:
    /// Corrupt: it has not one for each block, or is not what `sha256` says.
    [[nodiscard]] static Result<BlockDigests> read(std::string bytes, const std::string& sha256,
                                                   std::uint64_t size, std::uint64_t block_size);
    /// Corrupt: one of the blocks is not what it should be.
    [[nodiscard]] Status check(std::uint64_t first, std::string_view bytes) const;
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

private:
    BlockDigests(std::string bytes, std::uint64_t block_size)
        : bytes_(std::move(bytes)), block_size_(block_size) {}
    std::string bytes_;
    std::uint64_t block_size_;
};

} // namespace slipway::loading
