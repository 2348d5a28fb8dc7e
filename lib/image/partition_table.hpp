// SPDX-License-Identifier: Apache-2.0
// Partition tables (GPT and MBR) of a block device, by libfdisk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::image {

struct Partition {
    unsigned number = 0;     ///< from 1
    std::uint64_t start = 0; ///< bytes
    std::uint64_t size = 0;  ///< bytes
    std::string type{};      ///< of GPT a GUID in capital letters, of MBR "0x83"
    std::string name{};      ///< of GPT
    std::string uuid{};      ///< of GPT, in capital letters
    bool bootable = false;   ///< MBR: active; GPT: the attribute "legacy BIOS bootable"
    bool is_extended = false;
    bool is_logical = false;
};

/// A table as it was read. Changes are in memory until `write`; the kernel is not told of them.
class PartitionTable {
public:
    enum class Kind { Gpt, Mbr };

    /// `node`: a path of this process's /dev. NotFound: there is no table of these kinds.
    /// Permission on `write` where the device is read-only.
    [[nodiscard]] static Result<PartitionTable> read(const std::string& node);
    /// An empty one in place of whatever is there.
    [[nodiscard]] static Result<PartitionTable> create(const std::string& node, Kind kind);
    PartitionTable(PartitionTable&&) noexcept;
    PartitionTable& operator=(PartitionTable&&) noexcept;
    ~PartitionTable();

    [[nodiscard]] Kind kind() const;
    [[nodiscard]] std::uint64_t sector_size() const; ///< bytes, logical
    [[nodiscard]] std::uint64_t sectors() const;     ///< of the disk
    /// The first and the last sector that a partition may have.
    [[nodiscard]] std::uint64_t first_usable() const;
    [[nodiscard]] std::uint64_t last_usable() const;
    /// In the order of their numbers.
    [[nodiscard]] std::vector<Partition> partitions() const;

    enum class Role { Primary, Extended, Logical };
    /// Sectors, both included. NoSpace: no free entry; InvalidArgument: outside of the disk, or of
    /// an extended partition, or over another one.
    [[nodiscard]] Status add(Role role, std::uint64_t first, std::uint64_t last);
    /// These give NotFound where there is no such partition.
    [[nodiscard]] Status remove(unsigned number);
    [[nodiscard]] Status resize(unsigned number, std::uint64_t last);
    [[nodiscard]] Status set_type(unsigned number, const std::string& type);
    [[nodiscard]] Status set_name(unsigned number, const std::string& name);
    [[nodiscard]] Status set_uuid(unsigned number, const std::string& uuid);
    [[nodiscard]] Status set_bootable(unsigned number, bool bootable);
    [[nodiscard]] Result<std::uint64_t> attributes(unsigned number) const;
    [[nodiscard]] Status set_attributes(unsigned number, std::uint64_t attributes);
    /// GUID of the disk in capital letters; of MBR "0x12345678".
    [[nodiscard]] Result<std::string> disk_id() const;
    [[nodiscard]] Status set_disk_id(const std::string& id);
    /// Moves the copy of a GPT to the end of a disk that has grown.
    [[nodiscard]] Status move_to_end();
    [[nodiscard]] Status write();

private:
    struct State;
    explicit PartitionTable(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace slipway::image
