// SPDX-License-Identifier: Apache-2.0
#include "image/partition_table.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>

#include <fmt/format.h>
#include <libfdisk/libfdisk.h>

#include "base/strings.hpp"
#include "image/layout.hpp"

namespace slipway::image {
namespace {

struct Unref {
    void operator()(fdisk_context* context) const { fdisk_unref_context(context); }
    void operator()(fdisk_partition* partition) const { fdisk_unref_partition(partition); }
    void operator()(fdisk_table* table) const { fdisk_unref_table(table); }
    void operator()(fdisk_script* script) const { fdisk_unref_script(script); }
    void operator()(fdisk_parttype* type) const { fdisk_unref_parttype(type); }
    void operator()(char* text) const { std::free(text); } // NOLINT: of the library's malloc
};
template <class T> using Owned = std::unique_ptr<T, Unref>;

constexpr int smallest_grain = 512;               // bytes: a partition may begin at any sector
constexpr std::uint64_t legacy_bootable = 1 << 2; // bit of a GPT entry's attributes

std::string text_of(const char* text) {
    return text == nullptr ? std::string{} : std::string(text);
}

Error failed(int result, std::string what) {
    auto error = os_error(std::move(what), result < 0 ? -result : EINVAL);
    // The library's word for "that cannot be", where the kernel has no part in it.
    if (error.code == Code::Internal || error.errno_value == ERANGE)
        error.code = Code::InvalidArgument;
    return error;
}

} // namespace

struct PartitionTable::State {
    std::string node;
    Owned<fdisk_context> context;

