// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests_store.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "sys/directories.hpp"
#include "sys/output_file.hpp"
#include "sys/unique_mark.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t largest_record = 256 << 20;

Result<std::string> state_directory(const char* name) {
    return sys::user_directory("XDG_STATE_HOME", ".local/state", name);
}
Result<std::string> baseline_directory() {
    return sys::user_directory("XDG_DATA_HOME", ".local/share", "baselines");
}

Status replace_file(const std::string& path, std::string_view content) {
    SLIPWAY_TRY(auto file, sys::OutputFile::create(path, {.replace = true}));
    SLIPWAY_CHECK(sys::write_all(file.fd(), content));
    return file.publish();
}

std::string utc(const char* format) {
    auto now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

bool is_plain(std::string_view name) {
    return !name.empty() && name.size() <= 100 && name.front() != '.' &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-") == std::string_view::npos;
}

Result<std::string> baseline_path(const std::string& name) {
    if (!is_plain(name))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no name of a baseline", printable(name)),
                    "use letters, digits, '.', '_' and '-'");
    SLIPWAY_TRY(auto directory, baseline_directory());
    return fmt::format("{}/{}.json", directory, name);
}

Result<fstests::Baseline> read_baseline(const std::string& path) {
    SLIPWAY_TRY(auto text, sys::read_file(path, largest_record));
    SLIPWAY_TRY(auto json, parse_json(text, path));
    auto baseline = fstests::baseline_from_json(json);
    if (!baseline)
        return fail(std::move(baseline).error().in(fmt::format("reading {}", path)));
    return baseline;
}

// The names of runs begin with the time; what lies elsewhere has a link here.
Result<std::string> newest_run() {
    SLIPWAY_TRY(auto directory, state_directory("fstests/runs"));
    std::string newest;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(directory, failed))
        if (auto path = entry.path().string();
            path > newest && ::access((path + "/result.json").c_str(), R_OK) == 0)
            newest = path;
    if (newest.empty())
        return fail(Code::NotFound, fmt::format("there is no run in {}", directory),
                    "`slipway fstests run` makes one; or name the result.json of a run");
    return newest;
}

Result<std::string> durations_path(const Timed& timed) {
    constexpr std::size_t digits = 16;
    SLIPWAY_TRY(auto directory, state_directory("fstests/times"));
    SLIPWAY_CHECK(sys::make_directories(directory));
    SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
    digest->add(timed.suite);
    return fmt::format("{}/{}-{}.time", directory, digest->finish().substr(0, digits),
                       timed.fstype);
}

Result<std::string> runs_directory() {
    SLIPWAY_TRY(auto runs, state_directory("fstests/runs"));
    SLIPWAY_CHECK(sys::make_directories(runs));
    // Machines leave files there that are this user's, and may be set-uid programs.
    if (::chmod(runs.c_str(), 0700) != 0)
        return fail_errno(fmt::format("closing {} to others", runs));
    return runs;
}

auto taken(const std::string& baseline) {
    return fail(Code::Exists, fmt::format("there is a baseline {} already", baseline),
                "choose another name, or replace it (--force)");
}

} // namespace

std::string utc_now() {
    return utc("%Y-%m-%dT%H:%M:%SZ");
}

Result<std::string> make_run_directory(const std::string& wanted) {
    std::error_code failed;
    auto runs = runs_directory();
    if (!wanted.empty()) {
        auto path = fs::absolute(wanted, failed).lexically_normal().string();
        SLIPWAY_CHECK(sys::make_directories(path));
        if (!fs::is_empty(path, failed) || failed)
            return fail(Code::Exists, fmt::format("{} is not empty", path),
                        "name a new directory for the files of the run");
        if (runs) // without a home it is not found as the newest
            fs::create_directory_symlink(
                path, fmt::format("{}/{}-{}", *runs, utc("%Y%m%d-%H%M%S"), sys::unique_mark()),
                failed);
        return path;
    }
    if (!runs)
        return fail(std::move(runs).error());
    // Two runs that begin in the same second do not meet.
    auto path = fmt::format("{}/{}-XXXXXX", *runs, utc("%Y%m%d-%H%M%S"));
    if (::mkdtemp(path.data()) == nullptr)
        return fail_errno(fmt::format("making {}", path));
    fs::permissions(path, fs::perms(0755), failed);
    return path;
}

Status keep_run(const fstests::Run& run) {
    return replace_file(run.directory + "/result.json",
                        render_json_pretty(fstests::to_json(run)) + "\n");
}

fstests::Durations known_durations(const Timed& timed) {
    auto path = durations_path(timed);
    auto text = path ? sys::read_file(*path) : fail(Code::NotFound, "none");
    return text ? fstests::parse_check_time(*text) : fstests::Durations{};
}

