// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include <augeas.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/path_editor.hpp"

namespace slipway::guest {
namespace {

constexpr auto lenses = "/usr/share/augeas/lenses";

struct Augeas {
    augeas* handle;

    [[nodiscard]] tl::unexpected<Error> failure() const {
        std::string text = aug_error_message(handle);
        for (const auto* more : {aug_error_minor_message(handle), aug_error_details(handle)})
            if (more != nullptr && *more != '\0')
                text += fmt::format(": {}", more);
        auto code = aug_error(handle);
        if (code == AUG_ENOMATCH || code == AUG_ENOLENS)
            return fail(Code::NotFound, text);
        return fail(code == AUG_ENOMEM ? Code::NoSpace : Code::InvalidArgument, text);
    }
    [[nodiscard]] Result<Json> number(int result) const {
        if (result < 0)
            return failure();
        return Json(result);
    }
    [[nodiscard]] Result<Json> done(int result) const {
        if (result < 0)
            return failure();
        return Json();
    }
};

/// Of a call, as text; null where it was left out.
class Arguments {
public:
    explicit Arguments(const Json& list) : list_(list) {}
    [[nodiscard]] const char* text(std::size_t index) const {
        return index < list_.size() && list_[index].is_string()
                   ? list_[index].get_ref<const std::string&>().c_str()
                   : nullptr;
    }
    [[nodiscard]] bool truth(std::size_t index) const {
        return index < list_.size() && list_[index].is_boolean() && list_[index].get<bool>();
    }

private:
    const Json& list_;
};

Result<Json> text_or_failure(Augeas tree, int found, const char* text, const char* path) {
    if (found < 0)
        return tree.failure();
    if (found == 0)
        return fail(Code::NotFound, fmt::format("nothing matches {}", printable(path)));
    if (text == nullptr)
        return fail(Code::NotFound, fmt::format("{} has no value", printable(path)));
    return Json(text);
}

Result<Json> get(Augeas tree, const Arguments& given) {
    const char* value = nullptr;
    auto found = aug_get(tree.handle, given.text(0), &value);
    return text_or_failure(tree, found, value, given.text(0));
}
Result<Json> label(Augeas tree, const Arguments& given) {
    const char* value = nullptr;
    auto found = aug_label(tree.handle, given.text(0), &value);
    return text_or_failure(tree, found, value, given.text(0));
}
Result<Json> set(Augeas tree, const Arguments& given) {
    return tree.done(aug_set(tree.handle, given.text(0), given.text(1)));
}
Result<Json> setm(Augeas tree, const Arguments& given) {
    const auto* sub = given.text(1);
    bool itself = sub == nullptr || *sub == '\0';
    return tree.number(aug_setm(tree.handle, given.text(0), itself ? nullptr : sub, given.text(2)));
}
Result<Json> clear(Augeas tree, const Arguments& given) {
    return tree.done(aug_set(tree.handle, given.text(0), nullptr));
}
Result<Json> insert(Augeas tree, const Arguments& given) {
    return tree.done(aug_insert(tree.handle, given.text(0), given.text(1), given.truth(2) ? 1 : 0));
}
Result<Json> move(Augeas tree, const Arguments& given) {
    return tree.done(aug_mv(tree.handle, given.text(0), given.text(1)));
}
Result<Json> remove(Augeas tree, const Arguments& given) {
    return tree.number(aug_rm(tree.handle, given.text(0)));
}
Result<Json> define_variable(Augeas tree, const Arguments& given) {
    return tree.number(aug_defvar(tree.handle, given.text(0), given.text(1)));
}
Result<Json> define_node(Augeas tree, const Arguments& given) {
    int created = 0;
    auto count = aug_defnode(tree.handle, given.text(0), given.text(1), given.text(2), &created);
    if (count < 0)
        return tree.failure();
    return Json{{"i", count}, {"b", created}};
}
Result<Json> load(Augeas tree, const Arguments&) {
    return tree.done(aug_load(tree.handle));
}
// Which files could not be written, and why: the handle itself knows of no error then.
std::string refused_files(augeas* handle) {
    constexpr std::string_view mark = "/augeas/files";
    char** matches = nullptr;
    int count = aug_match(handle, "/augeas/files//error", &matches);
    std::string text;
    for (int i = 0; i < count; ++i) {
        std::string node(matches[i]);
        const char* message = nullptr;
        const char* kind = nullptr;
        aug_get(handle, node.c_str(), &kind);
        aug_get(handle, (node + "/message").c_str(), &message);
        auto file = node.substr(mark.size(), node.rfind('/') - mark.size());
        text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", printable(file),
                            printable(message != nullptr ? message
                                      : kind != nullptr  ? kind
                                                         : ""));
        std::free(matches[i]);
    }
    std::free(matches);
    return text;
}

Result<Json> save(Augeas tree, const Arguments&) {
    if (aug_save(tree.handle) == 0)
        return Json();
    if (auto text = refused_files(tree.handle);
        aug_error(tree.handle) == AUG_NOERROR && !text.empty())
        return fail(Code::InvalidArgument, text);
    return tree.failure();
}
Result<Json> transform(Augeas tree, const Arguments& given) {
    return tree.done(
        aug_transform(tree.handle, given.text(0), given.text(1), given.truth(2) ? 1 : 0));
}

Result<Json> paths_that_match(Augeas tree, const char* expression) {
    char** matches = nullptr;
    auto count = aug_match(tree.handle, expression, &matches);
    if (count < 0)
        return tree.failure();
    auto paths = Json::array();
    for (int i = 0; i < count; ++i) {
        paths.push_back(matches[i]);
        std::free(matches[i]);
    }
    std::free(matches);
    return paths;
}
Result<Json> match(Augeas tree, const Arguments& given) {
    return paths_that_match(tree, given.text(0));
}
Result<Json> list(Augeas tree, const Arguments& given) {
    std::string_view path = given.text(0);
    if (path.size() > 1 && (path.ends_with('/') || path.ends_with(']') || path.ends_with('*')))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}': a path of one node is needed", printable(path)));
    SLIPWAY_TRY(auto paths,
                paths_that_match(tree, fmt::format("{}/*", path == "/" ? "" : path).c_str()));
    std::sort(paths.begin(), paths.end());
    return paths;
}

