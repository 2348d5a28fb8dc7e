// SPDX-License-Identifier: Apache-2.0
// Calls that copy and move inside the guest, and between files and devices.
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/files.hpp"
#include "calls/removing.hpp"
#include "calls/tree_copy.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;

Status cp(Machine& machine, const GuestPath& source, const GuestPath& target) {
    return copy_tree(machine, source, target, {});
}
Status cp_r(Machine& machine, const GuestPath& source, const GuestPath& target) {
    return copy_tree(machine, source, target, {.recursive = true});
}
Status cp_a(Machine& machine, const GuestPath& source, const GuestPath& target) {
    return copy_tree(machine, source, target, {.recursive = true, .preserve = true});
}

Status rename(Machine& machine, const GuestPath& source, const GuestPath& target) {
    SLIPWAY_TRY(auto from, place_of(machine, source, EBUSY));
    SLIPWAY_TRY(auto to, place_of(machine, target, EBUSY));
    if (::renameat(from.directory.raw(), from.name.c_str(), to.directory.raw(), to.name.c_str()) !=
        0)
        return fail_errno(fmt::format("{}: {}", source.str(), target.str()));
    return {};
}

Status mv(Machine& machine, const GuestPath& source, const GuestPath& target) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY([[maybe_unused]] auto info, root.stat(source, false));
    auto name = place_under(root, source, target);
    auto done = rename(machine, source, name);
    if (done || done.error().errno_value != EXDEV)
        return done;
    // To another filesystem. copy_tree would go into a directory of this name, which is in the way.
    if (root.is_dir(name))
        return fail_errno(name.str(), EEXIST);
    SLIPWAY_CHECK(copy_tree(machine, source, name, {.recursive = true, .preserve = true}));
    SLIPWAY_TRY(auto place, place_of(machine, source, EBUSY));
    return remove_tree(place.directory, place.name, source.str(), machine.host.cancel);
}

// Which part of one goes where in the other.
struct Part {
    std::optional<std::int64_t> source_offset{};
    std::optional<std::int64_t> target_offset{};
    std::optional<std::int64_t> size{}; ///< all that follows
    bool sparse = false;                ///< zeros are not written
    bool append = false;
};

class RangeCopy {
public:
    RangeCopy(const Machine& machine, sys::BorrowedFd from, sys::BorrowedFd to, const Part& part,
              const FileOrDevice& source, const FileOrDevice& target)
        : machine_(machine), from_(from), to_(to), part_(part), source_(source), target_(target) {}

    Status run() {
        auto left = part_.size ? static_cast<std::uint64_t>(*part_.size) : UINT64_MAX;
        if (::lseek(from_.raw(), part_.source_offset.value_or(0), SEEK_SET) < 0)
            return fail_errno(source_.name);
        if (part_.target_offset && ::lseek(to_.raw(), *part_.target_offset, SEEK_SET) < 0)
            return fail_errno(target_.name);
        SLIPWAY_CHECK(each_piece(content_of(machine_.host.cancel, from_, source_.name, left),
                                 [&](std::string_view piece) {
                                     left -= piece.size();
                                     return put(piece);
                                 }));
        if (part_.size && left > 0)
            return fail(Code::InvalidArgument, fmt::format("{} is too short", source_.name));
        return end_with_hole();
    }

private:
    Status put(std::string_view piece) {
        constexpr std::size_t block = 4096;
        if (!part_.sparse)
            return write(piece);
        for (; !piece.empty(); piece.remove_prefix(std::min(block, piece.size()))) {
            auto part = piece.substr(0, block);
            if (part.find_first_not_of('\0') != std::string_view::npos) {
                SLIPWAY_CHECK(write(part));
                ends_in_hole_ = false;
            } else if (::lseek(to_.raw(), static_cast<off_t>(part.size()), SEEK_CUR) < 0)
                return fail_errno(target_.name);
            else
                ends_in_hole_ = true;
        }
        return {};
    }
    Status write(std::string_view bytes) {
        auto written = sys::write_all(to_, bytes);
        return written ? Status{} : Status(fail(std::move(written.error()).in(target_.name)));
    }
    Status end_with_hole() {
        if (!ends_in_hole_ || target_.is_device)
            return {};
        auto end = ::lseek(to_.raw(), 0, SEEK_CUR);
        struct stat info {};
        if (end < 0 || ::fstat(to_.raw(), &info) != 0)
            return fail_errno(target_.name);
        return info.st_size >= end || ::ftruncate(to_.raw(), end) == 0
                   ? Status{}
                   : Status(fail_errno(target_.name));
    }

    const Machine& machine_;
    sys::BorrowedFd from_, to_;
    const Part& part_;
    const FileOrDevice& source_;
    const FileOrDevice& target_;
    bool ends_in_hole_ = false;
};

Status copy_range(Machine& machine, const FileOrDevice& source, const FileOrDevice& target,
                  const Part& part) {
    SLIPWAY_CHECK(refuse_negative(part.source_offset.value_or(0), "srcoffset"));
    SLIPWAY_CHECK(refuse_negative(part.target_offset.value_or(0), "destoffset"));
    SLIPWAY_CHECK(refuse_negative(part.size.value_or(0), "size"));
    SLIPWAY_TRY(auto from, open_content(machine, source, O_RDONLY));
    SLIPWAY_TRY(auto to, open_content(machine, target,
                                      O_WRONLY | O_CREAT | (part.append ? O_APPEND : O_TRUNC)));
    return RangeCopy(machine, from, to, part, source, target).run();
}

Status copy_file_to_file(Machine& machine, const GuestPath& source, const GuestPath& target,
                         std::optional<std::int64_t> source_offset,
                         std::optional<std::int64_t> target_offset,
                         std::optional<std::int64_t> size, std::optional<bool> sparse,
                         std::optional<bool> append) {
    return copy_range(
        machine, {source.str()}, {target.str()},
        {source_offset, target_offset, size, sparse.value_or(false), append.value_or(false)});
}

Status copy_size(Machine& machine, const FileOrDevice& source, const FileOrDevice& target,
                 std::int64_t size) {
    return copy_range(machine, source, target, {.size = size});
}
Status dd(Machine& machine, const FileOrDevice& source, const FileOrDevice& target) {
    return copy_range(machine, source, target, {});
}

} // namespace

Calls copying_calls() {
    static constexpr Call calls[] = {
        {"cp", bind<cp>},
        {"cp_a", bind<cp_a>},
        {"cp_r", bind<cp_r>},
        {"mv", bind<mv>},
        {"rename", bind<rename>},
        {"dd", bind<dd>},
        {"copy_size", bind<copy_size>},
        {"copy_file_to_file", bind<copy_file_to_file>},
    };
    return calls;
}

} // namespace slipway::calls
