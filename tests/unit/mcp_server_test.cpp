// SPDX-License-Identifier: Apache-2.0
#include "mcp/server.hpp"

#include <condition_variable>
#include <mutex>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace slipway;
using namespace slipway::mcp;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

struct WorkArguments : Waiting {
    std::string say{};
    static Shape<WorkArguments> shape() {
        return Shape<WorkArguments>()
            .add("say", &WorkArguments::say, "What to say")
            .with(Waiting::shape());
    }
};
struct Said {
    std::string said;
    static Shape<Said> shape() { return Shape<Said>().add("said", &Said::said, "What was said"); }
};

/// A server with a tool that ends when the test says so, or when it is cancelled.
class McpServer : public testing::Test {
protected:
    McpServer() {
        Tools tools;
        tools.push_back(job_tool<WorkArguments, Said>(
            {"work", "Work", "Works."},
            [this](Job& job, const WorkArguments& arguments) -> Result<Told<Said>> {
                job.say(Level::Info, "working");
                job.progress({.step = "step", .done = 1, .total = 2, .bytes = false});
                std::unique_lock lock(mutex_);
                while (!finish_) {
                    changed_.wait_for(lock, std::chrono::milliseconds(5));
                    if (job.status().stop_requested)
                        return fail(Code::Cancelled, "stopped on request");
                }
                if (arguments.say == "error")
                    return fail(Code::Busy, "it is busy", "wait");
                if (arguments.say == "throw")
                    throw std::runtime_error("thrown");
                return Told<Said>{arguments.say, {arguments.say}};
            }));
        server_.emplace(std::move(tools), jobs_,
                        [this](const Json& json) { sent_.push_back(json); });
    }
    ~McpServer() override { EXPECT_TRUE(jobs_.stop(std::chrono::seconds(10))); }

    void line(const std::string& text) { server_->take_line(text); }
    Json ask(const std::string& text) {
        sent_.clear();
        line(text);
        return sent_.empty() ? Json() : sent_.back();
    }
    int code(const std::string& text) { return json_get<int>(json_at(ask(text), "error"), "code"); }
    void initialize(const std::string& revision = "2025-11-25") {
        ask(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":")" +
            revision + R"(","capabilities":{},"clientInfo":{"name":"t","version":"1"}}})");
        line(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    }
    static std::string call(const std::string& id, const std::string& arguments,
                            const std::string& more = "") {
        return R"({"jsonrpc":"2.0","id":)" + id +
               R"(,"method":"tools/call","params":{"name":"work","arguments":)" + arguments + more +
               "}}";
    }
    void finish() {
        std::lock_guard lock(mutex_);
        finish_ = true;
        changed_.notify_all();
    }
    /// Ticks until something is sent.
    Json next() {
        sent_.clear();
        for (int i = 0; i < 2000 && sent_.empty(); ++i) {
            server_->tick();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return sent_.empty() ? Json() : sent_.front();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool finish_ = false;
    std::vector<Json> sent_;
    Jobs jobs_{{.running = 2, .kept = 3}, [] {}};
    std::optional<Server> server_;
};

TEST_F(McpServer, NegotiatesTheRevision) {
    for (const auto& known : revisions()) {
        Server server({}, jobs_, [this](const Json& json) { sent_.push_back(json); });
        server.take_line(
            R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":")" +
            known + "\"}}");
        EXPECT_EQ(sent_.back()["result"]["protocolVersion"], known);
    }
    auto newest = ask(
        R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1999-01-01"}})");
    EXPECT_EQ(newest["result"]["protocolVersion"], revisions().front());
    EXPECT_EQ(newest["result"]["serverInfo"]["name"], "slipway");
}

TEST_F(McpServer, NothingButPingComesBeforeInitialize) {
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":"p","method":"ping"})")["result"], Json::object());
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"), json_rpc::invalid_request);
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{}})"),
              json_rpc::invalid_params);
    initialize();
    EXPECT_TRUE(ask(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})").contains("result"));
    EXPECT_EQ(
        code(
            R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}})"),
        json_rpc::invalid_request);
}

TEST_F(McpServer, ProtocolErrorsHaveTheirCodes) {
    initialize();
    EXPECT_EQ(code("{nonsense"), json_rpc::parse_error);
    EXPECT_EQ(code("5"), json_rpc::invalid_request);
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"nope"})"), json_rpc::method_not_found);
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}})"),
              json_rpc::invalid_params);
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nope"}})"),
              json_rpc::invalid_params);
    EXPECT_EQ(
        code(
            R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":[]}})"),
        json_rpc::invalid_params);
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}})"),
              json_rpc::invalid_params);
    EXPECT_EQ(
        code(
            R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}})"),
        json_rpc::resource_not_found);
    EXPECT_EQ(
        code(
            R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"slipway://job/9/log"}})"),
        json_rpc::resource_not_found);
    EXPECT_EQ(
        code(R"({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"loud"}})"),
        json_rpc::invalid_params);
    server_->take_line(std::nullopt);
    EXPECT_EQ(sent_.back()["error"]["code"], json_rpc::parse_error);
}

