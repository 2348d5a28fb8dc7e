// SPDX-License-Identifier: Apache-2.0
#include "guestfs/signature.hpp"

#include <cstdio>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "calls/registry.hpp"
#include "guestfs/state.hpp"
#include "sys/fd.hpp"

namespace slipway::guestfs {
namespace {

std::set<std::string_view> names_where(Where where) {
    std::set<std::string_view> names;
    for (const auto& signature : signatures())
        if (signature.where == where)
            names.insert(signature.name);
    return names;
}

TEST(Signatures, SayWhereEachCallIsCarriedOut) {
    auto worker = calls::call_names();
    EXPECT_EQ(names_where(Where::Worker), std::set(worker.begin(), worker.end()));
    EXPECT_EQ(worker.size(), std::set(worker.begin(), worker.end()).size()) << "one stands twice";
    auto client = client_call_names();
    EXPECT_EQ(names_where(Where::Client), std::set(client.begin(), client.end()));
}

TEST(Signatures, AreFoundByNameAndAlias) {
    ASSERT_NE(find_signature("add_drive_opts"), nullptr);
    EXPECT_EQ(find_signature("add_drive_opts")->name, "add_drive");
    EXPECT_EQ(find_signature("no_such_call"), nullptr);
    for (const auto& signature : signatures())
        EXPECT_EQ(find_signature(signature.name), &signature);
}

TEST(Signatures, WorkerCallsTakeOneStreamAtMost) {
    for (const auto& signature : signatures()) {
        int in = 0;
        int out = 0;
        for (const auto& parameter : signature.parameters) {
            in += parameter.type == Type::FileIn || parameter.type == Type::Bytes ? 1 : 0;
            out += parameter.type == Type::FileOut ? 1 : 0;
        }
        EXPECT_LE(in, 1) << signature.name;
        EXPECT_LE(out, 1) << signature.name;
    }
}

// The documentation is made of the same table, and kept in the repository.
TEST(Signatures, StandInTheDocumentation) {
    std::string command =
        "python3 " SLIPWAY_SOURCE_DIR "/lib/guestfs/generate.py docs " SLIPWAY_SOURCE_DIR
        "/lib/guestfs/calls -";
    std::string made;
    auto* pipe = ::popen(command.c_str(), "r"); // NOLINT(cert-env33-c): in a test
    ASSERT_NE(pipe, nullptr);
    char piece[4096];
    while (auto got = std::fread(piece, 1, sizeof piece, pipe))
        made.append(piece, got);
    ASSERT_EQ(::pclose(pipe), 0);
    auto kept = sys::read_file(SLIPWAY_SOURCE_DIR "/docs/guestfs-calls.md");
    ASSERT_TRUE(kept);
    EXPECT_EQ(*kept, made)
        << "lib/guestfs/generate.py docs lib/guestfs/calls docs/guestfs-calls.md";
}

Status check(std::string_view name, const Json& arguments) {
    return check_arguments(*find_signature(name), arguments);
}

TEST(Arguments, HaveTheTypesOfTheCall) {
    EXPECT_TRUE(check("cat", {"/etc/fstab"}));
    EXPECT_FALSE(check("cat", Json::array()));
    EXPECT_FALSE(check("cat", Json::array({nullptr})));
    EXPECT_FALSE(check("cat", Json::array({1})));
    EXPECT_FALSE(check("cat", Json::array({"/a", "/b"})));
    EXPECT_FALSE(check("command", Json::array({"ls"})));
    EXPECT_TRUE(check("command", Json::array({Json::array({"ls"})})));
    EXPECT_FALSE(check("command", Json::array({Json::array({1})})));
    EXPECT_TRUE(check("is_file", Json::array({"/a", nullptr})));
    EXPECT_FALSE(check("is_file", Json::array({"/a", "yes"})));
    EXPECT_EQ(check("cat", Json::array({1})).error().code, Code::InvalidArgument);
    EXPECT_TRUE(check("aug_setm", Json::array({"/files", nullptr, "x"})));
    EXPECT_FALSE(check("aug_setm", Json::array({"/files", nullptr})));
}

TEST(Arguments, Trap10_PathsAreAbsoluteAndPlain) {
    for (const auto* bad : {"etc/fstab", "", "/etc/../../root", "/.."})
        EXPECT_FALSE(check("cat", Json::array({bad}))) << bad;
    EXPECT_FALSE(check("cat", Json::array({std::string("/a\0b", 4)})));
    EXPECT_FALSE(check("cat", Json::array({"/" + std::string(256, 'a')})));
    EXPECT_FALSE(check("sh", Json::array({std::string("a\0b", 3)})));
    std::string long_path;
    while (long_path.size() < 4096)
        long_path += "/0123456789";
    EXPECT_FALSE(check("cat", Json::array({long_path})));
    EXPECT_TRUE(check("write", Json::array({"/a", std::string("a\0b", 3)}))) << "content may";
}

TEST(Arguments, Trap10_DevicesAreBelowDev) {
    for (const auto* bad : {"sda1", "/etc/passwd", "/dev/../etc/passwd", "/dev/..", ""})
        EXPECT_FALSE(check("vfs_type", Json::array({bad}))) << bad;
    EXPECT_TRUE(check("mount", Json::array({"btrfsvol:/dev/sda1/@", "/"})));
    EXPECT_FALSE(check("mount", Json::array({"btrfsvol:/dev/sda1/a,b", "/"})))
        << "it would be another mount option";
    EXPECT_FALSE(check("mount", Json::array({"btrfsvol:/etc/passwd/a", "/"})));
}

} // namespace
} // namespace slipway::guestfs
