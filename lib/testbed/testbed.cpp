// SPDX-License-Identifier: Apache-2.0
#include "testbed/testbed.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "testbed/program.hpp"
#include "testbed/root_tree.hpp"

namespace slipway::testbed {
namespace {

RootTree tree_from_json(const Json& json) {
    RootTree tree{.root = share_from_json(json_at(json, "root")),
                  .overlay = json_get<bool>(json, "overlay", true),
                  .modules = share_from_json(json_at(json, "modules")),
                  .loud = json_get<bool>(json, "loud", true)};
    for (const auto& share : json_at(json, "shares"))
        tree.shares.push_back(share_from_json(share));
    return tree;
}

} // namespace

Result<Json> Testbed::handle(std::string_view operation, const Json& arguments, work::Peer& peer) {
    if (operation == "testbed" && !entered_) {
        SLIPWAY_CHECK(enter_root_tree(tree_from_json(arguments)));
        entered_ = true;
        utsname names{};
        ::uname(&names);
        return Json{{"release", names.release}};
    }
    if (operation == "close")
        return close() ? Result<Json>(Json::object()) : fail_errno("writing all back");
    if (operation == "command" && entered_)
        return run_program(arguments, peer);
    return fail(Code::InvalidArgument, fmt::format("a testbed has no operation {} now", operation));
}

Status Testbed::close() {
    end_all_others();
    ::sync();
    return {};
}

} // namespace slipway::testbed
