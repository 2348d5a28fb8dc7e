// SPDX-License-Identifier: Apache-2.0
// The one error style of Slipway: every function that can fail returns Result<T>.
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace slipway {

/// What kind of failure it is. `exit_code_of` maps it to the program's exit code, and the API
/// bindings map it to errno and exception types; nothing else may.
enum class Code {
    InvalidArgument, ///< the caller asked for something malformed
    NotFound,        ///< the named thing is not there
    Exists,          ///< the thing to be made is there already
    Busy,            ///< somebody else uses it
    Unsupported,     ///< this host, engine or format cannot do it
    Permission,      ///< privilege is missing
    NoSpace,         ///< a disk, filesystem or limit is full
    Corrupt,         ///< the input contradicts itself
    KeyRequired,     ///< encrypted, and no key was given
    Timeout,         ///< a deadline passed
    Cancelled,       ///< the user or caller asked us to stop
    ToolFailed,      ///< an external program failed
    Protocol,        ///< a peer (worker, supervisor) broke the protocol or died
    Internal,        ///< a bug of ours
};

/// The external program behind a ToolFailed error.
struct ToolFailure {
    std::vector<std::string> argv;
    int exit_status = 0; ///< 0-255, or 128+N for signal N
    std::string stderr_tail;
};

/// Why something failed: code, what we were doing, errno, tool, outer contexts, and what to do
/// next.
struct Error {
    Code code = Code::Internal;
    std::string what;
    int errno_value = 0;
    std::optional<ToolFailure> tool;
    std::vector<std::string> context; ///< innermost first
    std::string hint;

    /// Adds an outer "while …" and returns itself, for chaining in a return statement.
    Error&& in(std::string text) && {
        context.push_back(std::move(text));
        return std::move(*this);
    }
    /// Sets what the user can do about it.
    Error&& advise(std::string text) && {
        hint = std::move(text);
        return std::move(*this);
    }
};

/// Result of an operation that can fail. Never ignored silently.
template <class T> class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using tl::expected<T, Error>::expected;
    Result(tl::expected<T, Error>&& other) : tl::expected<T, Error>(std::move(other)) {}
};
using Status = Result<void>;

/// Wraps an error for `return fail(...)`.
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}
[[nodiscard]] inline tl::unexpected<Error> fail(Code code, std::string what,
                                                std::string hint = {}) {
    Error error{.code = code, .what = std::move(what)};
    error.hint = std::move(hint);
    return fail(std::move(error));
}

/// The code that an errno stands for (ENOENT is NotFound, …; the unknown ones are Internal).
[[nodiscard]] Code code_of_errno(int errno_value);
/// An Error from errno; `what` says what was being done, on what.
[[nodiscard]] Error os_error(std::string what, int errno_value = errno);
[[nodiscard]] inline tl::unexpected<Error> fail_errno(std::string what, int errno_value = errno) {
    return fail(os_error(std::move(what), errno_value));
}

/// Lower-camel name of a code for JSON ("notFound") and back.
[[nodiscard]] std::string_view name_of(Code code);
[[nodiscard]] std::optional<Code> code_named(std::string_view name);
/// Exit code of the command line for an error of this kind: 2 usage, 3 environment, 4 image or
/// tool, 5 bug.
[[nodiscard]] int exit_code_of(Code code);
/// What failed and why, on one line, for a sentence that says more.
[[nodiscard]] std::string render_line(const Error& error);
/// One or more lines for a person: what failed, why, and what to do next.
[[nodiscard]] std::string render_text(const Error& error);

} // namespace slipway

#define SLIPWAY_CONCAT_INNER(a, b) a##b
#define SLIPWAY_CONCAT(a, b) SLIPWAY_CONCAT_INNER(a, b)

/// `SLIPWAY_TRY(auto file, open_it());` declares `file`, or returns the error.
#define SLIPWAY_TRY(declaration, ...)                                                              \
    auto SLIPWAY_CONCAT(slipway_result_, __LINE__) = (__VA_ARGS__);                                \
    if (!SLIPWAY_CONCAT(slipway_result_, __LINE__))                                                \
        return ::slipway::fail(std::move(SLIPWAY_CONCAT(slipway_result_, __LINE__)).error());      \
    declaration = std::move(*SLIPWAY_CONCAT(slipway_result_, __LINE__))

/// `SLIPWAY_CHECK(do_it());` returns the error of a Status, if any.
#define SLIPWAY_CHECK(...)                                                                         \
    do {                                                                                           \
        if (auto slipway_status = (__VA_ARGS__); !slipway_status)                                  \
            return ::slipway::fail(std::move(slipway_status).error());                             \
    } while (false)
