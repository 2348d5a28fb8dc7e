// SPDX-License-Identifier: Apache-2.0
// Calls on XFS.
#include <algorithm>
#include <array>

#include <fcntl.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/tool_options.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;
using Kind = ToolOption::Kind;

// The mount point of this process that a guest path is, for tools that look it up.
Result<std::string> mounted_at(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto real, root.real_path(path));
    for (auto each = machine.mounted.rbegin(); each != machine.mounted.rend(); ++each)
        if (each->place == real.str())
            return each->volume.target();
    return fail(os_error(fmt::format("{}: nothing is mounted there", path.str()), EINVAL));
}

struct Field {
    std::string_view line; ///< first word of the line, or of the line that it goes on
    std::string_view key;  ///< "" for the first one behind '='
    std::string_view name;
};
// xfs_info(8): "meta-data=/dev/sda1 isize=512 agcount=4, agsize=…", with further lines of '='.
constexpr std::array fields{
    Field{"meta-data", "isize", "xfs_inodesize"}, Field{"meta-data", "agcount", "xfs_agcount"},
    Field{"meta-data", "agsize", "xfs_agsize"},   Field{"meta-data", "sectsz", "xfs_sectsize"},
    Field{"meta-data", "attr", "xfs_attr"},       Field{"data", "bsize", "xfs_blocksize"},
    Field{"data", "blocks", "xfs_datablocks"},    Field{"data", "imaxpct", "xfs_imaxpct"},
    Field{"data", "sunit", "xfs_sunit"},          Field{"data", "swidth", "xfs_swidth"},
    Field{"naming", "", "xfs_dirversion"},        Field{"naming", "bsize", "xfs_dirblocksize"},
    Field{"naming", "ascii-ci", "xfs_cimode"},    Field{"log", "bsize", "xfs_logblocksize"},
    Field{"log", "blocks", "xfs_logblocks"},      Field{"log", "version", "xfs_logversion"},
    Field{"log", "sectsz", "xfs_logsectsize"},    Field{"log", "sunit", "xfs_logsunit"},
    Field{"log", "lazy-count", "xfs_lazycount"},  Field{"realtime", "extsz", "xfs_rtextsize"},
    Field{"realtime", "blocks", "xfs_rtblocks"},  Field{"realtime", "rtextents", "xfs_rtextents"}};

std::string_view strip(std::string_view word) {
    while (!word.empty() && word.back() == ',')
        word.remove_suffix(1);
    return word;
}

// "version 2", "sunit=8 blks" and "agcount=4, " are all there.
Json parse_info(std::string_view text) {
    Json record{{"xfs_mntpoint", ""}, {"xfs_logname", ""}, {"xfs_rtname", ""}};
    for (const auto& field : fields)
        record[std::string(field.name)] = -1;
    std::string section;
    for (auto line : split_lines(text)) {
        auto equals = line.find('=');
        if (equals == std::string_view::npos)
            continue;
        auto rest = line.substr(equals + 1);
        auto words = split_words(rest);
        if (auto name = trim(line.substr(0, equals)); !name.empty()) {
            section = std::string(name);
            if (words.empty())
                continue;
            auto key = section == "meta-data"  ? "xfs_mntpoint"
                       : section == "log"      ? "xfs_logname"
                       : section == "realtime" ? "xfs_rtname"
                                               : "";
            if (*key != '\0')
                record[key] = std::string(words.front());
        }
        std::string spread;
        for (auto word : words)
            spread += std::string(word) + " ";
        // "version 2": the value is a word of its own, and so may be the one behind "bsize=".
        spread = replace_all(spread, "=", " ");
        auto tokens = split_words(spread);
        for (const auto& field : fields) {
            if (field.line != section)
                continue;
            for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
                if (!field.key.empty() && tokens[i] == field.key)
                    if (auto number = parse_number(strip(tokens[i + 1])))
                        record[std::string(field.name)] = *number;
        }
        if (section == "naming") {
            auto version = std::find(tokens.begin(), tokens.end(), "version");
            auto number = version == tokens.end() || std::next(version) == tokens.end()
                              ? std::nullopt
                              : parse_number(*std::next(version));
            if (number)
                record["xfs_dirversion"] = *number;
        }
    }
    return record;
}

Result<Json> xfs_info(Machine& machine, const std::string& path_or_device) {
    std::string place;
    if (path_or_device.starts_with("/dev/")) {
        SLIPWAY_TRY(auto device, machine.find_device(path_or_device));
        place = device.name;
        for (const auto& each : machine.mounted)
            if (each.source == device.name)
                place = each.volume.target();
    } else {
        SLIPWAY_TRY(auto path, sys::GuestPath::parse(path_or_device));
        SLIPWAY_TRY(place, mounted_at(machine, path));
    }
    // xfs_info itself is a shell script around these.
    Strings words = place.starts_with("/dev/") ? Strings{"xfs_db", "-r", "-c", "info", place}
                                               : Strings{"xfs_growfs", "-n", place};
    SLIPWAY_TRY(auto text, machine.run(std::move(words)));
    return parse_info(text);
}

