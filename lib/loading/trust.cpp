// SPDX-License-Identifier: Apache-2.0
#include "loading/trust.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "http/signature.hpp"
#include "loading/digests.hpp"
#include "loading/image.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t largest_list = 1 << 20; // bytes, of URL.sha256
constexpr unsigned tries = 3;

Expected expected_of(const Manifest& manifest, std::string by) {
    return {.sha256 = manifest.sha256,
            .size = manifest.size,
            .unpacked = manifest.unpacked,
            .by = std::move(by),
            .block_size = manifest.block_size,
            .blocks_sha256 = manifest.blocks_sha256};
}

// Where no key is built in.
Result<Expected> ask_unsigned_manifest(const Asking& asking, const http::Url& url,
                                       const Cancel& cancel) {
    auto at = url_beside(url, ".manifest");
    SLIPWAY_TRY(auto text, fetch_small(asking, {at}, largest_manifest, cancel));
    SLIPWAY_TRY(auto manifest, parse_manifest(text));
    SLIPWAY_CHECK(check_machine(manifest.architecture));
    if (!asking.sha256.empty() && asking.sha256 != manifest.sha256)
        return fail(Code::Corrupt, fmt::format("{} is of an image with another digest", at.str()));
    if (!asking.blocks_sha256.empty() && asking.blocks_sha256 != manifest.blocks_sha256)
        return fail(Code::Corrupt, fmt::format("{} is of another list of blocks", at.str()));
    return expected_of(manifest,
                       asking.blocks_sha256.empty() ? at.str() : "the digest that was given");
}

Result<Expected> ask_manifest(const Trust& trust, const Asking& asking, const http::Url& url,
                              const Cancel& cancel) {
    auto at = url_beside(url, ".manifest");
    auto text = fetch_small(asking, {at}, largest_manifest, cancel);
    auto signature =
        text ? fetch_small(asking, {url_beside(url, ".manifest.sig")}, http::signature_size, cancel)
             : Result<std::string>(fail(text.error()));
    if (!signature && signature.error().code == Code::NotFound)
        return fail(Code::Permission,
                    fmt::format("there is no signed manifest of {}: {}", file_name_of(url),
                                render_line(signature.error())),
                    "this bootstrap takes signed images only: `slipway netboot pack` signs them");
    if (!signature)
        return fail(std::move(signature.error()));
    auto in = [&at](Error& error) { return fail(std::move(error).in(at.str())); };
    auto signer = verify_manifest(*text, *signature, trust.keys);
    if (!signer)
        return in(signer.error());
    auto manifest = parse_manifest(*text);
    if (!manifest)
        return in(manifest.error());
    if (manifest->name != file_name_of(url))
        return fail(Code::Permission,
                    fmt::format("{} is the manifest of {}", at.str(), manifest->name),
                    "load the image by the name that it was signed with");
    SLIPWAY_CHECK(check_machine(manifest->architecture));
    if (!asking.sha256.empty() && asking.sha256 != manifest->sha256)
        return fail(Code::Corrupt,
                    fmt::format("the digest that was given is {}, and the signed one {}",
                                asking.sha256, manifest->sha256),
                    "look which of the two images is meant");
    return expected_of(*manifest, "the key " + *signer);
}

Result<Expected> ask_list(const Asking& asking, const http::Url& url, const Cancel& cancel) {
    auto at = url_beside(url, ".sha256");
    SLIPWAY_TRY(auto list, fetch_small(asking, {at}, largest_list, cancel));
    auto digest = digest_of(file_name_of(url), list);
    if (!digest) // not "NotFound", which is a file that is not there
        return fail(Code::Corrupt, fmt::format("{}: {}", at.str(), render_line(digest.error())));
    return Expected{.sha256 = *digest, .by = at.str()};
}

Result<NamedKey> read_key(const fs::path& path) {
    NamedKey key{.name = path.filename()};
    SLIPWAY_TRY(key.pem, sys::read_file(path, largest_manifest));
    // Whatever is signed: it is the key that is looked at.
    if (auto good = http::is_signed("", "", key.pem); !good)
        return fail(std::move(good.error()).in("the key " + path.string()));
    return key;
}

} // namespace

Result<Trust> read_trust(const std::string& directory) {
    Trust trust;
    if (auto file = directory + "/ca.pem"; fs::exists(file))
        trust.ca_file = file;
    std::error_code failed;
    auto keys = directory + "/keys";
    fs::directory_iterator entries(keys, failed);
    if (failed && failed != std::errc::no_such_file_or_directory)
        return fail_errno(fmt::format("looking for keys in {}", keys), failed.value());
    for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
        if (entries->path().extension() != ".pem")
            continue;
        SLIPWAY_TRY(auto key, read_key(entries->path()));
        trust.keys.push_back(std::move(key));
    }
    return trust;
}

Result<std::string> fetch_small(const Asking& asking, const std::vector<http::Url>& urls,
                                std::size_t most, const Cancel& cancel) {
    SLIPWAY_TRY(auto file, sys::make_memfd("fetched"));
    DownloadRequest request{.urls = urls, .limit = most, .tries = tries, .pause = asking.pause};
    SLIPWAY_TRY(auto done, download(asking.client, request, file, cancel));
    return sys::read_file(sys::proc_path(file.raw()), most);
}

Result<Expected> ask_what_to_expect(const Trust& trust, const Asking& asking,
                                    const Cancel& cancel) {
    Error last{.code = Code::InvalidArgument, .what = "no address of an image was given"};
    bool may_ask = asking.sha256.empty() || !asking.blocks_sha256.empty();
    for (const auto& url : asking.urls) {
        if (trust.keys.empty() && asking.in_blocks && may_ask) {
            auto expected = ask_unsigned_manifest(asking, url, cancel);
            if (expected || expected.error().code == Code::Cancelled)
                return expected;
            asking.say(render_line(expected.error()));
        }
        if (trust.keys.empty() && !asking.sha256.empty())
            return Expected{.sha256 = asking.sha256, .by = "the digest that was given"};
        auto expected = trust.keys.empty() ? ask_list(asking, url, cancel)
                                           : ask_manifest(trust, asking, url, cancel);
        if (expected || expected.error().code == Code::Cancelled)
            return expected;
        last = std::move(expected.error());
        bool is_told =
            trust.keys.empty() ? last.code != Code::NotFound : &url != &asking.urls.back();
        if (is_told)
            asking.say(render_line(last));
    }
    if (!trust.keys.empty() || asking.urls.empty())
        return fail(std::move(last));
    return Expected{};
}

http::Url url_beside(const http::Url& url, std::string_view ending) {
    auto beside = url;
    beside.target.insert(std::min(url.target.find('?'), url.target.size()), ending);
    return beside;
}

std::string file_name_of(const http::Url& url) {
    return std::string(basename_of(std::string_view(url.target).substr(0, url.target.find('?'))));
}

} // namespace slipway::loading
