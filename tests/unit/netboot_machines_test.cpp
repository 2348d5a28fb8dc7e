// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.hpp"
#include "boot/remote.hpp"
#include "boot/remote_protocol.hpp"
#include "http/identity.hpp"
#include "http/signature.hpp"
#include "netboot/machines.hpp"

namespace slipway::netboot {
namespace {

std::string hex(const std::string& bytes) {
    return to_hex(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

// What a machine with these keys says to a challenge.
Json answer_to(const std::string& challenge, const http::KeyPair& keys,
               const std::string& mac = "52:54:00:00:00:01") {
    auto signature = http::sign(boot::challenge_text(challenge), keys.private_key).value();
    return {{"key", keys.public_key},
            {"challenge", challenge},
            {"signature", hex(signature)},
            {"machine", {{"mac", mac}, {"kernel", "6.1"}}}};
}

class MachinesTest : public testing::Test {
protected:
    Machine& enter(const http::KeyPair& keys, const std::string& mac = "52:54:00:00:00:01") {
        auto entered = machines_.enter(answer_to(machines_.challenge(), keys, mac), "10.0.0.7");
        EXPECT_TRUE(entered) << render_text(entered.error());
        return **entered;
    }
    http::KeyPair keys_ = http::make_key_pair().value();
    std::set<std::string> kept_;
    Machines machines_{{.on_approved = [this](const auto& ids) { kept_ = ids; }}};
};

TEST_F(MachinesTest, AreKnownByTheirKeys) {
    auto& machine = enter(keys_);
    EXPECT_EQ(machine.id, boot::fingerprint_of(keys_.public_key));
    EXPECT_FALSE(machine.is_approved);
    EXPECT_EQ(machines_.with_session(machine.session), &machine);
    EXPECT_EQ(machines_.with_session(""), nullptr);
    EXPECT_EQ(machines_.with_session("0"), nullptr);

    auto before = machine.session;
    machines_.approve(machine);
    EXPECT_EQ(kept_, std::set{machine.id});
    auto& again = enter(keys_); // after its connection broke
    EXPECT_EQ(&again, &machine);
    EXPECT_TRUE(again.is_approved);
    EXPECT_EQ(machines_.with_session(before), nullptr);
}

TEST_F(MachinesTest, NobodyEntersWithAnothersKey) {
    auto other = http::make_key_pair().value();
    auto forged = answer_to(machines_.challenge(), other);
    forged["key"] = keys_.public_key;
    auto entered = machines_.enter(forged, "10.0.0.8");
    ASSERT_FALSE(entered);
    EXPECT_EQ(entered.error().code, Code::Permission);

    auto good = answer_to(machines_.challenge(), keys_);
    EXPECT_TRUE(machines_.enter(good, "10.0.0.8"));
    EXPECT_FALSE(machines_.enter(good, "10.0.0.8")); // heard, and said again
    EXPECT_FALSE(machines_.enter(answer_to("mine", keys_), "10.0.0.8"));
    for (const auto& key : {std::string("nonsense"), std::string(10000, 'x')}) {
        auto broken = answer_to(machines_.challenge(), keys_);
        broken["key"] = key;
        EXPECT_FALSE(machines_.enter(broken, "10.0.0.8"));
    }
}

TEST_F(MachinesTest, NothingIsKeptOfOneThatWasNotApproved) {
    auto& machine = enter(keys_);
    machines_.take_console(machine, "bytes");
    machines_.take_lines(machine, Json::array({"line"}));
    EXPECT_EQ(machine.console, "");
    EXPECT_TRUE(machine.lines.empty());
    machines_.approve(machine);
    machines_.take_console(machine, "bytes");
    machines_.take_lines(machine, Json::array({"line", 5, Json::object()}));
    machines_.take_lines(machine, "no list");
    EXPECT_EQ(machine.console, "bytes");
    EXPECT_THAT(machine.lines, testing::ElementsAre("line"));
    for (int i = 0; i < 100; ++i)
        machines_.take_console(machine, std::string(10000, 'x'));
    EXPECT_LE(machine.console.size(), 300'000U);
    EXPECT_EQ(machine.console_end, 1'000'005U);
}

TEST_F(MachinesTest, AreFoundByWhatAnOperatorWrites) {
    auto& one = enter(keys_);
    one.is_connected = true;
    auto& two = enter(http::make_key_pair().value(), "52:54:00:00:00:02");
    EXPECT_EQ(machines_.find(one.id).value(), &one);
    EXPECT_EQ(machines_.find("52:54:00:00:00:02").value(), &two);
    EXPECT_EQ(machines_.find("none").error().code, Code::NotFound);
    EXPECT_EQ(machines_.find("").error().code, Code::NotFound);
    EXPECT_EQ(machines_.list().front(), &one); // who is there comes first
    machines_.forget(two.id);
    EXPECT_FALSE(machines_.find("52:54:00:00:00:02"));
}

// It makes another key at each start.
TEST_F(MachinesTest, AMachineThatWasStartedAgainTakesItsOwnPlace) {
    enter(keys_);
    auto& again = enter(http::make_key_pair().value());
    EXPECT_THAT(machines_.list(), testing::ElementsAre(&again));
    again.is_connected = true;
    enter(http::make_key_pair().value()); // of somebody who claims to be it
    EXPECT_EQ(machines_.list().size(), 2U);
}

TEST(MachineJson, TakesWhateverAMachineSays) {
    Machine machine{.id = "1"};
    machine.about = {{"mac", 7}, {"kernel", Json::array()}};
    machine.now = {{"phase", Json::object()}, {"uptime", "long"}, {"memory", "much"}};
    auto json = to_json(machine);
    EXPECT_EQ(json["mac"], "");
    EXPECT_EQ(json["phase"], "");
    EXPECT_EQ(json["uptime"], 0);
    EXPECT_EQ(json["memory"], Json::object());
}

} // namespace
} // namespace slipway::netboot
