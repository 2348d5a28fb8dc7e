// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <array>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json_rpc.hpp"
#include "base/strings.hpp"

namespace slipway {
namespace {

struct CodeRow {
    Code code;
    std::string_view name;
    int exit_code;
    int json_rpc_code;
};

// The one table from codes to the world outside.
constexpr std::array code_table{
    CodeRow{Code::InvalidArgument, "invalidArgument", 2, json_rpc::invalid_params},
    CodeRow{Code::NotFound, "notFound", 4, json_rpc::resource_not_found},
    CodeRow{Code::Exists, "exists", 4, json_rpc::server_error},
    CodeRow{Code::Busy, "busy", 4, json_rpc::server_error},
    CodeRow{Code::Unsupported, "unsupported", 3, json_rpc::server_error},
    CodeRow{Code::Permission, "permission", 3, json_rpc::server_error},
    CodeRow{Code::NoSpace, "noSpace", 4, json_rpc::server_error},
    CodeRow{Code::Corrupt, "corrupt", 4, json_rpc::server_error},
    CodeRow{Code::KeyRequired, "keyRequired", 4, json_rpc::server_error},
    CodeRow{Code::Timeout, "timeout", 4, json_rpc::server_error},
    CodeRow{Code::Cancelled, "cancelled", 130, json_rpc::server_error},
    CodeRow{Code::ToolFailed, "toolFailed", 4, json_rpc::server_error},
    CodeRow{Code::Protocol, "protocol", 5, json_rpc::internal_error},
    CodeRow{Code::Internal, "internal", 5, json_rpc::internal_error},
};

// A block graph in QEMU's JSON is for the report; a person reads "json:…".
std::string without_graphs(std::string text) {
    constexpr std::string_view start = "json:{";
    for (auto at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
        auto end = at + start.size();
        for (int depth = 1; end < text.size() && depth > 0; ++end)
            depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
        text.replace(at, end - at, "json:…");
    }
    return text;
}

} // namespace

Code code_of_errno(int errno_value) {
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:
    case ENODEV:
        return Code::NotFound;
    case EEXIST:
    case ENOTEMPTY:
        return Code::Exists;
    case EADDRINUSE:
    case EBUSY:
    case EAGAIN:
    case ETXTBSY:
        return Code::Busy;
    case EPERM:
    case EACCES:
    case EROFS:
        return Code::Permission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return Code::NoSpace;
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
        return Code::Unsupported;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
    case EXDEV:
        return Code::InvalidArgument;
    case ETIMEDOUT:
        return Code::Timeout;
    case EIO:
    case EUCLEAN:
    case EBADMSG:
    case EILSEQ:
        return Code::Corrupt;
    case EPIPE:
    case ECONNRESET:
        return Code::Protocol;
    default:
        return Code::Internal;
    }
}

Error os_error(std::string what, int errno_value) {
    return Error{
        .code = code_of_errno(errno_value), .what = std::move(what), .errno_value = errno_value};
}

std::string_view name_of(Code code) {
    for (const auto& row : code_table)
        if (row.code == code)
            return row.name;
    return "internal";
}

std::optional<Code> code_named(std::string_view name) {
    for (const auto& row : code_table)
        if (row.name == name)
            return row.code;
    return std::nullopt;
}

int exit_code_of(Code code) {
    for (const auto& row : code_table)
        if (row.code == code)
            return row.exit_code;
    return 5;
}

int json_rpc::code_of(Code code) {
    for (const auto& row : code_table)
        if (row.code == code)
            return row.json_rpc_code;
    return internal_error;
}

std::string render_line(const Error& error) {
    std::string text = printable(error.what);
    if (error.errno_value != 0)
        text += fmt::format(": {}", std::strerror(error.errno_value));
    for (const auto& outer : error.context)
        text = fmt::format("{}: {}", printable(outer), text);
    return text;
}

std::string render_text(const Error& error) {
    auto text = render_line(error);
    // What a tool said when it was stopped on request is of no interest.
    if (error.tool && error.code != Code::Cancelled) {
        if (!error.tool->argv.empty())
            text +=
                without_graphs(fmt::format("\n  command: {}", fmt::join(error.tool->argv, " ")));
        if (error.tool->exit_status >= 0)
            text += fmt::format(" (exit status {})", error.tool->exit_status);
        if (!error.tool->stderr_tail.empty())
            text +=
                without_graphs(fmt::format("\n  it said: {}", printable(error.tool->stderr_tail)));
    }
    if (!error.hint.empty())
        text += fmt::format("\n  try: {}", error.hint);
    return text;
}

} // namespace slipway
