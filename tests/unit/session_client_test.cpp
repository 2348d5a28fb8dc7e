// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <gtest/gtest.h>

#include "session/client.hpp"
#include "session/wire.hpp"
#include "work/peer.hpp"

using namespace slipway;
using namespace slipway::session;

namespace {

class FakePlace final : public Place {
public:
    Status attend() override {
        return dead ? fail(Code::Timeout, "it shows no sign of life") : Status{};
    }
    Error explain_end() override { return {.code = Code::Protocol, .what = "it has ended"}; }
    void kill() override {}
    Status finish() override { return {}; }

    bool dead = false;
};

// A session with a worker whose answers are written in advance.
struct Talk {
    Talk() : sockets(sys::make_socket_pair().value()), worker(std::move(sockets.second)) {
        EXPECT_TRUE(worker.send({FrameType::Hello, 0, to_wire({{"version", protocol_version}})}));
        answer(1, {});
        auto owned = std::make_unique<FakePlace>();
        place = owned.get();
        session =
            Session::open({std::move(owned), Channel(std::move(sockets.first)), Json::array()}, {})
                .value();
    }
    void answer(std::uint32_t id, const Json& json) {
        EXPECT_TRUE(worker.send({FrameType::Response, id, to_wire(json)}));
    }

    std::pair<sys::OwnedFd, sys::OwnedFd> sockets;
    Channel worker;
    FakePlace* place;
    std::unique_ptr<Session> session;
};

} // namespace

TEST(Session, IsOfNoUseOnceClosed) {
    Talk talk;
    talk.answer(2, {{"files", 3}});
    EXPECT_EQ(talk.session->call("stat").value(), (Json{{"files", 3}}));
    talk.answer(3, {});
    EXPECT_TRUE(talk.session->close());
    for (const auto* operation : {"stat", "close"}) {
        auto refused = talk.session->call(operation);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::InvalidArgument);
        EXPECT_NE(refused.error().what.find("closed"), std::string::npos);
    }
}

TEST(Session, EndsACallOfAMachineThatIsDead) {
    Talk talk;
    talk.place->dead = true;
    auto failed = talk.session->call("stat");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::Timeout);
}

// User-mode Linux loses what overfills its serial line while the worker does not read.
TEST(Session, GrantsCreditForManySmallPiecesTogether) {
    Talk talk;
    constexpr std::size_t pieces = 3000;
    constexpr std::size_t size = 100;
    std::thread sending([&talk] { // more than a socket holds
        for (std::size_t i = 0; i < pieces; ++i)
            EXPECT_TRUE(talk.worker.send(
                {FrameType::Data, 2, encode_data(work::Output, std::string(size, 'x'))}));
        talk.answer(2, {});
    });
    std::size_t taken = 0;
    session::CallHooks hooks;
    hooks.on_data = [&](int, std::string_view bytes) -> Status {
        taken += bytes.size();
        return {};
    };
    ASSERT_TRUE(talk.session->call("stat", Json::object(), hooks));
    sending.join();
    EXPECT_EQ(taken, pieces * size);
    std::size_t frames = 0;
    std::size_t granted = 0;
    while (true) {
        auto frame = talk.worker.receive(std::chrono::milliseconds(0));
        if (!frame || !*frame)
            break;
        if ((*frame)->type != FrameType::Credit)
            continue;
        ++frames;
        granted += decode_credit((*frame)->payload).value().second;
    }
    EXPECT_LE(frames, 10U);
    // What is not granted is less than what may be under way, so that the worker can go on.
    EXPECT_LT(taken - granted, talk.worker.initial_credit() / 2);
}

TEST(Session, TellsThatTheWorkerHasGone) {
    Talk talk;
    talk.worker.hang_up();
    auto failed = talk.session->call("stat");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().what, "it has ended");
}
