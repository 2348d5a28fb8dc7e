// SPDX-License-Identifier: Apache-2.0
#include "guestfs/signature.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guestfs {
namespace {

constexpr std::string_view subvolume_mark = "btrfsvol:";

std::string_view words_for(Type type) {
    switch (type) {
    case Type::Int:
        return "an integer";
    case Type::Bool:
        return "true or false";
    case Type::Strings:
    case Type::Devices:
        return "a list of strings";
    default:
        return "a string";
    }
}

bool has_type(const Json& value, Type type) {
    switch (type) {
    case Type::Int:
        return value.is_number_integer();
    case Type::Bool:
        return value.is_boolean();
    case Type::Strings:
    case Type::Devices:
        return value.is_array() && std::all_of(value.begin(), value.end(),
                                               [](const auto& each) { return each.is_string(); });
    default:
        return value.is_string();
    }
}

Status check_path(std::string_view text) {
    if (!text.starts_with('/'))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}': a path begins with '/'", printable(text)));
    auto path = sys::GuestPath::parse(text);
    return path ? Status{} : Status(fail(std::move(path).error()));
}

Status check_device(std::string_view text) {
    constexpr std::size_t longest_name = 4095;
    if (!text.starts_with("/dev/") || text.size() > longest_name) {
        // Scripts know the error of libguestfs, which looks for such a file.
        auto error = os_error(fmt::format("'{}': the name of a device begins with /dev/",
                                          printable(text.substr(0, 80))),
                              ENOENT);
        error.code = Code::InvalidArgument;
        return fail(std::move(error));
    }
    if (text.find("/../") != std::string_view::npos || text.ends_with("/.."))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}': '..' is not allowed", printable(text)));
    return {};
}

Status check_text(const std::string& text, Type type) {
    if (type != Type::Bytes && type != Type::Key && text.find('\0') != std::string::npos)
        return fail(Code::InvalidArgument, "the text has a NUL byte");
    switch (type) {
    case Type::Path:
        return check_path(text);
    case Type::Device:
    case Type::Devices:
        return check_device(text);
    case Type::Mountable: {
        if (!text.starts_with(subvolume_mark))
            return check_device(text);
        // It becomes a mount option.
        if (text.find(',') != std::string::npos)
            return fail(Code::InvalidArgument,
                        fmt::format("'{}': a subvolume's name has no comma", printable(text)));
        return check_device(std::string_view(text).substr(subvolume_mark.size()));
    }
    default:
        return {};
    }
}

Status check_value(const Json& value, Type type) {
    if (!has_type(value, type))
        return fail(Code::InvalidArgument, fmt::format("it must be {}", words_for(type)));
    if (value.is_string())
        return check_text(value.get_ref<const std::string&>(), type);
    if (value.is_array())
        for (const auto& each : value)
            SLIPWAY_CHECK(check_text(each.get_ref<const std::string&>(), type));
    return {};
}

} // namespace

const Signature* find_signature(std::string_view name) {
    for (const auto& alias : aliases())
        if (alias.name == name)
            name = alias.meant;
    auto all = signatures();
    auto found = std::lower_bound(all.begin(), all.end(), name,
                                  [](const auto& each, auto text) { return each.name < text; });
    return found != all.end() && found->name == name ? &*found : nullptr;
}

Status check_arguments(const Signature& signature, const Json& arguments) {
    if (!arguments.is_array() || arguments.size() > signature.parameters.size())
        return fail(Code::InvalidArgument,
                    fmt::format("it takes {} arguments", signature.parameters.size()));
    for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
        const auto& parameter = signature.parameters[i];
        if (i >= arguments.size() || arguments[i].is_null()) {
            if (!parameter.nullable)
                return fail(Code::InvalidArgument,
                            fmt::format("the argument '{}' is missing", parameter.name));
            continue;
        }
        if (auto good = check_value(arguments[i], parameter.type); !good) {
            auto error = std::move(good).error();
            error.what = fmt::format("the argument '{}': {}", parameter.name, error.what);
            return fail(std::move(error));
        }
    }
    return {};
}

} // namespace slipway::guestfs
