// SPDX-License-Identifier: Apache-2.0
#include "rootfs/mirror.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "sys/unique_mark.hpp"

namespace slipway::rootfs {
namespace {

constexpr long day = 86400;
constexpr auto helper = "/usr/lib/apt/apt-helper";

// What is remembered of a mirror and suite.
struct Memory {
    Release release;
    long asked = 0; ///< seconds since 1970
};

std::string memory_file(const Cache& cache, const std::string& mirror, const std::string& suite) {
    auto digest = archive::open_digest("sha256");
    if (!digest)
        return {};
    constexpr std::size_t digits = 16;
    (*digest)->add(mirror + " " + suite);
    return fmt::format("{}/{}-{}.json", cache.mirrors(), suite,
                       (*digest)->finish().substr(0, digits));
}

std::optional<Memory> recall(const std::string& file) {
    auto text = sys::read_file(file);
    auto json = text ? parse_json(*text, file) : Result<Json>(fail(std::move(text).error()));
    if (!json)
        return std::nullopt;
    Memory memory{.release = {.origin = json_get<std::string>(*json, "origin"),
                              .codename = json_get<std::string>(*json, "codename"),
                              .date = json_get<long>(*json, "date")},
                  .asked = json_get<long>(*json, "asked")};
    return memory.release.date > 0 ? std::optional(memory) : std::nullopt;
}

void remember(const std::string& file, const std::string& mirror, const Memory& memory) {
    // Whole or not at all; what is not written is asked again.
    auto passing = fmt::format("{}.{}", file, sys::unique_mark());
    auto text = render_json_pretty({{"mirror", mirror},
                                    {"origin", memory.release.origin},
                                    {"codename", memory.release.codename},
                                    {"date", memory.release.date},
                                    {"asked", memory.asked}});
    if (!sys::write_file(passing, text) || ::rename(passing.c_str(), file.c_str()) != 0)
        ::unlink(passing.c_str());
}

std::vector<std::string> environment_for_apt() {
    std::vector<std::string> environment;
    for (const std::string name : {"http_proxy", "https_proxy", "no_proxy"})
        if (const char* value = std::getenv(name.c_str()); value != nullptr)
            environment.push_back(name + "=" + value);
    return environment;
}

// NotFound where the mirror answers that it has no such file; Timeout and others where it does not
// answer.
Result<Release> ask(const sys::Host& host, const Cache& cache, const std::string& mirror,
                    const std::string& suite) {
    auto file = fmt::format("{}/release-{}-{}", cache.mirrors(), suite, sys::unique_mark());
    sys::ProcessSpec spec;
    spec.argv = {helper,
                 "download-file",
                 "-o",
                 "APT::Sandbox::User=root",
                 "-o",
                 "Acquire::http::Timeout=20",
                 "-o",
                 "Acquire::Retries=0",
                 fmt::format("{}/dists/{}/InRelease", mirror, suite),
                 file};
    spec.env = environment_for_apt();
    SLIPWAY_TRY(
        auto captured,
        sys::run(*host.runner, spec, {.deadline = std::chrono::minutes(2), .cancel = host.cancel}));
    auto text = captured.status == 0
                    ? sys::read_file(file, 4 << 20)
                    : Result<std::string>(fail(Code::ToolFailed, "fetching the release"));
    ::unlink(file.c_str());
    ::unlink((file + ".FAILED").c_str());
    if (text)
        return parse_release(*text);
    auto said = captured.out + captured.err;
    if (said.find("404") != std::string::npos || said.find("File not found") != std::string::npos ||
        said.find("No such file") != std::string::npos)
        return fail(Code::NotFound, fmt::format("{} has no release {}", mirror, suite));
    std::string why;
    for (auto line : split_lines(said))
        if (line.starts_with("E: ") && why.empty())
            why = std::string(trim(line.substr(3)));
    return fail(Code::Timeout, fmt::format("{} does not answer: {}", mirror, printable(why)));
}

Result<std::string> ask_tool(const sys::Host& host, std::vector<std::string> argv,
                             const char* package) {
    sys::ProcessSpec spec{.argv = std::move(argv)};
    auto captured =
        sys::run(*host.runner, spec, {.deadline = std::chrono::minutes(1), .cancel = host.cancel});
    if (!captured && captured.error().code == Code::NotFound)
        return fail(Code::Unsupported,
                    fmt::format("{}, and test roots are made with it", captured.error().what),
                    fmt::format("apt install {}", package));
    if (!captured)
        return fail(std::move(captured).error());
    SLIPWAY_CHECK(sys::check_tool(spec, *captured, fmt::format("running {}", spec.argv[0])));
    return std::move(captured->out);
}

Result<Suite> choose_suite(const sys::Host& host, const Cache& cache, const std::string& name,
                           const SourceWish& wish) {
    if (auto known = find_suite(name))
        return *known;
    if (!is_root_name(name) || wish.mirror.empty())
        return fail(
            Code::InvalidArgument,
            fmt::format("'{}' is no release that is known here", printable(name)),
            fmt::format("known are {}; any other needs --mirror", join(suite_names(), ", ")));
    SLIPWAY_TRY(auto release, ask(host, cache, wish.mirror, name));
    const auto* distribution = find_distribution(release.origin);
    if (distribution == nullptr)
        return fail(Code::Unsupported, fmt::format("{} serves {}, which is neither Debian nor "
                                                   "Ubuntu",
                                                   wish.mirror, printable(release.origin)));
    return Suite{name, "", distribution};
}

// Both stand in a line of sources.list(5).
Status check_words(const SourceWish& wish) {
    bool is_url = wish.mirror.starts_with("http://") || wish.mirror.starts_with("https://");
    if (!wish.mirror.empty() &&
        (!is_url || wish.mirror.find_first_of(" \t\n\"[]") != std::string::npos))
        return fail(Code::InvalidArgument, fmt::format("'{}' is no mirror", printable(wish.mirror)),
                    "give its URL, such as http://deb.debian.org/debian");
    if (wish.keyring.find_first_of(" \t\n\"[],") != std::string::npos)
        return fail(
            Code::InvalidArgument,
            fmt::format("apt does not take '{}' as a file of keys", printable(wish.keyring)),
            "copy it to a path without spaces, brackets and commas");
    return {};
}

Result<std::string> digest_of(const std::string& file) {
    SLIPWAY_TRY(auto content, sys::read_file(file, 16 << 20));
    SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
    digest->add(content);
    return digest->finish();
}

struct Answer {
    std::string mirror;
    Release release;
    std::string note{};
};

// The first mirror that serves the suite.
Result<Answer> first_answer(const sys::Host& host, const Cache& cache, const std::string& suite,
                            const std::vector<std::string>& mirrors, const SourceWish& wish) {
    auto now = std::time(nullptr);
    std::optional<Error> silent;
    for (const auto& mirror : mirrors) {
        auto file = memory_file(cache, mirror, suite);
        auto memory = recall(file);
        bool fresh = memory && now - memory->asked < day && now >= memory->asked && !wish.refresh;
        if (memory && (fresh || wish.offline))
            return Answer{mirror, memory->release};
        if (wish.offline)
            continue;
        auto release = ask(host, cache, mirror, suite);
        if (release) {
            remember(file, mirror, {*release, now});
            return Answer{mirror, *release};
        }
        if (release.error().code == Code::Cancelled)
            return fail(std::move(release).error());
        if (memory)
            return Answer{mirror, memory->release,
                          fmt::format("{}; what it had on {} is used", render_line(release.error()),
                                      iso_date(memory->release.date))};
        if (release.error().code != Code::NotFound && !silent)
            silent = std::move(release).error();
    }
    if (silent) {
        silent->code = Code::NotFound;
        return fail(std::move(*silent).advise(
            "look after the network, or name another mirror with --mirror"));
    }
    return fail(Code::NotFound, fmt::format("{} has no release {}", join(mirrors, " or "), suite),
                "name another mirror with --mirror, or another release with --release");
}

} // namespace

Result<Release> parse_release(std::string_view text) {
    Release release;
    for (auto line : split_lines(text)) {
        auto colon = line.find(':');
        if (colon == std::string_view::npos || line.starts_with(' '))
            continue;
        auto key = line.substr(0, colon);
        std::string value(trim(line.substr(colon + 1)));
        if (key == "Origin")
            release.origin = value;
        else if (key == "Codename")
            release.codename = value;
        else if (key == "Date") {
            std::tm parts{};
            if (::strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S", &parts) != nullptr)
                release.date = ::timegm(&parts);
        }
    }
    if (release.date <= 0)
        return fail(Code::Corrupt, "the mirror's release file has no date",
                    "a proxy or login page may stand between this machine and the mirror");
    return release;
}

std::map<std::string, std::string> find_proxies(const sys::Host& host) {
    std::map<std::string, std::string> proxies;
    auto text = ask_tool(host, {"apt-config", "dump", "--no-empty", "--format", "%f\t%v%n"}, "apt");
    for (auto line : split_lines(text.value_or(""))) {
        auto fields = split(line, '\t');
        if (fields.size() == 2 &&
            (fields[0] == "Acquire::http::Proxy" || fields[0] == "Acquire::https::Proxy"))
            proxies[std::string(fields[0])] = std::string(fields[1]);
    }
    for (const auto& setting : environment_for_apt()) {
        auto equals = setting.find('=');
        auto name = setting.substr(0, setting.find('_'));
        if (!setting.starts_with("no_"))
            proxies.emplace(fmt::format("Acquire::{}::Proxy", name), setting.substr(equals + 1));
    }
    std::erase_if(proxies, [](const auto& each) {
        return each.second.find_first_of("\"\n") != std::string::npos;
    });
    return proxies;
}

Result<FoundSource> find_source(const sys::Host& host, const Cache& cache, const Profile& profile,
                                const SourceWish& wish) {
    SLIPWAY_CHECK(check_words(wish));
    auto name = !wish.suite.empty() ? wish.suite : profile.suite;
    if (name.empty())
        name = suite_of_host(sys::read_file("/etc/os-release").value_or(""));
    SLIPWAY_TRY(auto suite, choose_suite(host, cache, name, wish));
    FoundSource found;
    auto& source = found.source;
    source.suite = suite.name;
    source.distribution = suite.distribution->name;
    source.components = suite.distribution->components;
    if (wish.keyring.empty()) {
        SLIPWAY_TRY(source.keyring, find_keyring(*suite.distribution));
    } else if (::access(wish.keyring.c_str(), R_OK) == 0) {
        source.keyring = std::filesystem::absolute(wish.keyring).string();
    } else {
        auto error = os_error(fmt::format("reading the keys in {}", wish.keyring));
        error.hint = "this wants a file of the archive's public keys, such as one of "
                     "/usr/share/keyrings";
        return fail(std::move(error));
    }
    SLIPWAY_TRY(source.keys, digest_of(source.keyring));
    SLIPWAY_TRY(auto architecture, ask_tool(host, {"dpkg", "--print-architecture"}, "dpkg"));
    source.architecture = trim(architecture);
    std::vector<std::string> mirrors{wish.mirror};
    if (wish.mirror.empty()) {
        SLIPWAY_TRY(auto configured,
                    ask_tool(host,
                             {"apt-get", "indextargets", "--no-release-info", "-o",
                              "Dir::State::lists=/nonexistent", "--format",
                              "$(REPO_URI) $(RELEASE)"}, // it would read all that it knows
                             "apt"));
        mirrors = mirrors_of(suite, parse_host_sources(configured));
    }
    while (mirrors[0].ends_with('/'))
        mirrors[0].pop_back();
    SLIPWAY_TRY(auto answer, first_answer(host, cache, suite.name, mirrors, wish));
    if (!answer.note.empty())
        found.notes.push_back(answer.note);
    source.mirror = answer.mirror;
    source.snapshot = answer.release.date;
    source.expired = answer.mirror == suite.distribution->old_archive;
    source.archive = source.expired ? suite.distribution->old_archive : suite.distribution->archive;
    return found;
}

} // namespace slipway::rootfs