    [[nodiscard]] bool is_gpt() const {
        return fdisk_is_label(context.get(), GPT); // NOLINT: a macro of the library's
    }
    [[nodiscard]] Owned<fdisk_partition> find(unsigned number) const {
        fdisk_partition* found = nullptr;
        if (number == 0 || fdisk_get_partition(context.get(), number - 1, &found) != 0)
            return nullptr;
        Owned<fdisk_partition> partition(found);
        return fdisk_partition_is_used(found) == 0 ? nullptr : std::move(partition);
    }
    /// Applies `change` to a template that leaves all else as it is.
    [[nodiscard]] Status change(unsigned number, const std::string& what,
                                const std::function<int(fdisk_partition*)>& change) const {
        if (!find(number))
            return fail(Code::NotFound, fmt::format("{} has no partition {}", node, number));
        Owned<fdisk_partition> wanted(fdisk_new_partition());
        int result = change(wanted.get());
        if (result == 0)
            result = fdisk_set_partition(context.get(), number - 1, wanted.get());
        if (result != 0)
            return fail(
                failed(result, fmt::format("{} of partition {} of {}", what, number, node)));
        return {};
    }
    static Result<std::unique_ptr<State>> open(const std::string& node) {
        auto state = std::make_unique<State>();
        state->node = node;
        state->context.reset(fdisk_new_context());
        auto* context = state->context.get();
        if (context == nullptr)
            return fail(Code::Internal, "libfdisk could not be set up");
        fdisk_disable_dialogs(context, 1);
        fdisk_save_user_grain(context, smallest_grain);
        int result = fdisk_assign_device(context, node.c_str(), 0);
        if (result == -EACCES || result == -EPERM || result == -EROFS)
            result = fdisk_assign_device(context, node.c_str(), 1);
        if (result != 0)
            return fail(failed(result, fmt::format("opening {}", node)));
        return state;
    }
};

PartitionTable::PartitionTable(std::unique_ptr<State> state) : state_(std::move(state)) {
    // From here on the table's own limits count, not those of a comfortable layout.
    if (!state_->is_gpt())
        fdisk_set_first_lba(state_->context.get(), 1);
}
PartitionTable::PartitionTable(PartitionTable&&) noexcept = default;
PartitionTable& PartitionTable::operator=(PartitionTable&&) noexcept = default;
PartitionTable::~PartitionTable() = default;

Result<PartitionTable> PartitionTable::read(const std::string& node) {
    SLIPWAY_TRY(auto state, State::open(node));
    auto* context = state->context.get();
    // libfdisk takes the boot sector of a FAT filesystem for a table.
    auto type = table_type(sys::BorrowedFd(fdisk_get_devfd(context)),
                           fdisk_get_nsectors(context) * fdisk_get_sector_size(context));
    if (fdisk_has_label(context) == 0 || (type != "gpt" && type != "dos") ||
        (!state->is_gpt() && !fdisk_is_label(context, DOS)))
        return fail(Code::NotFound, fmt::format("{} has no partition table", node));
    return PartitionTable(std::move(state));
}

Result<PartitionTable> PartitionTable::create(const std::string& node, Kind kind) {
    SLIPWAY_TRY(auto state, State::open(node));
    auto* context = state->context.get();
    Owned<fdisk_script> script(fdisk_new_script(context));
    // Right behind the table; the library would leave the first MiB unused for good.
    constexpr std::uint64_t entries = 128 * 128;
    const auto sector = fdisk_get_sector_size(context);
    const auto first = 2 + (entries + sector - 1) / sector;
    if (kind == Kind::Gpt && script) {
        fdisk_script_set_header(script.get(), "label", "gpt");
        fdisk_script_set_header(script.get(), "first-lba", std::to_string(first).c_str());
        fdisk_set_script(context, script.get());
    }
    int result = fdisk_create_disklabel(state->context.get(), kind == Kind::Gpt ? "gpt" : "dos");
    if (result != 0)
        return fail(failed(result, fmt::format("making a partition table on {}", node)));
    fdisk_set_script(context, nullptr);
    if (kind == Kind::Gpt)
        fdisk_set_first_lba(context, first);
    // A filesystem that was on the whole disk would else be found there still.
    fdisk_enable_wipe(state->context.get(), 1);
    return PartitionTable(std::move(state));
}

PartitionTable::Kind PartitionTable::kind() const {
    return state_->is_gpt() ? Kind::Gpt : Kind::Mbr;
}
std::uint64_t PartitionTable::sector_size() const {
    return fdisk_get_sector_size(state_->context.get());
}
std::uint64_t PartitionTable::sectors() const {
    return fdisk_get_nsectors(state_->context.get());
}
std::uint64_t PartitionTable::first_usable() const {
    return fdisk_get_first_lba(state_->context.get());
}
std::uint64_t PartitionTable::last_usable() const {
    return fdisk_get_last_lba(state_->context.get());
}

std::vector<Partition> PartitionTable::partitions() const {
    fdisk_table* read = nullptr;
    std::vector<Partition> found;
    if (fdisk_get_partitions(state_->context.get(), &read) != 0)
        return found;
    Owned<fdisk_table> table(read);
    bool gpt = state_->is_gpt();
    for (std::size_t i = 0; i < fdisk_table_get_nents(table.get()); ++i) {
        auto* each = fdisk_table_get_partition(table.get(), i);
        if (fdisk_partition_has_start(each) == 0 || fdisk_partition_has_size(each) == 0)
            continue;
        Partition partition{.number = static_cast<unsigned>(fdisk_partition_get_partno(each)) + 1,
                            .start = fdisk_partition_get_start(each) * sector_size(),
                            .size = fdisk_partition_get_size(each) * sector_size(),
                            .name = text_of(fdisk_partition_get_name(each)),
                            .uuid = gpt ? text_of(fdisk_partition_get_uuid(each)) : std::string{},
                            .is_extended = fdisk_partition_is_container(each) != 0,
                            .is_logical = fdisk_partition_is_nested(each) != 0};
        if (auto* type = fdisk_partition_get_type(each))
            partition.type = gpt ? text_of(fdisk_parttype_get_string(type))
                                 : fmt::format("0x{:02x}", fdisk_parttype_get_code(type));
        auto bits = gpt ? attributes(partition.number) : Result<std::uint64_t>(0);
        partition.bootable =
            gpt ? bits && (*bits & legacy_bootable) != 0 : fdisk_partition_is_bootable(each) != 0;
        found.push_back(std::move(partition));
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    return found;
}

Status PartitionTable::add(Role role, std::uint64_t first, std::uint64_t last) {
    auto* context = state_->context.get();
    auto what =
        fmt::format("adding a partition from sector {} to {} of {}", first, last, state_->node);
    if (last < first || last >= sectors())
        return fail(Code::InvalidArgument, what + ": it does not fit on the disk");
    Owned<fdisk_partition> wanted(fdisk_new_partition());
    Owned<fdisk_parttype> type(
        fdisk_label_parse_parttype(fdisk_get_label(context, nullptr),
                                   role == Role::Extended ? "0f"
                                   : state_->is_gpt()     ? "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
                                                          : "83"));
    // Entry 5 is the first one of a logical partition.
    bool follows = role != Role::Logical;
    int result = follows ? fdisk_partition_partno_follow_default(wanted.get(), 1) : 0;
    if (!follows) {
        std::size_t next = 4;
        for (const auto& partition : partitions())
            next = std::max<std::size_t>(next, partition.number);
        fdisk_partition_set_partno(wanted.get(), next);
    }
    fdisk_partition_set_start(wanted.get(), first);
    fdisk_partition_set_size(wanted.get(), last - first + 1);
    fdisk_partition_size_explicit(wanted.get(), 1);
    fdisk_partition_set_type(wanted.get(), type.get());
    if (result == 0)
        result = fdisk_add_partition(context, wanted.get(), nullptr);
    if (result != 0)
        return fail(failed(result, what));
    return {};
}

Status PartitionTable::remove(unsigned number) {
    if (!state_->find(number))
        return fail(Code::NotFound, fmt::format("{} has no partition {}", state_->node, number));
    if (int result = fdisk_delete_partition(state_->context.get(), number - 1); result != 0)
        return fail(
            failed(result, fmt::format("removing partition {} of {}", number, state_->node)));
    return {};
}

Status PartitionTable::resize(unsigned number, std::uint64_t last) {
    auto partition = state_->find(number);
    auto start = partition ? fdisk_partition_get_start(partition.get()) : 0;
    if (partition && (last < start || last >= sectors()))
        return fail(Code::InvalidArgument, fmt::format("partition {} of {} cannot end at sector {}",
                                                       number, state_->node, last));
    return state_->change(number, "resizing", [&](fdisk_partition* wanted) {
        fdisk_partition_size_explicit(wanted, 1);
        return fdisk_partition_set_size(wanted, last - start + 1);
    });
}

Status PartitionTable::set_type(unsigned number, const std::string& type) {
    Owned<fdisk_parttype> known(
        fdisk_label_parse_parttype(fdisk_get_label(state_->context.get(), nullptr), type.c_str()));
    if (!known)
        return fail(Code::InvalidArgument, fmt::format("'{}' is no type of a partition", type));
    return state_->change(number, "the type", [&](fdisk_partition* wanted) {
        return fdisk_partition_set_type(wanted, known.get());
    });
}

Status PartitionTable::set_name(unsigned number, const std::string& name) {
    return state_->change(number, "the name", [&](fdisk_partition* wanted) {
        return fdisk_partition_set_name(wanted, name.c_str());
    });
}

Status PartitionTable::set_uuid(unsigned number, const std::string& uuid) {
    return state_->change(number, "the UUID", [&](fdisk_partition* wanted) {
        return fdisk_partition_set_uuid(wanted, uuid.c_str());
    });
}

Status PartitionTable::set_bootable(unsigned number, bool bootable) {
    if (state_->is_gpt()) {
        SLIPWAY_TRY(auto bits, attributes(number));
        return set_attributes(number, bootable ? bits | legacy_bootable : bits & ~legacy_bootable);
    }
    auto partition = state_->find(number);
    if (!partition)
        return fail(Code::NotFound, fmt::format("{} has no partition {}", state_->node, number));
    if ((fdisk_partition_is_bootable(partition.get()) != 0) == bootable)
        return {};
    // 1: DOS_FLAG_ACTIVE
    int result = fdisk_toggle_partition_flag(state_->context.get(), number - 1, 1);
    if (result != 0)
        return fail(failed(
            result, fmt::format("the boot flag of partition {} of {}", number, state_->node)));
    return {};
}

Result<std::uint64_t> PartitionTable::attributes(unsigned number) const {
    std::uint64_t bits = 0;
    if (!state_->find(number))
        return fail(Code::NotFound, fmt::format("{} has no partition {}", state_->node, number));
    if (int result = fdisk_gpt_get_partition_attrs(state_->context.get(), number - 1, &bits);
        result != 0)
        return fail(failed(result, fmt::format("the attributes of partition {}", number)));
    return bits;
}

Status PartitionTable::set_attributes(unsigned number, std::uint64_t attributes) {
    if (!state_->find(number))
        return fail(Code::NotFound, fmt::format("{} has no partition {}", state_->node, number));
    if (int result = fdisk_gpt_set_partition_attrs(state_->context.get(), number - 1, attributes);
        result != 0)
        return fail(failed(result, fmt::format("the attributes of partition {}", number)));
    return {};
}

Result<std::string> PartitionTable::disk_id() const {
    char* id = nullptr;
    if (int result = fdisk_get_disklabel_id(state_->context.get(), &id); result != 0)
        return fail(failed(result, fmt::format("the identifier of {}", state_->node)));
    Owned<char> owned(id);
    return text_of(id);
}

Status PartitionTable::set_disk_id(const std::string& id) {
    if (int result = fdisk_set_disklabel_id_from_string(state_->context.get(), id.c_str());
        result != 0)
        return fail(failed(result, fmt::format("setting the identifier of {}", state_->node)));
    return {};
}

Status PartitionTable::move_to_end() {
    // The library does it by itself when it writes a table whose copy is elsewhere.
    if (!state_->is_gpt())
        return fail(Code::InvalidArgument, fmt::format("{} has no GPT", state_->node));
    return {};
}

Status PartitionTable::write() {
    if (fdisk_is_readonly(state_->context.get()) != 0)
        return fail(Code::Permission, fmt::format("{} is read-only", state_->node));
    if (int result = fdisk_write_disklabel(state_->context.get()); result != 0)
        return fail(failed(result, fmt::format("writing the partition table of {}", state_->node)));
    return {};
}

} // namespace slipway::image
