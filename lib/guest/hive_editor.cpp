// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

#include <hivex.h>
#include <iconv.h>

#include <fmt/format.h>

#include "guest/path_editor.hpp"

namespace slipway::guest {
namespace {

// hivex hands out memory of malloc.
template <class T> std::unique_ptr<T, void (*)(void*)> owned(T* memory) {
    return {memory, std::free};
}

// What glibc would load when hivex first asks for it, then from the guest. They stay open, so that
// they stay loaded.
void load_conversions() {
    constexpr std::array<std::pair<const char*, const char*>, 4> conversions{
        {{"UTF-8", "UTF-16LE"}, {"UTF-16LE", "UTF-8"}, {"UTF-8", "LATIN1"}, {"LATIN1", "UTF-8"}}};
    for (const auto& [to, from] : conversions)
        (void)::iconv_open(to, from); // without it text of that kind is an error
}

/// Of a call.
class Arguments {
public:
    explicit Arguments(const Json& list) : list_(list) {}
    [[nodiscard]] std::size_t handle(std::size_t index) const {
        return index < list_.size() && list_[index].is_number_integer()
                   ? static_cast<std::size_t>(list_[index].get<std::int64_t>())
                   : 0;
    }
    [[nodiscard]] const char* text(std::size_t index) const {
        return index < list_.size() && list_[index].is_string()
                   ? list_[index].get_ref<const std::string&>().c_str()
                   : nullptr;
    }
    [[nodiscard]] std::string bytes(std::size_t index) const {
        return index < list_.size() && list_[index].is_string() ? list_[index].get<std::string>()
                                                                : std::string{};
    }

private:
    const Json& list_;
};

tl::unexpected<Error> failure(const char* what) {
    return fail_errno(what, errno == 0 ? EINVAL : errno);
}

// 0 means both that there is none and that something is wrong; errno tells.
Result<Json> handle_or_failure(std::size_t handle, const char* what) {
    if (handle == 0 && errno != 0)
        return failure(what);
    return Json(handle);
}

template <class Handle>
Result<Json> list_of(Handle* handles, const char* member, const char* what) {
    auto list = owned(handles);
    if (!list)
        return failure(what);
    auto records = Json::array();
    for (std::size_t i = 0; list.get()[i] != 0; ++i)
        records.push_back({{member, list.get()[i]}});
    return records;
}

Result<Json> text_of(char* memory, const char* what) {
    auto text = owned(memory);
    if (!text)
        return failure(what);
    return Json(text.get());
}

Result<Json> root(hive_h* hive, const Arguments&) {
    return handle_or_failure(hivex_root(hive), "the root");
}
Result<Json> node_name(hive_h* hive, const Arguments& given) {
    return text_of(hivex_node_name(hive, given.handle(0)), "the node's name");
}
Result<Json> node_children(hive_h* hive, const Arguments& given) {
    return list_of(hivex_node_children(hive, given.handle(0)), "hivex_node_h",
                   "the node's children");
}
Result<Json> node_values(hive_h* hive, const Arguments& given) {
    return list_of(hivex_node_values(hive, given.handle(0)), "hivex_value_h", "the node's values");
}
Result<Json> node_get_child(hive_h* hive, const Arguments& given) {
    return handle_or_failure(hivex_node_get_child(hive, given.handle(0), given.text(1)),
                             "the node's child");
}
Result<Json> node_get_value(hive_h* hive, const Arguments& given) {
    return handle_or_failure(hivex_node_get_value(hive, given.handle(0), given.text(1)),
                             "the node's value");
}
Result<Json> node_parent(hive_h* hive, const Arguments& given) {
    auto parent = hivex_node_parent(hive, given.handle(0));
    if (parent == 0)
        return failure("the node's parent");
    return Json(parent);
}
Result<Json> node_add_child(hive_h* hive, const Arguments& given) {
    auto child = hivex_node_add_child(hive, given.handle(0), given.text(1));
    if (child == 0)
        return failure("adding a child");
    return Json(child);
}
Result<Json> node_delete_child(hive_h* hive, const Arguments& given) {
    if (hivex_node_delete_child(hive, given.handle(0)) != 0)
        return failure("deleting a child");
    return Json();
}
Result<Json> node_set_value(hive_h* hive, const Arguments& given) {
    auto key = given.bytes(1);
    auto bytes = given.bytes(3);
    hive_set_value value{.key = key.data(),
                         .t = static_cast<hive_type>(given.handle(2)),
                         .len = bytes.size(),
                         .value = bytes.data()};
    if (hivex_node_set_value(hive, given.handle(0), &value, 0) != 0)
        return failure("setting a value");
    return Json();
}
Result<Json> value_key(hive_h* hive, const Arguments& given) {
    return text_of(hivex_value_key(hive, given.handle(0)), "the value's key");
}
Result<Json> value_string(hive_h* hive, const Arguments& given) {
    return text_of(hivex_value_string(hive, given.handle(0)), "the value as text");
}
Result<Json> value_type(hive_h* hive, const Arguments& given) {
    hive_type type{};
    std::size_t length = 0;
    if (hivex_value_type(hive, given.handle(0), &type, &length) != 0)
        return failure("the value's type");
    return Json(static_cast<std::int64_t>(type));
}
Result<Json> value_value(hive_h* hive, const Arguments& given) {
    hive_type type{};
    std::size_t length = 0;
    auto bytes = owned(hivex_value_value(hive, given.handle(0), &type, &length));
    if (!bytes)
        return failure("the value");
    return Json(std::string(bytes.get(), length));
}
Result<Json> commit(hive_h* hive, const Arguments& given) {
    if (hivex_commit(hive, given.text(0), 0) != 0)
        return failure("writing the hive");
    return Json();
}

struct Call {
    std::string_view name;
    Result<Json> (*answer)(hive_h*, const Arguments&);
};
constexpr std::array calls{
    Call{"hivex_root", root},
    Call{"hivex_node_name", node_name},
    Call{"hivex_node_children", node_children},
    Call{"hivex_node_values", node_values},
    Call{"hivex_node_get_child", node_get_child},
    Call{"hivex_node_get_value", node_get_value},
    Call{"hivex_node_parent", node_parent},
    Call{"hivex_node_add_child", node_add_child},
    Call{"hivex_node_delete_child", node_delete_child},
    Call{"hivex_node_set_value", node_set_value},
    Call{"hivex_value_key", value_key},
    Call{"hivex_value_string", value_string},
    Call{"hivex_value_type", value_type},
    Call{"hivex_value_value", value_value},
    Call{"hivex_commit", commit},
};

class HiveEditor final : public PathEditor {
public:
    HiveEditor(std::string path, int flags) : path_(std::move(path)), flags_(flags) {}
    ~HiveEditor() override {
        if (hive_ != nullptr)
            hivex_close(hive_);
    }
    Status begin() override {
        errno = 0;
        hive_ = hivex_open(path_.c_str(), flags_);
        if (hive_ == nullptr)
            return fail_errno(path_, errno == 0 ? EINVAL : errno);
        return {};
    }
    Result<Json> call(std::string_view name, const Json& arguments) override {
        for (const auto& each : calls)
            if (each.name == name) {
                errno = 0;
                return each.answer(hive_, Arguments(arguments));
            }
        return fail(Code::InvalidArgument, fmt::format("there is no call '{}'", name));
    }

private:
    std::string path_;
    int flags_;
    hive_h* hive_ = nullptr;
};

} // namespace

Result<std::unique_ptr<PathEditor>> make_hive(const Json& opening) {
    load_conversions();
    int flags = 0;
    if (json_get<bool>(opening, "write"))
        flags |= HIVEX_OPEN_WRITE;
    if (json_get<bool>(opening, "unsafe"))
        flags |= HIVEX_OPEN_UNSAFE;
    return std::make_unique<HiveEditor>(json_get<std::string>(opening, "path"), flags);
}

} // namespace slipway::guest
