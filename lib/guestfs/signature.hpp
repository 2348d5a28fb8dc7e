// SPDX-License-Identifier: Apache-2.0
// The calls of the API, their parameters and results, as calls.txt lists them.
#pragma once

#include <span>
#include <string_view>

#include "base/json.hpp"

namespace slipway::guestfs {

enum class Type {
    None,
    String,
    Path,
    Device,
    Mountable,
    Key,
    Int,
    Bool,
    Strings,
    Devices,
    Bytes,
    FileIn,  ///< name of a file of the caller's that is read
    FileOut, ///< of one that is written
    Hash,    ///< a list of pairs of strings
    Record,
    Records,
};

struct Parameter {
    std::string_view name;
    Type type;
    bool nullable; ///< or left out
    bool optional; ///< may be left out
};

enum class Where { Worker, Client, None };

struct Signature {
    std::string_view name;
    Where where;
    std::span<const Parameter> parameters;
    Type result;
};
struct Alias {
    std::string_view name;
    std::string_view meant;
};

/// All calls of libguestfs, in the order of their names, also those that are not supported.
[[nodiscard]] std::span<const Signature> signatures();
[[nodiscard]] std::span<const Alias> aliases();
/// By its name or an alias; null where there is none.
[[nodiscard]] const Signature* find_signature(std::string_view name);

/// Whether `arguments`, a list with null for what is left out, suits the call. InvalidArgument says
/// which does not: a wrong type, a NUL byte, a path that is not absolute, has ".." or a name that
/// is too long, a device outside of /dev.
[[nodiscard]] Status check_arguments(const Signature& signature, const Json& arguments);

} // namespace slipway::guestfs
