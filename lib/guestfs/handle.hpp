// SPDX-License-Identifier: Apache-2.0
// The API that users of libguestfs know: a handle with drives, which is launched, asked and closed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "guestfs/events.hpp"
#include "guestfs/signature.hpp"

namespace slipway::guestfs {

using Hash = std::vector<std::pair<std::string, std::string>>;
#include "guestfs/generated/options.hpp"
#include "guestfs/generated/records.hpp"

/// Of a new handle.
struct HandleOptions {
    std::string engine = "auto"; ///< "auto", "host" or "sandbox"
    bool environment = true;     ///< follow LIBGUESTFS_TRACE and the like
    /// Asked again and again while a call is under way; true stops it.
    std::function<bool()> interrupted{};
};

class HandleState;

/// One handle is one session: its calls come one after the other, also from several threads.
/// Handles know nothing of each other. Errors name the call, "cat: opening /none in the
/// guest: No such file or directory": InvalidArgument for what is malformed or comes at the wrong
/// time, Protocol when the worker has died, which closes the handle.
///
/// What is written to drives stays in overlays until `shutdown` or `close`: then all drives are
/// changed, or none.
class Handle {
public:
    explicit Handle(HandleOptions options = {});
    Handle(Handle&&) noexcept;
    Handle& operator=(Handle&&) noexcept;
    /// `close`, whose error is logged.
    ~Handle();

    /// Carries out a call by its name; `arguments` as for `check_arguments`. Bytes and text are
    /// JSON strings of any bytes, a hash is an object, a record too.
    [[nodiscard]] Result<Json> call(std::string_view name, const Json& arguments);
    /// Brings the changes into the drives, and ends everything. Later calls fail.
    [[nodiscard]] Status close();
    [[nodiscard]] bool is_closed() const;
    /// Has the callback told of the events in the mask; the number is for delete_event_callback.
    /// Neither may be called on a handle that was moved away.
    int set_event_callback(EventCallback callback, std::uint64_t mask);
    void delete_event_callback(int number);

#include "guestfs/generated/methods.hpp"

private:
    std::unique_ptr<HandleState> state_;
};

} // namespace slipway::guestfs