// In the order of the call's arguments behind the path; xfs_growfs(8).
constexpr ToolOption grow_options[] = {
    {Kind::Flag, "-d"},   {Kind::Flag, "-l"},   {Kind::Flag, "-r"},   {Kind::Number, "-D"},
    {Kind::Number, "-L"}, {Kind::Number, "-R"}, {Kind::Number, "-e"}, {Kind::Number, "-m"},
};
Result<Json> xfs_growfs(Machine& machine, const Json& arguments, work::Peer& peer) {
    Request request{machine, arguments, peer};
    SLIPWAY_TRY(auto path, Parameter<GuestPath>::take(request, arguments.at(0)));
    SLIPWAY_TRY(auto place, mounted_at(machine, path));
    SLIPWAY_TRY(auto words, words_of(grow_options, arguments, 1));
    words.insert(words.begin(), "xfs_growfs");
    words.push_back(place);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return Json();
}

// xfs_admin is a shell script around xfs_db; these are the commands that it gives it (xfs_db(8)).
Result<Json> xfs_admin(Machine& machine, const Json& arguments, work::Peer& peer) {
    enum : std::size_t { Unwritten = 1, File, Version2, Projid, Lazy, Label, Uuid };
    Request request{machine, arguments, peer};
    SLIPWAY_TRY(auto device, Parameter<Device>::take(request, arguments.at(0)));
    auto given = [&](std::size_t index) {
        return index < arguments.size() && !arguments[index].is_null();
    };
    auto chosen = [&](std::size_t index) { return given(index) && arguments[index].get<bool>(); };
    Strings words{"xfs_db", "-x", "-p", "xfs_admin"};
    if (chosen(File))
        words.emplace_back("-f");
    auto command = [&words](std::string text) {
        words.insert(words.end(), {"-c", std::move(text)});
    };
    if (chosen(Unwritten))
        command("version extflg");
    if (chosen(Version2))
        command("version log2");
    if (chosen(Projid))
        command("version projid32bit");
    if (given(Lazy))
        return fail(Code::Unsupported, "lazy counters are always on with XFS of version 5");
    for (auto [index, name] : {std::pair<std::size_t, const char*>{Label, "label"}, {Uuid, "uuid"}})
        if (given(index)) {
            auto value = arguments[index].get<std::string>();
            if (value.find_first_of("\"\\' \t\n;") != std::string::npos)
                return fail(Code::InvalidArgument,
                            fmt::format("'{}' is no {} of XFS", printable(value), name));
            command(fmt::format("{} {}", name, value));
        }
    words.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done, machine.run(std::move(words)));
    return Json();
}

// In the order of the call's arguments behind the device; xfs_repair(8).
constexpr ToolOption repair_options[] = {
    {Kind::Flag, "-L"},
    {Kind::Flag, "-n"},
    {Kind::Flag, "-P"},
    {Kind::Flag, "-o", "force_geometry"},
    {Kind::Number, "-m"},
    {Kind::Number, "-o", "ihash="},
    {Kind::Number, "-o", "bhash="},
    {Kind::Number, "-o", "ag_stride="},
    {Kind::Text, "-l"},
    {Kind::Text, "-r"},
};
Result<Json> xfs_repair(Machine& machine, const Json& arguments, work::Peer& peer) {
    Request request{machine, arguments, peer};
    SLIPWAY_TRY(auto device, Parameter<Device>::take(request, arguments.at(0)));
    SLIPWAY_TRY(auto words, words_of(repair_options, arguments, 1));
    for (std::size_t index : {9U, 10U})
        if (index < arguments.size() && arguments[index].is_string())
            SLIPWAY_CHECK(machine.find_device(arguments[index].get<std::string>()));
    words.insert(words.begin(), "xfs_repair");
    words.push_back(device.name);
    constexpr int corrupt = 1, dirty_log = 2;
    SLIPWAY_TRY(auto done, machine.run_tool({.argv = std::move(words)}, {0, corrupt, dirty_log}));
    return Json(done.status);
}

} // namespace

Calls xfs_calls() {
    static constexpr Call calls[] = {
        {"xfs_admin", xfs_admin},
        {"xfs_growfs", xfs_growfs},
        {"xfs_info", bind<xfs_info>},
        {"xfs_repair", xfs_repair},
    };
    return calls;
}

} // namespace slipway::calls
