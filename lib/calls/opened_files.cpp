// SPDX-License-Identifier: Apache-2.0
#include "calls/opened_files.hpp"

#include <sys/stat.h>

#include <fmt/format.h>

namespace slipway::calls {

Result<Json> OpenedFiles::handle(std::string_view operation, const Json& arguments,
                                 work::Peer& peer) {
    if (!files_ || operation == "close") {
        files_.reset();
        auto answer = worker_.handle(operation, arguments, peer);
        if (answer && operation == "mount") {
            ::umask(0);
            files_ = std::make_unique<Machine>();
            files_->given_root = json_get<std::string>(*answer, "directory");
        }
        return answer;
    }
    const auto* call = find_call(operation);
    if (call == nullptr)
        return fail(Code::InvalidArgument, fmt::format("there is no call '{}'", operation));
    return call->handle(*files_, json_at(arguments, "args"), peer);
}

Status OpenedFiles::close() {
    files_.reset();
    return worker_.close();
}

} // namespace slipway::calls
