// SPDX-License-Identifier: Apache-2.0
#include "boot/load_command.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"
#include "loading/digests.hpp"

namespace slipway::boot {

Result<http::Url> image_address(const std::string& name, const BootOptions& options) {
    if (name.find("://") != std::string::npos)
        return http::parse_url(name);
    auto images = options.images;
    constexpr std::string_view by_tftp = "tftp://";
    auto from = options.from;
    if (auto url = from.find("http"); url != std::string::npos) // after a server's name, too
        from = from.substr(url);
    if (images.empty() && from.starts_with("http"))
        images = from.substr(0, from.rfind('/')) + "/images";
    else if (images.empty() && from.starts_with(by_tftp)) {
        auto host =
            from.substr(by_tftp.size(), from.find_first_of(":/", by_tftp.size()) - by_tftp.size());
        images = host.empty() ? "" : fmt::format("http://{}:8080/images", host);
    }
    if (images.empty())
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no URL, and where images are is not known", printable(name)),
                    "load http://SERVER/images/NAME, or boot with slipway.images=URL");
    return http::parse_url(images + (images.ends_with('/') ? "" : "/") + name);
}

Result<loading::LoadRequest> read_load(const Command& command, const BootOptions& options) {
    auto option = [&command](const std::string& name) {
        auto found = command.options.find(name);
        return found == command.options.end() ? std::string() : found->second;
    };
    auto entry = option("entry").empty() ? std::optional(options.entry)
                                         : loading::entry_named(option("entry"));
    if (!entry)
        return fail(Code::InvalidArgument, "--entry takes contained, native or kexec");
    loading::LoadRequest request{
        .sha256 = to_lower(option("sha256")),
        .entry = *entry,
        .insecure = options.insecure || command.options.contains("insecure"),
        .persist = option("persist").empty() ? options.persist : option("persist"),
        .lazy = (options.lazy || command.options.contains("lazy")) &&
                !command.options.contains("fetch-only"),
        .blocks_sha256 = to_lower(option("blocks-sha256")),
        .return_after = options.return_after,
        .deadline = options.deadline};
    auto urls = std::vector{command.arguments.at(0)};
    if (auto mirror = option("mirror"); !mirror.empty())
        urls.push_back(mirror);
    if (urls[0] == options.image_url) {
        urls.insert(urls.end(), options.mirrors.begin(), options.mirrors.end());
        if (request.sha256.empty())
            request.sha256 = options.image_sha256;
    }
    for (const auto& text : urls) {
        SLIPWAY_TRY(auto url, image_address(text, options));
        request.urls.push_back(std::move(url));
    }
    if (!request.sha256.empty() && !loading::is_sha256(request.sha256))
        return fail(Code::InvalidArgument, "--sha256 takes 64 hexadecimal digits");
    if (!request.blocks_sha256.empty() && !loading::is_sha256(request.blocks_sha256))
        return fail(Code::InvalidArgument, "--blocks-sha256 takes 64 hexadecimal digits");
    if (auto after = option("return-after"); !after.empty()) {
        auto seconds = parse_number(after);
        if (!seconds)
            return fail(Code::InvalidArgument, "--return-after takes seconds");
        request.return_after = std::chrono::seconds(*seconds);
    }
    return request;
}

} // namespace slipway::boot
