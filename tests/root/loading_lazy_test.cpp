// SPDX-License-Identifier: Apache-2.0
// Images that are entered before all of them is here, as root: from a server to a mounted root.
#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "loading/manifest.hpp"
#include "support/loader_case.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t block_size = 64 << 10;
constexpr std::chrono::seconds long_enough{30};

// Serves a directory, with ranges; can go, and come back at the same port.
class Files {
public:
    void start(const fs::path& top) {
        server_.emplace(std::move(http::Server::open({.port = port_}).value()));
        port_ = server_->port();
        server_->serve_files("/", sys::RootDir::open(top).value());
        server_->on_served([this](const http::Served& served) { bytes_ += served.bytes; });
        stop_ = Cancel();
        thread_ = std::thread([this] { (void)server_->run(stop_).has_value(); });
    }
    void stop() {
        if (!thread_.joinable())
            return;
        stop_.request();
        thread_.join();
        server_.reset();
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    std::optional<http::Server> server_;
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> bytes_{0};
    Cancel stop_;
    std::thread thread_;
};

class Lazy : public testing_support::LoaderCase {
protected:
    static void SetUpTestSuite() { ASSERT_TRUE(sys::enter_private_mount_namespace()); }
    void SetUp() override {
        LoaderCase::SetUp();
        for (const auto* tool : {"mksquashfs", "mkfs.erofs"})
            if (!sys::find_program(tool))
                GTEST_SKIP() << tool << " is not installed";
        if (::access("/dev/fuse", R_OK) != 0)
            GTEST_SKIP() << "this kernel has no FUSE";
        options_.program = SLIPWAY_BINARY_DIR "/libexec/slipway-init";
        fs::create_directories(top_ / "served");
        fs::create_directories(top_ / "tree/sbin");
        std::ofstream(top_ / "tree/sbin/init") << "#!/bin/sh\n";
        fs::permissions(top_ / "tree/sbin/init", fs::perms{0755});
        std::string noise;
        for (unsigned each = 1; noise.size() < 16 << 20; each = each * 1664525 + 1013904223)
            noise += static_cast<char>(each >> 24);
        noise_ = noise;
        std::ofstream(top_ / "tree/noise") << noise;
        files_.start(top_ / "served");
    }
    void TearDown() override {
        files_.stop();
        LoaderCase::TearDown();
    }

