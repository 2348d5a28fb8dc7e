// SPDX-License-Identifier: Apache-2.0
#include "http/url.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::http {
namespace {

constexpr std::uint16_t plain_port = 80, secure_port = 443;

auto no_url(std::string_view text, std::string_view why) {
    return fail(Code::InvalidArgument, fmt::format("'{}' is no URL: {}", printable(text), why),
                "write http://HOST/PATH or https://HOST/PATH");
}

bool is_printable_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_host(std::string_view host) {
    return !host.empty() &&
           host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_") == std::string_view::npos;
}

bool is_address6(std::string_view host) {
    return !host.empty() &&
           host.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
}

std::uint16_t usual_port(bool secure) {
    return secure ? secure_port : plain_port;
}

// "host", "host:port", "[v6]:port".
Status read_authority(Url& url, std::string_view text, std::string_view whole) {
    if (text.find('@') != std::string_view::npos)
        return no_url(whole, "names and passwords do not belong in it");
    std::string_view port;
    if (text.starts_with('[')) {
        auto end = text.find(']');
        if (end == std::string_view::npos || !is_address6(text.substr(1, end - 1)))
            return no_url(whole, "that is no IPv6 address");
        url.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else {
        auto colon = text.find(':');
        url.host = text.substr(0, colon);
        if (!is_host(url.host))
            return no_url(whole, "that is no host");
        port = colon == std::string_view::npos ? "" : text.substr(colon);
    }
    url.port = usual_port(url.secure);
    if (port.empty() || port == ":")
        return {};
    auto number = port.starts_with(':') ? parse_number(port.substr(1)) : std::nullopt;
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max())
        return no_url(whole, "that is no port");
    url.port = static_cast<std::uint16_t>(*number);
    return {};
}

// Without the parts "." and ".."; the query stays.
std::string tidy_target(std::string_view target) {
    target = target.substr(0, target.find('#'));
    auto question = target.find('?');
    auto query = question == std::string_view::npos ? "" : target.substr(question);
    std::vector<std::string_view> kept;
    auto parts = split(target.substr(0, question), '/');
    for (std::size_t index = 1; index < parts.size(); ++index) {
        bool last = index + 1 == parts.size();
        if (parts[index] == "..") {
            if (!kept.empty())
                kept.pop_back();
        } else if (parts[index] != ".")
            kept.push_back(parts[index]);
        if (last && (parts[index] == ".." || parts[index] == "."))
            kept.emplace_back("");
    }
    return fmt::format("/{}{}", fmt::join(kept, "/"), query);
}

} // namespace

std::string Url::authority() const {
    auto name = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
    return port == usual_port(secure) ? name : fmt::format("{}:{}", name, port);
}

std::string Url::str() const {
    return fmt::format("{}://{}{}", secure ? "https" : "http", authority(), target);
}

Result<Url> parse_url(std::string_view text) {
    Url url;
    if (!is_printable_ascii(text))
        return no_url(text, "it has blanks or other characters that must be escaped");
    auto scheme_end = text.find("://");
    auto scheme = to_lower(text.substr(0, scheme_end));
    if (scheme_end == std::string_view::npos || (scheme != "http" && scheme != "https"))
        return no_url(text, "it begins with neither http:// nor https://");
    url.secure = scheme == "https";
    auto rest = text.substr(scheme_end + 3);
    auto end = std::min(rest.find_first_of("/?#"), rest.size());
    SLIPWAY_CHECK(read_authority(url, rest.substr(0, end), text));
    auto target = rest.substr(end);
    url.target =
        tidy_target(target.starts_with('/') ? std::string(target) : fmt::format("/{}", target));
    return url;
}

Result<Url> resolve_url(const Url& base, std::string_view reference) {
    if (reference.find("://") != std::string_view::npos)
        return parse_url(reference);
    if (!is_printable_ascii(reference))
        return no_url(reference, "it has blanks or other characters that must be escaped");
    if (reference.starts_with("//"))
        return parse_url(fmt::format("{}:{}", base.secure ? "https" : "http", reference));
    auto url = base;
    auto path = base.target.substr(0, base.target.find('?'));
    if (reference.starts_with('/'))
        url.target = tidy_target(reference);
    else if (reference.starts_with('?'))
        url.target = path + std::string(reference.substr(0, reference.find('#')));
    else
        url.target = tidy_target(path.substr(0, path.rfind('/') + 1) + std::string(reference));
    return url;
}

} // namespace slipway::http