Status keep_durations(const Timed& timed, const fstests::Durations& new_ones) {
    if (new_ones.empty())
        return {};
    SLIPWAY_TRY(auto path, durations_path(timed));
    auto all = new_ones;
    all.merge(known_durations(timed));
    return replace_file(path, fstests::render_check_time(all));
}

Result<fstests::Run> load_run(const std::string& path) {
    auto file = path;
    if (file.empty()) {
        SLIPWAY_TRY(file, newest_run());
    }
    std::error_code failed;
    if (fs::is_directory(file, failed))
        file += "/result.json";
    SLIPWAY_TRY(auto text, sys::read_file(file, largest_record));
    SLIPWAY_TRY(auto json, parse_json(text, file));
    auto run = fstests::run_from_json(json);
    if (!run)
        return fail(std::move(run).error().in(fmt::format("reading {}", file)));
    return run;
}

Status keep_begun(const fstests::Run& run) {
    auto begun = run;
    begun.error = Error{.code = Code::ToolFailed, .what = "it is running, or was killed"};
    return keep_run(begun);
}

Status check_new_baseline(const std::string& name, bool replace) {
    SLIPWAY_TRY(auto path, baseline_path(name));
    std::error_code ignored;
    return fs::exists(path, ignored) && !replace ? Status(taken(name)) : Status{};
}

Result<fstests::Baseline> save_baseline(const std::string& name, const fstests::Run& run,
                                        bool replace) {
    SLIPWAY_TRY(auto path, baseline_path(name));
    if (run.error)
        return fail(Code::InvalidArgument,
                    fmt::format("the run {} ended early, and is no baseline", run.id),
                    "run the tests to their end");
    if (run.tests.empty())
        return fail(Code::InvalidArgument,
                    fmt::format("the run {} has no tests, and is no baseline", run.id));
    SLIPWAY_CHECK(sys::make_directories(std::string(dirname_of(path))));
    auto baseline = fstests::make_baseline(run, name, utc_now());
    auto file = sys::OutputFile::create(path, {.replace = replace});
    if (!file && file.error().code == Code::Exists)
        return taken(name);
    if (!file)
        return fail(std::move(file).error());
    SLIPWAY_CHECK(
        sys::write_all(file->fd(), render_json_pretty(fstests::to_json(baseline)) + "\n"));
    SLIPWAY_CHECK(file->publish());
    return baseline;
}

Result<std::vector<fstests::Baseline>> list_baselines(const Context& context) {
    SLIPWAY_TRY(auto directory, baseline_directory());
    std::vector<fstests::Baseline> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(directory, failed)) {
        if (entry.path().extension() != ".json")
            continue;
        auto baseline = read_baseline(entry.path().string());
        if (baseline)
            found.push_back(*std::move(baseline));
        else
            context.host.log.warning("{}", render_line(baseline.error()));
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return found;
}

Result<fstests::Baseline> show_baseline(const std::string& name) {
    SLIPWAY_TRY(auto path, baseline_path(name));
    if (::access(path.c_str(), F_OK) != 0)
        return fail(Code::NotFound, fmt::format("there is no baseline {}", name),
                    "`slipway fstests baseline list` lists them");
    return read_baseline(path);
}

Status check_comparable(const std::string& name, const std::string& fstype) {
    SLIPWAY_TRY(auto baseline, show_baseline(name));
    if (baseline.fstype != fstype)
        return fail(
            Code::InvalidArgument,
            fmt::format("the baseline {} is of {}, and the run of {}", name, baseline.fstype,
                        fstype),
            "`slipway fstests baseline list` tells of which file systems there are baselines");
    return {};
}

Result<fstests::Comparison> compare_baseline(const std::string& name, const fstests::Run& run) {
    SLIPWAY_TRY(auto baseline, show_baseline(name));
    SLIPWAY_CHECK(check_comparable(name, run.fstype));
    if (run.error)
        return fail(Code::Corrupt,
                    fmt::format("the run {} ended early, and cannot be compared: {}", run.id,
                                render_line(*run.error)),
                    "compare one that came to its end; `slipway fstests baseline compare NAME RUN` "
                    "names it");
    return fstests::compare(baseline, run);
}

Json to_json(const std::vector<fstests::Baseline>& baselines) {
    auto list = Json::array();
    for (const auto& baseline : baselines)
        list.push_back({{"name", baseline.name},
                        {"saved", baseline.saved},
                        {"run", baseline.run},
                        {"kernel_release", baseline.kernel_release},
                        {"fstype", baseline.fstype},
                        {"selection", baseline.selection},
                        {"tests", baseline.tests.size()}});
    return {{"baselines", list}};
}

} // namespace slipway::ops
