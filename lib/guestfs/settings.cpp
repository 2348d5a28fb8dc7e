// SPDX-License-Identifier: Apache-2.0
// Settings of a handle: most are kept for clients that ask, few change anything.
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guestfs/client_calls.hpp"

namespace slipway::guestfs {
namespace {

using State = HandleState;
using Strings = std::vector<std::string>;

constexpr char append[] = "append", autosync[] = "autosync", backend[] = "backend",
               backend_settings[] = "backend_settings", cachedir[] = "cachedir",
               direct[] = "direct", hv[] = "hv", identifier[] = "identifier", memsize[] = "memsize",
               network[] = "network", path[] = "path", pgroup[] = "pgroup", program[] = "program",
               recovery_proc[] = "recovery_proc", selinux[] = "selinux", smp[] = "smp",
               sockdir[] = "sockdir", tmpdir[] = "tmpdir", trace[] = "trace", verbose[] = "verbose",
               allow_backing[] = "allow_backing"; // of images that name backing files

template <const char* name> Result<Json> get(State& state, const Json&) {
    return state.settings.at(name);
}
/// At any time.
template <const char* name> Result<Json> keep(State& state, const Json& arguments) {
    state.settings[name] = arguments.at(0);
    return Json();
}
Status before_launch(const State& state) {
    return state.opened ? fail(Code::InvalidArgument, "the handle is launched already",
                               "settings are made before launch")
                        : Status{};
}
template <const char* name> Result<Json> set(State& state, const Json& arguments) {
    SLIPWAY_CHECK(before_launch(state));
    return keep<name>(state, arguments);
}

Result<Json> set_memsize(State& state, const Json& arguments) {
    constexpr int least = 256;
    if (arguments.at(0) < least)
        return fail(Code::InvalidArgument, fmt::format("memsize is at least {} MiB", least));
    return set<memsize>(state, arguments);
}
Result<Json> set_smp(State& state, const Json& arguments) {
    if (arguments.at(0) < 1 || arguments.at(0) > 255)
        return fail(Code::InvalidArgument, "there are 1 to 255 processors");
    return set<smp>(state, arguments);
}
Result<Json> set_identifier(State& state, const Json& arguments) {
    auto name = text_at(arguments, 0);
    if (!std::all_of(name.begin(), name.end(), [](unsigned char each) {
            return std::isalnum(each) != 0 || each == '-' || each == '_';
        }))
        return fail(Code::InvalidArgument, "an identifier has letters, digits, '-' and '_' only");
    return keep<identifier>(state, arguments);
}
// None brings the value of a new handle back.
template <const char* name> Result<Json> set_or_reset(State& state, const Json& arguments) {
    SLIPWAY_CHECK(before_launch(state));
    state.settings[name] =
        arguments.at(0).is_null() ? default_settings(false).at(name) : arguments.at(0);
    return Json();
}

Status check_backend(const std::string& name) {
    for (std::string_view known : {"direct", "libvirt", "uml"})
        if (name == known)
            return {};
    if (name.starts_with("libvirt:") || name.starts_with("unix:"))
        return {};
    return fail(Code::InvalidArgument, fmt::format("invalid backend: {}", printable(name)),
                "it is kept for compatibility: direct, libvirt, uml");
}
Result<Json> set_backend(State& state, const Json& arguments) {
    SLIPWAY_CHECK(check_backend(text_at(arguments, 0)));
    return set<backend>(state, arguments);
}
// The older name, of the time when there were two.
Result<Json> get_attach_method(State& state, const Json&) {
    const auto& name = state.settings.at(backend);
    return name == "direct" ? Json("appliance") : name;
}
Result<Json> set_attach_method(State& state, const Json& arguments) {
    return text_at(arguments, 0) == "appliance" ? set_backend(state, {"direct"})
                                                : set_backend(state, arguments);
}

bool is_named(const std::string& setting, const std::string& name) {
    return setting == name || setting.starts_with(name + "=");
}
Result<Json> get_backend_setting(State& state, const Json& arguments) {
    auto name = text_at(arguments, 0);
    for (const auto& setting : state.settings.at(backend_settings).get<Strings>())
        if (is_named(setting, name))
            return setting == name ? "1" : setting.substr(name.size() + 1);
    return fail(Code::NotFound, fmt::format("there is no setting '{}'", printable(name)));
}
Result<Json> clear_backend_setting(State& state, const Json& arguments) {
    SLIPWAY_CHECK(before_launch(state));
    auto name = text_at(arguments, 0);
    auto settings = state.settings.at(backend_settings).get<Strings>();
    auto removed =
        std::erase_if(settings, [&](const auto& setting) { return is_named(setting, name); });
    state.settings[backend_settings] = settings;
    return removed;
}
Result<Json> set_backend_setting(State& state, const Json& arguments) {
    SLIPWAY_CHECK(clear_backend_setting(state, arguments));
    state.settings[backend_settings].push_back(
        fmt::format("{}={}", text_at(arguments, 0), text_at(arguments, 1)));
    return Json();
}

// What libguestfs takes for a truth.
std::optional<bool> truth_of(std::string_view text) {
    for (std::string_view word : {"1", "true", "t", "yes", "y", "on"})
        if (to_lower(text) == word)
            return true;
    for (std::string_view word : {"0", "false", "f", "no", "n", "off", ""})
        if (to_lower(text) == word)
            return false;
    return std::nullopt;
}

struct Variable {
    std::string_view name, setting;
};
constexpr Variable variables[] = {{"LIBGUESTFS_TRACE", trace},
                                  {"LIBGUESTFS_DEBUG", verbose},
                                  {"LIBGUESTFS_MEMSIZE", memsize},
                                  {"LIBGUESTFS_TMPDIR", tmpdir},
                                  {"LIBGUESTFS_CACHEDIR", cachedir},
                                  {"LIBGUESTFS_PATH", path},
                                  {"LIBGUESTFS_HV", hv},
                                  {"LIBGUESTFS_QEMU", hv},
                                  {"LIBGUESTFS_APPEND", append},
                                  {"LIBGUESTFS_BACKEND", backend},
                                  {"LIBGUESTFS_ATTACH_METHOD", backend},
                                  {"LIBGUESTFS_BACKEND_SETTINGS", backend_settings},
                                  {"TMPDIR", tmpdir},
                                  {"SLIPWAY_ALLOW_BACKING", allow_backing}};

Status follow(HandleState::Settings& settings, const Variable& variable, const std::string& value) {
    auto& setting = settings[std::string(variable.setting)];
    if (variable.setting == trace || variable.setting == verbose ||
        variable.setting == allow_backing) {
        auto truth = truth_of(value);
        if (!truth)
            return fail(
                Code::InvalidArgument,
                fmt::format("{}={}: this is no truth value", variable.name, printable(value)),
                "use 1 or 0");
        setting = *truth;
    } else if (variable.setting == memsize) {
        auto number = parse_number(value);
        if (!number)
            return fail(Code::InvalidArgument,
                        fmt::format("{}={}: this is no number", variable.name, printable(value)),
                        "use MiB");
        setting = *number;
    } else if (variable.setting == backend_settings) {
        setting = Json::array();
        for (auto each : split(value, ':'))
            if (!each.empty())
                setting.push_back(std::string(each));
    } else {
        setting = value;
    }
    return {};
}

// `value_of` a variable; nothing where it is not set.
template <class F> Status follow_all(HandleState::Settings& settings, const F& value_of) {
    for (const auto& variable : variables)
        if (auto value = value_of(variable.name))
            SLIPWAY_CHECK(follow(settings, variable, *value));
    return {};
}
std::optional<std::string> in_environment(std::string_view name) {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<Json> parse_environment(State& state, const Json&) {
    SLIPWAY_CHECK(before_launch(state));
    SLIPWAY_CHECK(follow_all(state.settings, in_environment));
    return Json();
}
Result<Json> parse_environment_list(State& state, const Json& arguments) {
    SLIPWAY_CHECK(before_launch(state));
    auto list = list_at(arguments, 0);
    SLIPWAY_CHECK(follow_all(state.settings, [&](std::string_view name) {
        std::optional<std::string> value;
        for (const auto& each : list)
            if (is_named(each, std::string(name)) && each.size() > name.size())
                value = each.substr(name.size() + 1);
        return value;
    }));
    return Json();
}

} // namespace

HandleState::Settings default_settings(bool environment) {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    HandleState::Settings settings{{append, Json()},
                                   {autosync, true},
                                   {backend, "direct"},
                                   {backend_settings, Json::array()},
                                   {cachedir, "/var/tmp"},
                                   {direct, false},
                                   {hv, ""},
                                   {identifier, ""},
                                   {memsize, 1280},
                                   {network, false},
                                   {path, "/usr/lib/slipway"},
                                   {pgroup, false},
                                   {program, ""},
                                   {recovery_proc, true},
                                   {selinux, false},
                                   {smp, 1},
                                   {sockdir, ::geteuid() != 0 && runtime ? runtime : "/tmp"},
                                   {tmpdir, "/tmp"},
                                   {allow_backing, false},
                                   {trace, false},
                                   {verbose, false}};
    // What is malformed is told by parse_environment; here nobody asks.
    if (environment)
        for (const auto& variable : variables)
            if (auto value = in_environment(variable.name))
                static_cast<void>(follow(settings, variable, *value));
    return settings;
}

ClientCalls setting_calls() {
    static constexpr ClientEntry calls[] = {
        {"clear_backend_setting", clear_backend_setting},
        {"get_append", get<append>},
        {"get_attach_method", get_attach_method},
        {"get_autosync", get<autosync>},
        {"get_backend", get<backend>},
        {"get_backend_setting", get_backend_setting},
        {"get_backend_settings", get<backend_settings>},
        {"get_cachedir", get<cachedir>},
        {"get_direct", get<direct>},
        {"get_hv", get<hv>},
        {"get_identifier", get<identifier>},
        {"get_memsize", get<memsize>},
        {"get_network", get<network>},
        {"get_path", get<path>},
        {"get_pgroup", get<pgroup>},
        {"get_program", get<program>},
        {"get_qemu", get<hv>},
        {"get_recovery_proc", get<recovery_proc>},
        {"get_selinux", get<selinux>},
        {"get_smp", get<smp>},
        {"get_sockdir", get<sockdir>},
        {"get_tmpdir", get<tmpdir>},
        {"get_trace", get<trace>},
        {"get_verbose", get<verbose>},
        {"parse_environment", parse_environment},
        {"parse_environment_list", parse_environment_list},
        {"set_append", set_or_reset<append>},
        {"set_attach_method", set_attach_method},
        {"set_autosync", keep<autosync>},
        {"set_backend", set_backend},
        {"set_backend_setting", set_backend_setting},
        {"set_backend_settings", set<backend_settings>},
        {"set_cachedir", set_or_reset<cachedir>},
        {"set_direct", set<direct>},
        {"set_hv", set<hv>},
        {"set_identifier", set_identifier},
        {"set_memsize", set_memsize},
        {"set_network", set<network>},
        {"set_path", set_or_reset<path>},
        {"set_pgroup", set<pgroup>},
        {"set_program", keep<program>},
        {"set_qemu", set<hv>},
        {"set_recovery_proc", set<recovery_proc>},
        {"set_selinux", set<selinux>},
        {"set_smp", set_smp},
        {"set_tmpdir", set_or_reset<tmpdir>},
        {"set_trace", keep<trace>},
        {"set_verbose", keep<verbose>},
    };
    return calls;
}

} // namespace slipway::guestfs