TEST_F(McpServer, NotificationsAndAnswersAreNotAnswered) {
    initialize();
    sent_.clear();
    line(R"({"jsonrpc":"2.0","method":"nope","params":{}})");
    line(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}})");
    line(R"({"jsonrpc":"2.0","id":4,"result":{}})");
    line("  \r");
    EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(McpServer, WrongArgumentsAreAResultThatAModelSees) {
    initialize();
    auto result = ask(call("1", R"({"sai":"x"})"))["result"];
    EXPECT_EQ(result["isError"], true);
    EXPECT_THAT(result["content"][0]["text"].get<std::string>(), HasSubstr("'sai' is not known"));
    EXPECT_EQ(result["structuredContent"]["error"]["code"], "invalidArgument");
}

TEST_F(McpServer, ACallIsAnsweredWhenItsJobHasEnded) {
    initialize();
    EXPECT_TRUE(ask(call("\"x\"", R"({"say":"hello"})")).is_null());
    // Meanwhile it goes on answering.
    EXPECT_TRUE(ask(R"({"jsonrpc":"2.0","id":2,"method":"ping"})").contains("result"));
    finish();
    auto answer = next();
    EXPECT_EQ(answer["id"], "x");
    EXPECT_EQ(answer["result"]["structuredContent"]["result"]["said"], "hello");
    EXPECT_EQ(answer["result"]["structuredContent"]["state"], "done");
    EXPECT_FALSE(answer["result"].contains("isError"));
    EXPECT_FALSE(server_->is_waiting());
}

TEST_F(McpServer, ErrorsOfWorkAreResultsWithAHint) {
    initialize();
    finish();
    line(call("1", R"({"say":"error"})"));
    auto result = next()["result"];
    EXPECT_EQ(result["isError"], true);
    EXPECT_EQ(render_json(result["structuredContent"]["error"]),
              R"({"code":"busy","message":"it is busy","hint":"wait"})");
    line(call("2", R"({"say":"throw"})"));
    EXPECT_EQ(next()["result"]["structuredContent"]["error"]["code"], "internal");
}

TEST_F(McpServer, ACallThatTakesLongGivesTheJob) {
    initialize();
    auto at_once = ask(call("1", R"({"wait_seconds":0})"))["result"]["structuredContent"];
    EXPECT_EQ(at_once["state"], "running");
    EXPECT_EQ(at_once["job_id"], "1");
    line(call("2", R"({"wait_seconds":0.05})"));
    auto result = next()["result"];
    EXPECT_THAT(result["content"][0]["text"].get<std::string>(), HasSubstr("s: step: 50 %. Ask"));
    auto later = result["structuredContent"];
    EXPECT_EQ(later["state"], "running");
    EXPECT_EQ(later["job_id"], "2");
    EXPECT_EQ(later["step"], "step: 50 %");
    // As many run as may.
    auto busy = ask(call("3", "{}"))["result"];
    EXPECT_EQ(busy["structuredContent"]["error"]["code"], "busy");
}

TEST_F(McpServer, CancelStopsTheJobAndIsNotAnswered) {
    initialize();
    line(call("5", "{}"));
    EXPECT_EQ(code(call("5", "{}")), json_rpc::invalid_request); // the id is in use
    sent_.clear();
    line(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}})");
    EXPECT_FALSE(server_->is_waiting());
    auto job = *jobs_.find("1");
    while (job->is_running())
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    server_->tick();
    EXPECT_EQ(job->status().state, JobState::Cancelled);
    EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(McpServer, ProgressIsToldToWhoAskedForIt) {
    initialize();
    line(call("1", "{}", R"(,"_meta":{"progressToken":"t"})"));
    auto first = next();
    EXPECT_EQ(first["method"], "notifications/progress");
    EXPECT_EQ(first["params"]["progressToken"], "t");
    EXPECT_EQ(first["params"]["message"], "step: 50 %");
    EXPECT_GT(first["params"]["progress"].get<double>(), 0);
    finish();
    EXPECT_EQ(next()["id"], 1);
}

TEST_F(McpServer, LogsAreSentFromTheLevelOn) {
    initialize();
    EXPECT_TRUE(
        ask(R"({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}})")
            .contains("result"));
    line(call("2", "{}"));
    auto log = next();
    EXPECT_EQ(log["method"], "notifications/message");
    EXPECT_EQ(log["params"]["data"], "working");
    EXPECT_EQ(log["params"]["level"], "info");
}

