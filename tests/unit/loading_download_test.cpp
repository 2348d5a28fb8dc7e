// SPDX-License-Identifier: Apache-2.0
// From a server that breaks off as the test wants.
#include "loading/download.hpp"

#include <csignal>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "http/server.hpp"

namespace slipway::loading {
namespace {

using testing::HasSubstr;

TEST(Progress, FitsTheTerminal) {
    Progress half{
        .done = 50 << 20, .total = 100 << 20, .spent = std::chrono::seconds(5), .here = 25 << 20};
    EXPECT_EQ(render_progress(half, 80),
              "[####################....................]  50 %  50 MiB  5 MiB/s  10 s left");
    EXPECT_EQ(render_progress(half, 20).size(), 20);
    EXPECT_EQ(render_progress({.done = 2048}, 80), "2 KiB");
    for (std::size_t columns = 0; columns < 120; ++columns)
        EXPECT_LE(render_progress(half, columns).size(), columns);
    EXPECT_EQ(render_progress({.done = 1, .total = 0}, 80), "1 B");
}

class Downloads : public testing::Test {
protected:
    void SetUp() override {
        (void)::signal(SIGPIPE, SIG_IGN);
        server_.emplace(std::move(http::Server::open({}).value()));
        for (const std::string path : {"/file", "/mirror"})
            server_->handle(path,
                            [this, path](const http::Asked& asked, const http::Answer& answer) {
                                serve(path, asked, answer);
                            });
        server_->handle("/none", [](const http::Asked&, const http::Answer& answer) {
            answer.say({.status = 404});
        });
        thread_ = std::thread([this] { (void)server_->run(cancel_).has_value(); });
        for (int each = 0; each < 300'000; ++each)
            content_ += static_cast<char>(each * 7 + each / 256);
        auto digest = archive::open_digest("sha256").value();
        digest->add(content_);
        request_.sha256 = digest->finish();
        request_.pause = std::chrono::milliseconds(1);
        request_.on_retry = [this](const Error& error) { told_.push_back(render_line(error)); };
        file_ = sys::make_memfd("file", "").value();
    }
    void TearDown() override {
        cancel_.request();
        thread_.join();
    }
    // Says a length, and less than that.
    void serve(const std::string& path, const http::Asked& asked, const http::Answer& answer) {
        auto range = asked.headers.find("range");
        bool same = !asked.headers.contains("if-range") || asked.headers.at("if-range") == tag_;
        std::uint64_t from = 0;
        http::Said said{.headers = {{"ETag", tag_}}};
        if (range != asked.headers.end() && same) {
            from = http::parse_range(range->second, content_.size()).value()->offset;
            said.status = 206;
            said.headers["Content-Range"] =
                fmt::format("bytes {}-{}/{}", from + shift_, content_.size() - 1, content_.size());
        }
        asked_.push_back(fmt::format("{} {}", path, from));
        auto rest = content_.substr(from);
        said.headers["Content-Length"] = fmt::to_string(rest.size());
        said.body = rest.substr(0, path == "/mirror" ? rest.size() : piece_);
        if (on_asked_)
            on_asked_();
        answer.say(said);
    }
    Result<Downloaded> get(const std::vector<std::string>& paths) {
        for (const auto& path : paths)
            request_.urls.push_back(
                http::parse_url(fmt::format("http://127.0.0.1:{}{}", server_->port(), path))
                    .value());
        auto client = http::Client::open({.idle = std::chrono::seconds(10)}).value();
        return download(client, request_, file_, stop_);
    }
    std::string read() const {
        return sys::read_file(sys::proc_path(file_.raw()), 1 << 20).value();
    }

    std::optional<http::Server> server_;
    Cancel cancel_, stop_;
    std::thread thread_;
    std::string content_, tag_ = "\"1\"";
    std::size_t piece_ = 1 << 20;
    int shift_ = 0;
    std::function<void()> on_asked_;
    std::vector<std::string> asked_, told_;
    DownloadRequest request_;
    sys::OwnedFd file_;
};

TEST_F(Downloads, GoOnWhereTheyBroke) {
    piece_ = 100'000;
    std::vector<std::uint64_t> totals;
    request_.on_progress = [&](const Progress& progress) {
        totals.push_back(progress.total.value());
    };
    auto done = get({"/file"});
    ASSERT_TRUE(done) << render_text(done.error());
    EXPECT_EQ(done->size, content_.size());
    EXPECT_EQ(read(), content_);
    EXPECT_THAT(asked_, testing::ElementsAre("/file 0", "/file 100000", "/file 200000"));
    EXPECT_EQ(totals.back(), content_.size());
    EXPECT_THAT(told_.front(), HasSubstr("before the end"));
}

TEST_F(Downloads, BeginAgainWhereTheFileIsAnother) {
    piece_ = 200'000;
    request_.sha256.clear();
    on_asked_ = [this] { tag_ = "\"2\""; };
    auto done = get({"/file", "/mirror"});
    ASSERT_TRUE(done) << render_text(done.error());
    EXPECT_EQ(read(), content_);
    EXPECT_EQ(asked_.at(1), "/file 0");
}

TEST_F(Downloads, TakeAMirror) {
    piece_ = 0;
    request_.tries = 2;
    auto done = get({"/none", "/file", "/mirror"});
    ASSERT_TRUE(done) << render_text(done.error());
    EXPECT_EQ(read(), content_);
    EXPECT_EQ(done->url.target, "/mirror");
    EXPECT_EQ(asked_.size(), 3);
}

TEST_F(Downloads, AreWhatWasAskedForOrFail) {
    request_.sha256 = std::string(64, '0');
    auto done = get({"/file"});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::Corrupt);
    EXPECT_THAT(render_text(done.error()), HasSubstr("not 0000"));
}

TEST_F(Downloads, WhatAServerSaysWrongIsNotTaken) {
    piece_ = 100'000;
    shift_ = 1;
    request_.tries = 2;
    auto done = get({"/file"});
    ASSERT_FALSE(done);
    EXPECT_THAT(render_text(done.error()), HasSubstr("another range"));
}

TEST_F(Downloads, AreNotLargerThanThereIsRoom) {
    request_.limit = 299'999;
    auto done = get({"/file", "/mirror"});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::NoSpace);
    EXPECT_EQ(asked_.size(), 1);
}

TEST_F(Downloads, StopOnRequest) {
    piece_ = 10;
    request_.pause = std::chrono::seconds(60);
    on_asked_ = [this] { stop_.request(); };
    EXPECT_EQ(get({"/file"}).error().code, Code::Cancelled);
}

} // namespace
} // namespace slipway::loading
