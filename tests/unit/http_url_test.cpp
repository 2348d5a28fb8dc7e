// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "http/url.hpp"

namespace slipway::http {
namespace {

TEST(Url, HasItsParts) {
    auto url = parse_url("HTTPS://boot.example:8443/images/debian%2012.squashfs?v=1#part");
    ASSERT_TRUE(url);
    EXPECT_EQ(*url, (Url{true, "boot.example", 8443, "/images/debian%2012.squashfs?v=1"}));
    EXPECT_EQ(url->str(), "https://boot.example:8443/images/debian%2012.squashfs?v=1");
    for (const auto* text : {"http://10.0.2.2", "http://10.0.2.2/", "http://10.0.2.2:80/"})
        EXPECT_EQ(parse_url(text).value(), (Url{false, "10.0.2.2", 80, "/"})) << text;
    EXPECT_EQ(parse_url("http://h?q").value().target, "/?q");
    EXPECT_EQ(parse_url("https://[fe80::1]:444/x").value().authority(), "[fe80::1]:444");
    EXPECT_EQ(parse_url("http://[::1]").value().host, "::1");
}

TEST(Url, RefusesWhatIsNone) {
    for (const auto* text :
         {"", "ftp://h/x", "h/x", "http://", "http:///x", "http://h:0/", "http://h:65536/",
          "http://h:x/", "http://[::1/", "http://[host]/", "http://user:word@h/", "http://h/a b",
          "http://h/\n", "http://h\r\nX: y/", "http://h/\xc3\xa4"})
        EXPECT_FALSE(parse_url(text)) << text;
}

TEST(Url, NeverClimbsAboveTheTop) {
    EXPECT_EQ(parse_url("http://h/a/../../b/./c/..").value().target, "/b/");
    EXPECT_EQ(parse_url("http://h/a//b/?x=../y").value().target, "/a//b/?x=../y");
}

TEST(Url, IsResolvedAgainstAnother) {
    auto base = parse_url("http://h:8080/images/a?x").value();
    for (const auto& [reference, expected] :
         {std::pair("b", "http://h:8080/images/b"), std::pair("/b?y", "http://h:8080/b?y"),
          std::pair("../b", "http://h:8080/b"), std::pair("?z", "http://h:8080/images/a?z"),
          std::pair("//other/c", "http://other/c"), std::pair("https://s/d", "https://s/d")})
        EXPECT_EQ(resolve_url(base, reference).value().str(), expected) << reference;
    EXPECT_FALSE(resolve_url(base, "ftp://h/x"));
    EXPECT_FALSE(resolve_url(base, "a b"));
}

} // namespace
} // namespace slipway::http