    // Beside it its manifest and its list of blocks.
    void pack(const char* command = "mksquashfs . OUT -noappend -comp gzip") {
        auto image = (top_ / "served/image").string();
        auto run = fmt::format("cd {}/tree && rm -f {} && {} >/dev/null 2>&1", top_.string(), image,
                               replace_all(command, "OUT", image));
        ASSERT_EQ(std::system(run.c_str()), 0) << run;
        auto content = sys::read_file(image, 64 << 20).value();
        auto manifest = manifest_of("image", content);
        std::string list;
        for (std::size_t at = 0; at < content.size(); at += block_size) {
            auto digest = sha256(content.substr(at, block_size));
            for (std::size_t digit = 0; digit < digest.size(); digit += 2)
                list += static_cast<char>(std::stoi(digest.substr(digit, 2), nullptr, 16));
        }
        manifest.block_size = block_size;
        manifest.blocks_sha256 = sha256(list);
        manifest_ = manifest;
        std::ofstream(top_ / "served/image.blocks") << list;
        std::ofstream(top_ / "served/image.manifest") << render_manifest(manifest);
    }
    [[nodiscard]] LoadRequest wanted() const {
        return {.urls = {http::parse_url(fmt::format("http://127.0.0.1:{}/image", files_.port()))
                             .value()},
                .lazy = true,
                .pause = std::chrono::milliseconds(50)};
    }
    Result<Entrance> load(const LoadRequest& request) {
        SLIPWAY_TRY(auto image, loader().fetch(request, cancel_));
        return loader().prepare(request, image, cancel_);
    }
    Loader& loader() {
        if (!loader_)
            loader_ = std::make_unique<Loader>(options_);
        return *loader_;
    }
    static std::string noise_in(const Entrance& entrance) {
        return sys::read_file(entrance.root.path() + "/noise", 32 << 20).value_or("error");
    }
    bool hears(const Entrance& entrance, const std::string& text) {
        for (auto until = Clock::now() + long_enough; Clock::now() < until;) {
            if (entrance.root.lazy() != nullptr)
                entrance.root.lazy()->listen();
            if (said().find(text) != std::string::npos)
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        ADD_FAILURE() << "never said: " << text << "\nbut\n" << said();
        return false;
    }
    void close(Entrance& entrance) {
        auto closed = entrance.root.close();
        EXPECT_TRUE(closed) << render_text(closed.error());
        EXPECT_EQ(sys::mounts_below(top_).value().size(), 0);
    }

    std::string noise_;
    Manifest manifest_;
    Files files_;
    std::unique_ptr<Loader> loader_;
};

TEST_F(Lazy, WhatIsReadIsFetchedAndNoMore) {
    for (const auto* command : {"mksquashfs . OUT -noappend -comp gzip", "mkfs.erofs OUT ."}) {
        pack(command);
        auto before = files_.bytes();
        auto entrance = load(wanted());
        ASSERT_TRUE(entrance) << render_text(entrance.error());
        EXPECT_EQ(entrance->init, "/sbin/init");
        EXPECT_LT(files_.bytes() - before, 2 << 20) << command;
        EXPECT_EQ(noise_in(*entrance), noise_) << command;
        EXPECT_GT(files_.bytes() - before, 16 << 20);
        EXPECT_TRUE(loader().list().empty()) << "it is not all here";
        close(*entrance);
        EXPECT_TRUE(fs::is_empty(options_.images)) << "what is half there is not kept";
    }
}

TEST_F(Lazy, TheRestComesLaterAndIsKept) {
    pack();
    options_.lazy_rest_after = std::chrono::milliseconds(200);
    auto entrance = load(wanted());
    ASSERT_TRUE(entrance) << render_text(entrance.error());
    EXPECT_TRUE(hears(*entrance, "all of the image " + manifest_.sha256 + " is here now"));
    files_.stop();
    EXPECT_EQ(noise_in(*entrance), noise_);
    close(*entrance);
    ASSERT_EQ(loader().list().size(), 1);
    EXPECT_TRUE(loader().verify("", cancel_));
    EXPECT_THAT(said_.back(), HasSubstr("is as it was fetched"));
}

TEST_F(Lazy, WhoReadsWaitsForAServerThatIsGone) {
    pack();
    auto entrance = load(wanted());
    ASSERT_TRUE(entrance) << render_text(entrance.error());
    files_.stop();
    auto reader = std::async(std::launch::async, [&] { return noise_in(*entrance); });
    EXPECT_TRUE(hears(*entrance, "who reads them waits"));
    EXPECT_EQ(reader.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
    files_.start(top_ / "served");
    EXPECT_EQ(reader.get(), noise_);
    EXPECT_TRUE(hears(*entrance, "the image's blocks come again"));
    close(*entrance);
}

TEST_F(Lazy, TheReturnWorksWhileSomebodyWaits) {
    pack();
    auto entrance = load(wanted());
    ASSERT_TRUE(entrance) << render_text(entrance.error());
    files_.stop();
    auto reader = std::async(std::launch::async, [&] { return noise_in(*entrance); });
    EXPECT_TRUE(hears(*entrance, "who reads them waits"));
    entrance->root.lazy()->give_up();
    EXPECT_EQ(reader.get(), "error");
    close(*entrance);
    files_.start(top_ / "served");
    auto again = load(wanted());
    ASSERT_TRUE(again) << render_text(again.error());
    EXPECT_EQ(noise_in(*again), noise_);
    close(*again);
}

TEST_F(Lazy, ChangedBlocksAreNeverSeen) {
    pack();
    auto image = top_ / "served/image";
    auto content = sys::read_file(image, 64 << 20).value(), good = content;
    for (std::size_t at = 5 << 20; at < 6 << 20; at += 512)
        content[at] ^= 1;
    std::ofstream(image) << content;
    auto entrance = load(wanted());
    ASSERT_TRUE(entrance) << render_text(entrance.error());
    auto reader = std::async(std::launch::async, [&] { return noise_in(*entrance); });
    EXPECT_TRUE(hears(*entrance, "is not what it should be"));
    EXPECT_EQ(reader.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
    std::ofstream(image) << good;
    EXPECT_EQ(reader.get(), noise_);
    close(*entrance);
}

TEST_F(Lazy, WhatCannotBeLazyIsFetchedWhole) {
    pack("tar -cf OUT .");
    auto load_and_close = [this](const LoadRequest& request) {
        said_.clear();
        loader_.reset();
        for (const auto& each : fs::directory_iterator(options_.images))
            fs::remove(each.path());
        auto entrance = load(request);
        if (entrance)
            close(*entrance);
        return entrance ? said() : render_text(entrance.error());
    };
    auto whole = HasSubstr("all of the image is fetched first: ");
    EXPECT_THAT(load_and_close(wanted()),
                AllOf(whole, HasSubstr("it is tar, not squashfs or erofs")));
    pack();
    auto given = wanted();
    given.sha256 = manifest_.sha256;
    EXPECT_THAT(load_and_close(given), AllOf(whole, HasSubstr("give --blocks-sha256 too")));
    given.blocks_sha256 = manifest_.blocks_sha256;
    EXPECT_THAT(load_and_close(given), Not(whole));
    std::ofstream(top_ / "served/image.blocks") << "something else";
    EXPECT_THAT(load_and_close(wanted()),
                AllOf(whole, HasSubstr("the list of blocks has the digest")));
    fs::remove(top_ / "served/image.manifest");
    EXPECT_THAT(load_and_close(wanted()),
                AllOf(whole, HasSubstr("404"), HasSubstr("nobody says which blocks it has")));
}

TEST_F(Lazy, WithAKeyTheListOfBlocksIsCoveredByTheSignature) {
    auto key = testing_support::make_key();
    build_in(key);
    pack();
    EXPECT_THAT(render_text(load(wanted()).error()), HasSubstr("no signed manifest of image"));
    auto text = render_manifest(manifest_);
    std::ofstream(top_ / "served/image.manifest.sig") << http::sign(text, key.secret).value();
    auto entrance = load(wanted());
    ASSERT_TRUE(entrance) << render_text(entrance.error());
    EXPECT_THAT(said(), HasSubstr("each block is verified by the key lab.pem"));
    close(*entrance);
    // Another image, with a good list of its own.
    std::ofstream(top_ / "tree/evil") << "evil";
    auto signature = sys::read_file(top_ / "served/image.manifest.sig").value();
    pack();
    std::ofstream(top_ / "served/image.manifest") << text;
    auto changed = load(wanted());
    ASSERT_FALSE(changed);
    EXPECT_THAT(said(), HasSubstr("the list of blocks has the digest"));
}

} // namespace
} // namespace slipway::loading
