// SPDX-License-Identifier: Apache-2.0
// Calls of Augeas.
#include "calls/inside_calls.hpp"

namespace slipway::calls {
namespace {

using std::string;

constexpr auto no_handle = "there is no handle of Augeas: call aug_init first";

Status aug_init(Machine& machine, const sys::GuestPath& root, std::int64_t flags) {
    SLIPWAY_TRY(auto directory, machine.root());
    machine.augeas.reset();
    SLIPWAY_TRY(machine.augeas, Inside::start(*machine.host.runner, directory, "augeas",
                                              {{"root", root.str()}, {"flags", flags}}));
    return {};
}

template <CallName name, class... T> Result<Json> ask(Machine& machine, const T&... arguments) {
    return hand_on(machine.augeas, no_handle, name.view(), argument_list(arguments...));
}

Status aug_close(Machine& machine) {
    if (!machine.augeas)
        return fail(Code::InvalidArgument, no_handle);
    machine.augeas.reset();
    return {};
}

} // namespace

Calls augeas_calls() {
    using Truth = std::optional<bool>;
    using Text = std::optional<string>;
    static constexpr Call calls[] = {
        {"aug_init", bind<aug_init>},
        {"aug_close", bind<aug_close>},
        {"aug_clear", bind<&ask<"aug_clear", string>>},
        {"aug_defnode", bind<&ask<"aug_defnode", string, string, string>>},
        {"aug_defvar", bind<&ask<"aug_defvar", string, Text>>},
        {"aug_get", bind<&ask<"aug_get", string>>},
        {"aug_insert", bind<&ask<"aug_insert", string, string, bool>>},
        {"aug_label", bind<&ask<"aug_label", string>>},
        {"aug_load", bind<&ask<"aug_load">>},
        {"aug_ls", bind<&ask<"aug_ls", string>>},
        {"aug_match", bind<&ask<"aug_match", string>>},
        {"aug_mv", bind<&ask<"aug_mv", string, string>>},
        {"aug_rm", bind<&ask<"aug_rm", string>>},
        {"aug_save", bind<&ask<"aug_save">>},
        {"aug_set", bind<&ask<"aug_set", string, string>>},
        {"aug_setm", bind<&ask<"aug_setm", string, Text, string>>},
        {"aug_transform", bind<&ask<"aug_transform", string, string, Truth>>},
    };
    return calls;
}

Result<Json> hand_on(const std::unique_ptr<Inside>& inside, const char* without,
                     std::string_view name, const Json& arguments) {
    if (!inside)
        return fail(Code::InvalidArgument, without);
    return inside->call(name, arguments);
}

} // namespace slipway::calls
