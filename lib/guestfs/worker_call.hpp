// SPDX-License-Identifier: Apache-2.0
// A call of the API as a request to a worker, with its streams. Private to the module.
#pragma once

#include <functional>
#include <string>

#include "guestfs/events.hpp"
#include "guestfs/signature.hpp"
#include "session/client.hpp"

namespace slipway::guestfs {

/// OpenImage::call and the like.
using AskWorker = std::function<Result<Json>(const std::string& operation, Json arguments,
                                             const session::CallHooks& hooks)>;

/// `arguments` as for `check_arguments`; files and bytes among them go as the request's input, and
/// what the worker sends becomes the file or the value. `events` get the progress.
[[nodiscard]] Result<Json> call_of_worker(const Signature& signature, const Json& arguments,
                                          const Cancel& cancel, const Events& events,
                                          const AskWorker& ask);

} // namespace slipway::guestfs
