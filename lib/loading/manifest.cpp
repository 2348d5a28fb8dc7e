// SPDX-License-Identifier: Apache-2.0
#include "loading/manifest.hpp"

#include <algorithm>
#include <bit>
#include <cctype>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "http/signature.hpp"
#include "loading/digests.hpp"

namespace slipway::loading {
namespace {

constexpr unsigned version = 1;
constexpr std::uint64_t smallest_block = 4 << 10, largest_block = 16 << 20;
constexpr std::uint64_t largest_size = std::uint64_t{1} << 60;
constexpr std::size_t longest_name = 255;

tl::unexpected<Error> bad(std::string_view field) {
    return fail(Code::Corrupt, fmt::format("the manifest has no good \"{}\"", field));
}

std::optional<std::uint64_t> number_at(const Json& json, std::string_view field) {
    const auto& value = json_at(json, field);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest_size)
        return std::nullopt;
    return value.get<std::uint64_t>();
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= longest_name && text != "." && text != ".." &&
           text.find('/') == std::string_view::npos && printable(text) == text;
}

bool is_machine(std::string_view text) {
    return !text.empty() && text.size() <= 32 &&
           std::all_of(text.begin(), text.end(), [](unsigned char each) {
               return std::isalnum(each) != 0 || each == '_' || each == '-';
           });
}

} // namespace

Result<Manifest> parse_manifest(std::string_view text) {
    if (text.size() > largest_manifest)
        return fail(Code::Corrupt, "the manifest is larger than one can be");
    SLIPWAY_TRY(auto json, parse_json(text, "the manifest"));
    auto format = number_at(json, "format");
    if (!format)
        return bad("format");
    if (*format != version)
        return fail(
            Code::Unsupported,
            fmt::format("the manifest has format {}, and this program knows {}", *format, version),
            "build the bootstrap anew with the program that made the manifest");
    Manifest manifest{.name = json_get<std::string>(json, "name"),
                      .size = number_at(json, "size").value_or(0),
                      .sha256 = to_lower(json_get<std::string>(json, "sha256")),
                      .architecture = json_get<std::string>(json, "architecture"),
                      .unpacked = number_at(json, "unpacked")};
    if (!is_name(manifest.name))
        return bad("name");
    if (manifest.size == 0)
        return bad("size");
    if (!is_sha256(manifest.sha256))
        return bad("sha256");
    if (!is_machine(manifest.architecture))
        return bad("architecture");
    if (!json_at(json, "unpacked").is_null() && !manifest.unpacked)
        return bad("unpacked");
    if (json_at(json, "block_size").is_null() && json_at(json, "blocks_sha256").is_null())
        return manifest;
    manifest.block_size = number_at(json, "block_size").value_or(0);
    manifest.blocks_sha256 = to_lower(json_get<std::string>(json, "blocks_sha256"));
    if (!std::has_single_bit(manifest.block_size) || manifest.block_size < smallest_block ||
        manifest.block_size > largest_block)
        return bad("block_size");
    if (!is_sha256(manifest.blocks_sha256))
        return bad("blocks_sha256");
    return manifest;
}

std::string render_manifest(const Manifest& manifest) {
    Json json{{"format", version},
              {"name", manifest.name},
              {"size", manifest.size},
              {"sha256", manifest.sha256},
              {"architecture", manifest.architecture}};
    if (manifest.unpacked)
        json["unpacked"] = *manifest.unpacked;
    if (manifest.block_size != 0) {
        json["block_size"] = manifest.block_size;
        json["blocks_sha256"] = manifest.blocks_sha256;
    }
    return render_json_pretty(json) + "\n";
}

Result<std::string> verify_manifest(std::string_view text, std::string_view signature,
                                    const std::vector<NamedKey>& keys) {
    for (const auto& key : keys) {
        auto good = http::is_signed(text, signature, key.pem);
        if (!good)
            return fail(std::move(good.error()).in("the key " + key.name));
        if (*good)
            return key.name;
    }
    return fail(Code::Permission, "the manifest's signature is of none of the keys built in",
                "sign the image with a key whose public part the bootstrap was built with");
}

} // namespace slipway::loading
