// SPDX-License-Identifier: Apache-2.0
#include "rootfs/suites.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/os_release.hpp"

namespace slipway::rootfs {
namespace {

const Distribution debian{
    .name = "debian",
    .archive = "http://deb.debian.org/debian",
    .old_archive = "http://archive.debian.org/debian",
    .components = "main",
    .keyrings = {"/usr/share/keyrings/debian-archive-keyring.gpg",
                 "/usr/share/keyrings/debian-archive-keyring.pgp"},
    .keyring_hint = "apt install debian-archive-keyring, or name a file of keys with --keyring"};
const Distribution ubuntu{
    .name = "ubuntu",
    .archive = "http://archive.ubuntu.com/ubuntu",
    .old_archive = "http://old-releases.ubuntu.com/ubuntu",
    .components = "main universe",
    .keyrings = {"/usr/share/keyrings/ubuntu-archive-keyring.gpg"},
    .keyring_hint = "apt install ubuntu-keyring on Ubuntu, ubuntu-archive-keyring on Debian 13 and "
                    "later; elsewhere take ubuntu-archive-keyring.gpg from a machine that has it, "
                    "and name it with --keyring"};

struct Row {
    const char* name;
    const char* version;
    const Distribution* distribution;
};
// https://www.debian.org/releases/ and https://wiki.ubuntu.com/Releases
constexpr std::array rows{Row{"sid", "", &debian},         Row{"forky", "14", &debian},
                          Row{"trixie", "13", &debian},    Row{"bookworm", "12", &debian},
                          Row{"bullseye", "11", &debian},  Row{"buster", "10", &debian},
                          Row{"stretch", "9", &debian},    Row{"questing", "25.10", &ubuntu},
                          Row{"plucky", "25.04", &ubuntu}, Row{"noble", "24.04", &ubuntu},
                          Row{"jammy", "22.04", &ubuntu},  Row{"focal", "20.04", &ubuntu},
                          Row{"bionic", "18.04", &ubuntu}, Row{"xenial", "16.04", &ubuntu}};
constexpr auto fallback_suite = "trixie";

} // namespace

std::optional<Suite> find_suite(std::string_view name) {
    for (const auto& row : rows)
        if (row.name == name)
            return Suite{row.name, row.version, row.distribution};
    return std::nullopt;
}

std::vector<std::string> suite_names() {
    std::vector<std::string> names;
    for (const auto& row : rows)
        names.emplace_back(row.name);
    return names;
}

const Distribution* find_distribution(std::string_view name) {
    auto wanted = to_lower(name);
    for (const auto* each : {&debian, &ubuntu})
        if (each->name == wanted)
            return each;
    return nullptr;
}

std::vector<HostSource> parse_host_sources(std::string_view text) {
    std::vector<HostSource> sources;
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        if (words.size() < 2)
            continue;
        std::string url(words[0]);
        while (url.ends_with('/'))
            url.pop_back();
        sources.push_back({std::move(url), std::string(words[1])});
    }
    return sources;
}

std::vector<std::string> mirrors_of(const Suite& suite, const std::vector<HostSource>& host) {
    std::vector<std::string> mirrors;
    auto add = [&](const std::string& url) {
        if (std::find(mirrors.begin(), mirrors.end(), url) == mirrors.end())
            mirrors.push_back(url);
    };
    auto serves = [&](const HostSource& source) {
        auto other = find_suite(source.suite);
        return other && other->distribution == suite.distribution;
    };
    for (const auto& source : host)
        if (source.suite == suite.name)
            add(source.url);
    for (const auto& source : host)
        if (mirrors.empty() && serves(source))
            add(source.url);
    add(suite.distribution->archive);
    add(suite.distribution->old_archive);
    return mirrors;
}

std::string suite_of_host(std::string_view os_release) {
    auto fields = guest::parse_os_release(os_release);
    auto name = fields["VERSION_CODENAME"];
    auto suite = find_suite(name);
    return suite && suite->distribution->name == fields["ID"] ? name : fallback_suite;
}

Result<std::string> find_keyring(const Distribution& distribution) {
    for (const auto& file : distribution.keyrings)
        if (::access(file.c_str(), R_OK) == 0)
            return file;
    return fail(
        Code::NotFound,
        fmt::format("the keys of {}'s archive are not on this machine ({}), so that nothing "
                    "of it could be trusted",
                    distribution.name == "ubuntu" ? "Ubuntu" : "Debian",
                    distribution.keyrings.front()),
        distribution.keyring_hint);
}

} // namespace slipway::rootfs