TEST_F(McpServer, TextsOfJobsAreResources) {
    initialize();
    finish();
    line(call("1", "{}"));
    next();
    auto list = ask(R"({"jsonrpc":"2.0","id":1,"method":"resources/list"})")["result"]["resources"];
    ASSERT_THAT(list, SizeIs(1));
    EXPECT_EQ(list[0]["uri"], "slipway://job/1/log");
    auto read = [&](const std::string& uri) {
        return ask(R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":")" + uri +
                   "\"}}");
    };
    EXPECT_THAT(read("slipway://job/1/log")["result"]["contents"][0]["text"].get<std::string>(),
                HasSubstr("working\n"));
    EXPECT_EQ(read("slipway://job/1/log?offset=100000")["error"]["code"], json_rpc::invalid_params);
    for (const char* none :
         {"slipway://job/1/report", "slipway://job/1", "slipway://job/1/log?offset=x",
          "slipway://job/1/log?page=1", "slipway://job/../log"})
        EXPECT_EQ(read(none)["error"]["code"], json_rpc::resource_not_found) << none;
    EXPECT_LT(render_json(read("slipway://" + std::string(100'000, 'x'))).size(), 1000U);
    EXPECT_LT(render_json(read("slipway://job/1/" + std::string(100'000, 'x'))).size(), 1000U);
}

TEST_F(McpServer, TheOldestJobsAreForgotten) {
    initialize();
    finish();
    for (int i = 1; i <= 5; ++i) {
        line(call(std::to_string(i), "{}"));
        next();
    }
    EXPECT_THAT(jobs_.list(), SizeIs(3));
    EXPECT_EQ(jobs_.find("2").error().code, Code::NotFound);
    EXPECT_TRUE(jobs_.find("5"));
}

TEST_F(McpServer, BatchesAreOfOneRevisionAndAnsweredTogether) {
    initialize("2025-03-26");
    EXPECT_EQ(code("[]"), json_rpc::invalid_request);
    EXPECT_TRUE(ask(R"([{"jsonrpc":"2.0","method":"notifications/x"}])").is_null());
    auto both = ask(
        R"([{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"nope"},3])");
    ASSERT_THAT(both, SizeIs(3));
    EXPECT_EQ(both[0]["id"], 1);
    EXPECT_EQ(both[1]["error"]["code"], json_rpc::method_not_found);
    EXPECT_EQ(both[2]["error"]["code"], json_rpc::invalid_request);
    sent_.clear();
    line("[" + call("7", "{}") + R"(,{"jsonrpc":"2.0","id":8,"method":"ping"}])");
    EXPECT_THAT(sent_, IsEmpty());
    finish();
    EXPECT_THAT(next(), SizeIs(2));
}

TEST_F(McpServer, OfACancelledCallInABatchNothingIsSaid) {
    initialize("2025-03-26");
    sent_.clear();
    line("[" + call("7", "{}") + R"(,{"jsonrpc":"2.0","id":8,"method":"ping"}])");
    line(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}})");
    ASSERT_THAT(sent_, SizeIs(1));
    EXPECT_THAT(sent_[0], SizeIs(1));
}

TEST_F(McpServer, OtherRevisionsHaveNoBatches) {
    initialize();
    EXPECT_EQ(code(R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])"), json_rpc::invalid_request);
}

TEST_F(McpServer, NoLineBreaksIt) {
    initialize("2025-03-26");
    finish();
    const std::vector<std::string> seeds{
        call("1", R"({"say":"x","wait_seconds":0})"),
        R"([{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"}])",
        R"({"jsonrpc":"2.0","id":"a","method":"resources/read","params":{"uri":"slipway://job/1/log?offset=3"}})",
        R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}})",
        R"({"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}})"};
    std::mt19937 random(20251125);
    auto below = [&](std::size_t end) { return random() % end; };
    const std::string bytes = "{}[]\",:0-9eE\\u0000\xff tn";
    for (int i = 0; i < 30'000; ++i) {
        auto text = seeds[below(seeds.size())];
        for (auto changes = below(4) + 1; changes > 0 && !text.empty(); --changes) {
            auto at = below(text.size());
            switch (below(4)) {
            case 0:
                text[at] = bytes[below(bytes.size())];
                break;
            case 1:
                text.erase(at, below(8) + 1);
                break;
            case 2:
                text.insert(at, text.substr(below(text.size()), below(40)));
                break;
            default:
                text.insert(at, 1, static_cast<char>(below(256)));
            }
        }
        sent_.clear();
        line(text);
        server_->tick();
        for (const auto& message : sent_)
            EXPECT_TRUE(message.is_array() || message["jsonrpc"] == "2.0") << text;
    }
}

} // namespace