struct Call {
    std::string_view name;
    Result<Json> (*answer)(Augeas, const Arguments&);
};
constexpr std::array calls{
    Call{"aug_get", get},
    Call{"aug_label", label},
    Call{"aug_set", set},
    Call{"aug_setm", setm},
    Call{"aug_clear", clear},
    Call{"aug_insert", insert},
    Call{"aug_mv", move},
    Call{"aug_rm", remove},
    Call{"aug_defvar", define_variable},
    Call{"aug_defnode", define_node},
    Call{"aug_load", load},
    Call{"aug_save", save},
    Call{"aug_transform", transform},
    Call{"aug_match", match},
    Call{"aug_ls", list},
};

class AugeasEditor final : public PathEditor {
public:
    AugeasEditor(augeas* handle, bool load_files) : handle_(handle), load_files_(load_files) {}
    ~AugeasEditor() override { aug_close(handle_); }

    Status begin() override {
        if (load_files_ && aug_load(handle_) != 0)
            return Augeas{handle_}.failure();
        return {};
    }
    Result<Json> call(std::string_view name, const Json& arguments) override {
        for (const auto& each : calls)
            if (each.name == name)
                return each.answer(Augeas{handle_}, Arguments(arguments));
        return fail(Code::InvalidArgument, fmt::format("there is no call '{}'", name));
    }

private:
    augeas* handle_;
    bool load_files_;
};

} // namespace

Result<std::unique_ptr<PathEditor>> make_augeas(const Json& opening) {
    if (::access(lenses, R_OK) != 0)
        return fail(Code::Unsupported, "this machine has no lenses of Augeas",
                    "apt install augeas-lenses");
    auto flags = json_get<unsigned>(opening, "flags");
    auto root = json_get<std::string>(opening, "root", "/");
    // The guest's files come when we are inside.
    auto* handle = aug_init(root.c_str(), nullptr, flags | AUG_NO_LOAD | AUG_NO_ERR_CLOSE);
    if (handle == nullptr)
        return fail(Code::NoSpace, "Augeas cannot start");
    auto editor = std::make_unique<AugeasEditor>(handle, (flags & AUG_NO_LOAD) == 0);
    if (aug_error(handle) != AUG_NOERROR)
        return Augeas{handle}.failure();
    return editor;
}

} // namespace slipway::guest
