// SPDX-License-Identifier: Apache-2.0
// Calls about modes, owners, times and extended attributes.
#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/files.hpp"
#include "sys/file_copy.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

constexpr std::int64_t largest_value = 65536; // XATTR_SIZE_MAX of the kernel

Status failed_unless(int result, const GuestPath& path) {
    return result == 0 ? Status{} : Status(fail_errno(path.str()));
}

// What would be cut is no mode and no owner.
Status check_width(std::int64_t number) {
    return number == static_cast<std::int32_t>(number) ||
                   number == static_cast<std::uint32_t>(number)
               ? Status{}
               : fail(Code::InvalidArgument, fmt::format("{} has more than 32 bits", number));
}

Status chmod(Machine& machine, std::int64_t mode, const GuestPath& path) {
    SLIPWAY_CHECK(check_width(mode));
    SLIPWAY_CHECK(refuse_negative(mode, path.str() + ": the mode"));
    SLIPWAY_TRY(auto file, open_to_look(machine, path, true));
    return failed_unless(
        ::chmod(sys::proc_path(file.raw()).c_str(), static_cast<mode_t>(mode & 07777)), path);
}

template <bool follow>
Status chown(Machine& machine, std::int64_t owner, std::int64_t group, const GuestPath& path) {
    SLIPWAY_CHECK(check_width(owner));
    SLIPWAY_CHECK(check_width(group));
    SLIPWAY_TRY(auto file, open_to_look(machine, path, follow));
    return failed_unless(::fchownat(file.raw(), "", static_cast<uid_t>(owner),
                                    static_cast<gid_t>(group), AT_EMPTY_PATH),
                         path);
}

timespec time_of(std::int64_t seconds, std::int64_t nanoseconds) {
    if (nanoseconds == -1)
        nanoseconds = UTIME_NOW;
    else if (nanoseconds == -2)
        nanoseconds = UTIME_OMIT;
    return {.tv_sec = seconds, .tv_nsec = nanoseconds};
}
Status utimens(Machine& machine, const GuestPath& path, std::int64_t access_seconds,
               std::int64_t access_nanoseconds, std::int64_t seconds, std::int64_t nanoseconds) {
    SLIPWAY_TRY(auto file, open_to_look(machine, path, false));
    const std::array times{time_of(access_seconds, access_nanoseconds),
                           time_of(seconds, nanoseconds)};
    return failed_unless(::utimensat(AT_FDCWD, sys::proc_path(file.raw()).c_str(), times.data(), 0),
                         path);
}

template <bool follow>
Result<std::string> get_value(Machine& machine, const GuestPath& path, const std::string& name) {
    SLIPWAY_TRY(auto file, open_to_look(machine, path, follow));
    return sys::attribute_of(file, path.str(), name);
}

Result<Json> records_of(sys::BorrowedFd file, const std::string& shown) {
    SLIPWAY_TRY(auto names, sys::attribute_names(file, shown));
    auto records = Json::array();
    for (const auto& name : names) {
        SLIPWAY_TRY(auto value, sys::attribute_of(file, shown, name));
        records.push_back({{"attrname", name}, {"attrval", std::move(value)}});
    }
    return records;
}

template <bool follow> Result<Json> get_all(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_to_look(machine, path, follow));
    return records_of(file, path.str());
}

template <bool follow>
Status set_value(Machine& machine, const std::string& name, const std::string& value,
                 std::int64_t size, const GuestPath& path) {
    if (size < 0 || size > largest_value)
        return fail_errno(fmt::format("{}: the size of the value", path.str()), E2BIG);
    if (static_cast<std::size_t>(size) > value.size())
        return fail(Code::InvalidArgument, "the size is more than the value has");
    SLIPWAY_TRY(auto file, open_to_look(machine, path, follow));
    return failed_unless(::setxattr(sys::proc_path(file.raw()).c_str(), name.c_str(), value.data(),
                                    static_cast<std::size_t>(size), 0),
                         path);
}

template <bool follow>
Status remove(Machine& machine, const std::string& name, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_to_look(machine, path, follow));
    return failed_unless(::removexattr(sys::proc_path(file.raw()).c_str(), name.c_str()), path);
}

// Of each file a record without a name, whose value tells how many follow, or is "" after an error.
Result<Json> lxattrlist(Machine& machine, const GuestPath& path, const Strings& names) {
    auto all = Json::array();
    auto directory = open_file(machine, path, O_PATH | O_DIRECTORY);
    if (!directory && directory.error().errno_value == 0)
        return fail(std::move(directory).error());
    for (const auto& name : names) {
        Result<Json> records = fail(Code::NotFound, name);
        if (directory && is_plain_name(name))
            if (auto file = sys::open_at(*directory, name, O_PATH | O_NOFOLLOW))
                records = records_of(*file, name);
        // The number comes as a string of C, with its end.
        all.push_back(
            {{"attrname", ""}, {"attrval", records ? std::to_string(records->size()) + '\0' : ""}});
        if (records)
            for (auto& record : *records)
                all.push_back(std::move(record));
    }
    return all;
}

Status copy_attributes(Machine& machine, const GuestPath& source, const GuestPath& target,
                       std::optional<bool> all, std::optional<bool> mode,
                       std::optional<bool> attributes, std::optional<bool> ownership) {
    SLIPWAY_TRY(auto from, open_to_look(machine, source, true));
    SLIPWAY_TRY(auto to, open_to_look(machine, target, true));
    struct stat info {};
    if (::fstat(from.raw(), &info) != 0)
        return fail_errno(source.str());
    bool rest = all.value_or(false);
    // The owner first, as its change takes away setuid and capabilities.
    if (ownership.value_or(rest))
        SLIPWAY_CHECK(failed_unless(
            ::fchownat(to.raw(), "", info.st_uid, info.st_gid, AT_EMPTY_PATH), target));
    if (attributes.value_or(rest))
        SLIPWAY_CHECK(sys::copy_extended_attributes(from, to, target.str()));
    if (mode.value_or(rest))
        SLIPWAY_CHECK(
            failed_unless(::chmod(sys::proc_path(to.raw()).c_str(), info.st_mode & 07777), target));
    return {};
}

} // namespace

Calls attributes_calls() {
    static constexpr Call calls[] = {
        {"chmod", bind<chmod>},
        {"chown", bind<chown<true>>},
        {"lchown", bind<chown<false>>},
        {"utimens", bind<utimens>},
        {"getxattr", bind<get_value<true>>},
        {"lgetxattr", bind<get_value<false>>},
        {"getxattrs", bind<get_all<true>>},
        {"lgetxattrs", bind<get_all<false>>},
        {"setxattr", bind<set_value<true>>},
        {"lsetxattr", bind<set_value<false>>},
        {"removexattr", bind<remove<true>>},
        {"lremovexattr", bind<remove<false>>},
        {"lxattrlist", bind<lxattrlist>},
        {"copy_attributes", bind<copy_attributes>},
    };
    return calls;
}

} // namespace slipway::calls
