// SPDX-License-Identifier: Apache-2.0
// Disks of one session, each opened for its own use.
#include "ops/in_place.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "session/machine_choice.hpp"

namespace slipway::ops {
namespace {

using testing::HasSubstr;

class Disks : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root";
        auto runner = session::SupervisedRunner::launch();
        ASSERT_TRUE(runner) << render_text(runner.error());
        runner_ = std::move(*runner);
        context_.runner = runner_.get();
        context_.host.runner = runner_.get();
        std::string name = "/var/tmp/slipway-disks-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
        options_.engine = GetParam();
        if (options_.engine == "sandbox")
            if (auto machine = session::choose_machine(context_.host, {}); !machine)
                GTEST_SKIP() << render_text(machine.error());
    }
    void TearDown() override {
        if (!top_.empty())
            std::filesystem::remove_all(top_);
    }

    void run(std::vector<std::string> argv) {
        auto done = sys::run(*runner_, {.argv = std::move(argv)});
        ASSERT_TRUE(done) << render_text(done.error());
        ASSERT_EQ(done->status, 0) << done->err;
    }
    /// A disk without a partition table.
    std::string disk(const std::string& name) {
        auto path = fmt::format("{}/{}.raw", top_, name);
        run({"truncate", "--size=8M", path});
        run({"mkfs.ext4", "-q", path});
        if (!name.starts_with("qcow2"))
            return path;
        run({"qemu-img", "convert", "-O", "qcow2", path, path + ".qcow2"});
        return path + ".qcow2";
    }
    Result<Json> put(OpenImage& opened, const std::string& volume, const std::string& text) {
        auto file = sys::make_memfd("input", text);
        EXPECT_TRUE(file);
        EXPECT_EQ(::lseek(file->raw(), 0, SEEK_SET), 0);
        return opened.call("put", {{"root", volume}, {"path", "/new"}, {"mode", 0644}},
                           {.input = *file});
    }
    static void close(InPlace& place) {
        auto closed = place.opened().close();
        EXPECT_TRUE(closed) << render_text(closed.error());
    }
    [[nodiscard]] bool has_new(const std::string& path) {
        auto opened = InPlace::open(context_, options_, {{.path = path}});
        EXPECT_TRUE(opened) << render_text(opened.error());
        auto found =
            opened->opened().call("stat", {{"root", "sda"}, {"path", "/new"}, {"follow", true}});
        close(*opened);
        if (!found && found.error().code != Code::NotFound)
            ADD_FAILURE() << render_text(found.error());
        return found.has_value();
    }

    std::unique_ptr<session::SupervisedRunner> runner_;
    Context context_{};
    EngineOptions options_{};
    std::string top_;
};

TEST_P(Disks, EachIsForItsOwnUse) {
    std::vector<DiskOptions> disks{{.path = disk("looked-at")},
                                   {.path = disk("dropped"), .use = Use::Discard},
                                   {.path = disk("kept"), .use = Use::Keep},
                                   {.path = disk("qcow2-kept"), .use = Use::Keep}};
    // A session has one root.
    for (const char* volume : {"sda", "sdb", "sdc", "sdd"}) {
        auto place = InPlace::open(context_, options_, disks);
        ASSERT_TRUE(place) << render_text(place.error());
        auto done = put(place->opened(), volume, "x");
        EXPECT_EQ(done.has_value(), volume != std::string_view("sda")) << volume;
        close(*place);
        auto way = place->commit(context_);
        ASSERT_TRUE(way) << render_text(way.error());
        EXPECT_EQ(*way, InPlaceWay::Journal);
    }
    EXPECT_FALSE(has_new(disks[0].path));
    EXPECT_FALSE(has_new(disks[1].path));
    EXPECT_TRUE(has_new(disks[2].path));
    EXPECT_TRUE(has_new(disks[3].path));
}

TEST_P(Disks, WhatIsNotCommittedIsDropped) {
    std::vector<DiskOptions> disks{{.path = disk("one"), .use = Use::Keep},
                                   {.path = disk("two"), .use = Use::Keep}};
    {
        auto place = InPlace::open(context_, options_, disks);
        ASSERT_TRUE(place) << render_text(place.error());
        EXPECT_TRUE(put(place->opened(), "sda", "x"));
        close(*place);
    }
    EXPECT_FALSE(has_new(disks[0].path));
    EXPECT_FALSE(has_new(disks[1].path));
}

TEST_P(Disks, TellTheirSectorsAndSerials) {
    std::vector<DiskOptions> disks{{.path = disk("usual")},
                                   {.path = disk("large"), .block_size = 4096, .serial = "S-1"},
                                   {.path = disk("qcow2"), .block_size = 4096}};
    // The table that the kernel sees depends on its sectors.
    for (auto index : {1U, 2U}) {
        auto with_table = disks[index].path;
        auto raw = fmt::format("{}/table.raw", top_);
        run({"truncate", "--size=16M", raw});
        run({"sh", "-c",
             fmt::format("dev=$(losetup --find --show --sector-size 4096 {0}) && "
                         "{{ echo 'label: gpt'; echo; echo size=8M; }} | sfdisk -q $dev; "
                         "losetup --detach $dev",
                         raw)});
        run({"qemu-img", "convert", "-O", index == 1 ? "raw" : "qcow2", raw, with_table});
    }
    auto place = InPlace::open(context_, options_, disks);
    ASSERT_TRUE(place) << render_text(place.error());
    auto survey = place->opened().call("survey", Json::object());
    ASSERT_TRUE(survey) << render_text(survey.error());
    auto inventory = report::inventory_from_json(json_at(*survey, "inventory"));
    ASSERT_EQ(inventory.disks.size(), 3);
    EXPECT_EQ(inventory.disks[0].serial, "");
    EXPECT_EQ(inventory.disks[1].serial, "S-1");
    EXPECT_EQ(inventory.disks[1].table, "gpt");
    EXPECT_EQ(inventory.disks[2].table, "gpt");
    std::vector<std::string> names;
    for (const auto& volume : inventory.volumes)
        names.push_back(volume.name);
    EXPECT_THAT(names, testing::IsSupersetOf({"sdb1", "sdc1"}));
    close(*place);
    auto way = place->commit(context_);
    ASSERT_TRUE(way);
    EXPECT_EQ(*way, InPlaceWay::None);
}

TEST_P(Disks, CanBeOpenedByAnotherFirstCall) {
    auto refused =
        InPlace::open(context_, options_, {{.path = disk("one")}}, {.operation = "unknown"});
    ASSERT_FALSE(refused);
    EXPECT_THAT(render_text(refused.error()), HasSubstr("unknown"));
}

TEST_P(Disks, AreRefusedWhereOneCannotHaveAJournal) {
    auto vdi = top_ + "/two.vdi";
    run({"qemu-img", "convert", "-O", "vdi", disk("two"), vdi});
    auto refused =
        InPlace::open(context_, options_,
                      {{.path = disk("one"), .use = Use::Keep}, {.path = vdi, .use = Use::Keep}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::Unsupported);
    EXPECT_THAT(refused.error().what, HasSubstr(vdi));
}

INSTANTIATE_TEST_SUITE_P(Engine, Disks, testing::Values("host", "sandbox"),
                         [](const auto& test) { return std::string(test.param); });

} // namespace
} // namespace slipway::ops
