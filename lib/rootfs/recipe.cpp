// SPDX-License-Identifier: Apache-2.0
#include "rootfs/recipe.hpp"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/excerpt.hpp"
#include "base/strings.hpp"

namespace slipway::rootfs {
namespace {

constexpr std::size_t key_digits = 32;

std::string key_of(const Json& content) {
    auto digest = archive::open_digest("sha256");
    if (!digest)
        return {};
    (*digest)->add(render_json(content));
    return (*digest)->finish().substr(0, key_digits);
}

// "a" as it is: apt tells when there is none. Of "a | b" and what may be missing as a pattern
// (apt-patterns(7)), which finds what there is; names that others only mention are virtual.
std::string include_argument(const std::string& package, bool optional) {
    auto choices = split(package, '|');
    if (choices.size() == 1 && !optional)
        return std::string(trim(package));
    std::vector<std::string> patterns;
    for (auto choice : choices)
        patterns.push_back(fmt::format("?and(?exact-name({}),?not(?virtual))", trim(choice)));
    return patterns.size() == 1 ? patterns[0] : fmt::format("?or({})", join(patterns, ","));
}

// What follows `start` up to `end`, of each line that has it.
std::vector<std::string> words_after(std::string_view text, std::string_view start,
                                     std::string_view end) {
    std::vector<std::string> found;
    for (auto line : split_lines(text))
        if (auto at = line.find(start); at != std::string_view::npos) {
            auto rest = line.substr(at + start.size());
            auto word = std::string(trim(rest.substr(0, rest.find(end))));
            if (!word.empty() && std::find(found.begin(), found.end(), word) == found.end())
                found.push_back(word);
        }
    return found;
}

bool says(std::string_view text, std::initializer_list<std::string_view> any) {
    return std::any_of(any.begin(), any.end(), [&](std::string_view each) {
        return text.find(each) != std::string_view::npos;
    });
}

std::string install_line(const Source& source) {
    std::string options = source.expired ? "check-valid-until=no " : "";
    return fmt::format("deb [{}signed-by={}] {} {} {}", options, source.keyring, source.mirror,
                       source.suite, source.components);
}

} // namespace

std::vector<std::string> sorted_packages(std::vector<std::string> packages) {
    std::sort(packages.begin(), packages.end());
    packages.erase(std::unique(packages.begin(), packages.end()), packages.end());
    return packages;
}

std::string base_key(const Source& source, const Profile& profile) {
    return key_of({{"recipe", recipe_version},
                   {"suite", source.suite},
                   {"distribution", source.distribution},
                   {"mirror", source.mirror},
                   {"components", source.components},
                   {"keys", source.keys},
                   {"architecture", source.architecture},
                   {"snapshot", source.snapshot},
                   {"variant", profile.variant},
                   {"packages", sorted_packages(profile.packages)},
                   {"optional", sorted_packages(profile.optional_packages)}});
}

std::string layer_key(const std::string& base, const Profile& profile) {
    return key_of({{"base", base}, {"name", profile.name}, {"profile", hash_of(profile)}});
}

sys::ProcessSpec mmdebstrap_spec(const Source& source, const Profile& profile,
                                 const std::string& directory,
                                 const std::map<std::string, std::string>& proxies) {
    sys::ProcessSpec spec;
    // The directory is not empty (the packages' cache); /sys needs a network namespace of its own,
    // and no package asks for it. What else is left over is taken away by `tidy`.
    spec.argv = {"mmdebstrap", "--mode=root", "--format=directory",
                 fmt::format("--variant={}", profile.variant),
                 fmt::format("--architectures={}", source.architecture),
                 "--skip=check/empty,check/signed-by,chroot/mount/sys,cleanup/apt,essential/unlink",
                 "--aptopt=APT::Sandbox::User \"root\"", "--aptopt=Acquire::Retries \"2\"",
                 "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*",
                 // Split, because "??/" is a trigraph.
                 "--dpkgopt=path-exclude=/usr/share/man/?"
                 "?/*",
                 "--dpkgopt=path-exclude=/usr/share/man/?"
                 "?[_.]*/*",
                 "--dpkgopt=path-exclude=/usr/share/doc/*",
                 "--dpkgopt=path-include=/usr/share/doc/*/copyright"};
    for (const auto& [key, value] : proxies)
        spec.argv.push_back(fmt::format("--aptopt={} \"{}\"", key, value));
    for (const auto& package : sorted_packages(profile.packages))
        spec.argv.push_back(fmt::format("--include={}", include_argument(package, false)));
    for (const auto& package : sorted_packages(profile.optional_packages))
        spec.argv.push_back(fmt::format("--include={}", include_argument(package, true)));
    spec.argv.insert(spec.argv.end(), {source.suite, directory, install_line(source)});
    spec.env = {fmt::format("SOURCE_DATE_EPOCH={}", source.snapshot),
                "DEBIAN_FRONTEND=noninteractive"};
    return spec;
}

Error explain_failure(const sys::ProcessSpec& spec, int status, std::string_view said,
                      const Source& source) {
    Error error{.code = Code::ToolFailed,
                .what = fmt::format("installing the packages of {}", source.suite)};
    constexpr std::size_t most = 2000;
    error.tool = ToolFailure{spec.argv, status, printable(excerpt(trim(said), most))};
    auto missing = words_after(said, "Unable to locate package ", " ");
    for (auto& each : words_after(said, "E: Package '", "' has no installation candidate"))
        missing.push_back(each);
    if (!missing.empty()) {
        error.tool.reset();
        error.code = Code::NotFound;
        error.what = fmt::format("{} of {} has no package {}", source.suite, source.mirror,
                                 join(missing, ", "));
        error.hint = "look for its name at https://packages.debian.org or "
                     "https://packages.ubuntu.com; what only some releases have belongs to "
                     "optional_packages of the profile";
    } else if (says(said, {"No space left on device", "You don't have enough free space"})) {
        error.code = Code::NoSpace;
        error.hint = "make room, or name another place with SLIPWAY_CACHE";
    } else if (says(said, {"NO_PUBKEY", "is not signed", "EXPKEYSIG", "BADSIG", "REVKEYSIG",
                           "signatures couldn't be verified", "signatures were invalid"})) {
        error.code = Code::Corrupt;
        error.what = fmt::format("{} of {} is not signed by a key of {}", source.suite,
                                 source.mirror, source.keyring);
        error.hint = "name the file of the archive's keys with --keyring; nothing is installed "
                     "that no key vouches for";
    } else if (says(said, {"Could not resolve", "Could not connect", "Failed to fetch",
                           "Unable to connect", "Temporary failure resolving",
                           "Connection timed out", "does not have a Release file"})) {
        error.code = Code::NotFound;
        error.what = fmt::format("{} cannot be fetched from {}", source.suite, source.mirror);
        error.hint = "look after the network, or name another mirror with --mirror";
    }
    return error;
}

std::string iso_date(long seconds) {
    std::time_t time = seconds;
    std::tm parts{};
    std::array<char, 32> text{};
    if (::gmtime_r(&time, &parts) == nullptr)
        return {};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

} // namespace slipway::rootfs
