// SPDX-License-Identifier: Apache-2.0
// Calls on Windows registries.
#include "calls/inside_calls.hpp"

namespace slipway::calls {
namespace {

using std::int64_t, std::string;

constexpr auto no_handle = "there is no handle of a hive: call hivex_open first";

Status hivex_open(Machine& machine, const sys::GuestPath& path, std::optional<bool> /*verbose*/,
                  std::optional<bool> /*debug*/, std::optional<bool> write,
                  std::optional<bool> unsafe) {
    SLIPWAY_TRY(auto root, machine.root());
    machine.hive.reset();
    // What is no file would be waited for.
    SLIPWAY_TRY([[maybe_unused]] auto file, root.open_path(path, O_RDONLY));
    SLIPWAY_TRY(machine.hive, Inside::start(*machine.host.runner, root, "hive",
                                            {{"path", path.str()},
                                             {"write", write.value_or(false)},
                                             {"unsafe", unsafe.value_or(false)}}));
    return {};
}

Status hivex_close(Machine& machine) {
    if (!machine.hive)
        return fail(Code::InvalidArgument, no_handle);
    machine.hive.reset();
    return {};
}

template <CallName name, class... T> Result<Json> ask(Machine& machine, const T&... arguments) {
    return hand_on(machine.hive, no_handle, name.view(), argument_list(arguments...));
}

Status node_set_value(Machine& machine, int64_t node, const string& key, int64_t type,
                      const Input& input) {
    SLIPWAY_TRY(auto bytes, input.whole());
    SLIPWAY_CHECK(ask<"hivex_node_set_value">(machine, node, key, type, bytes));
    return {};
}

Status value_value(Machine& machine, int64_t value, const Output& output) {
    SLIPWAY_TRY(auto bytes, ask<"hivex_value_value">(machine, value));
    return output.send(bytes.get_ref<const string&>());
}

} // namespace

Calls hivex_calls() {
    using Path = std::optional<sys::GuestPath>;
    static constexpr Call calls[] = {
        {"hivex_open", bind<hivex_open>},
        {"hivex_close", bind<hivex_close>},
        {"hivex_commit", bind<&ask<"hivex_commit", Path>>},
        {"hivex_node_add_child", bind<&ask<"hivex_node_add_child", int64_t, string>>},
        {"hivex_node_children", bind<&ask<"hivex_node_children", int64_t>>},
        {"hivex_node_delete_child", bind<&ask<"hivex_node_delete_child", int64_t>>},
        {"hivex_node_get_child", bind<&ask<"hivex_node_get_child", int64_t, string>>},
        {"hivex_node_get_value", bind<&ask<"hivex_node_get_value", int64_t, string>>},
        {"hivex_node_name", bind<&ask<"hivex_node_name", int64_t>>},
        {"hivex_node_parent", bind<&ask<"hivex_node_parent", int64_t>>},
        {"hivex_node_set_value", bind<node_set_value>},
        {"hivex_node_values", bind<&ask<"hivex_node_values", int64_t>>},
        {"hivex_root", bind<&ask<"hivex_root">>},
        {"hivex_value_key", bind<&ask<"hivex_value_key", int64_t>>},
        {"hivex_value_string", bind<&ask<"hivex_value_string", int64_t>>},
        {"hivex_value_type", bind<&ask<"hivex_value_type", int64_t>>},
        {"hivex_value_utf8", bind<&ask<"hivex_value_string", int64_t>>},
        {"hivex_value_value", bind<value_value>},
    };
    return calls;
}

} // namespace slipway::calls
