// SPDX-License-Identifier: Apache-2.0
// Configuration and command lines of lvm and mdadm, and what they say; fixtures of the real tools.
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/lvm_text.hpp"
#include "storage/md_text.hpp"
#include "storage/names.hpp"

namespace slipway::storage {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string fixture(const std::string& name) {
    std::ifstream file(std::string(SLIPWAY_SOURCE_DIR "/tests/fixtures/storage/") + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(StorageLvmText, ConfigurationSeesTheNamedNodesOnly) {
    auto text = lvm_config({.nodes = {"/dev/vda2", "/dev/mapper/a.b"}, .lock_dir = "/run/x"});
    EXPECT_THAT(text, HasSubstr(R"( filter=["a|^/dev/vda2$|","a|^/dev/mapper/a[.]b$|","r|.*|"])"));
    EXPECT_THAT(text, HasSubstr("global_filter=[\"a|^/dev/vda2$|\""));
    for (const auto* setting :
         {"use_devicesfile=0", "obtain_device_list_from_udev=0", "multipath_component_detection=0",
          "md_component_detection=0", "udev_sync=0", "udev_rules=0", "backup=0", "archive=0",
          "use_lvmpolld=0", "hints=\"none\"", "event_activation=0", "notify_dbus=0",
          "locking_dir=\"/run/x\""})
        EXPECT_THAT(text, HasSubstr(setting));
    EXPECT_THAT(text, Not(HasSubstr("read_only")));
}

TEST(StorageLvmText, ConfigurationOfAReadOnlyGroup) {
    auto text = lvm_config(
        {.nodes = {"/dev/vda"}, .lock_dir = "/x", .read_only = {"vg"}, .system_ids = {"host\"1"}});
    EXPECT_THAT(text, HasSubstr("read_only_volume_list=[\"vg\"]"));
    EXPECT_THAT(text, HasSubstr("metadata_read_only=1"));
    EXPECT_THAT(text, HasSubstr(R"(extra_system_ids=["host\"1"])"));
}

TEST(StorageLvmText, CommandLines) {
    LvmScope scope{.nodes = {"/dev/vda"}, .lock_dir = "/x"};
    auto config = lvm_config(scope);
    EXPECT_THAT(activate_spec(scope, {"vg/a", "vg/b"}).argv,
                ElementsAre("lvm", "lvchange", "--config", config, "-y", "-ay", "-K",
                            "--activationmode", "degraded", "vg/a", "vg/b"));
    EXPECT_THAT(deactivate_spec(scope, "vg").argv,
                ElementsAre("lvm", "vgchange", "--config", config, "-y", "-an", "vg"));
    EXPECT_THAT(deactivate_spec(scope, "vg").env, Contains("DM_DISABLE_UDEV=1"));
    EXPECT_THAT(deactivate_spec(scope, "vg").env, Contains("LVM_SYSTEM_DIR=/x"));
}

TEST(StorageLvmText, ReportOfAGroupThatLacksAVolume) {
    auto all = parse_pvs(fixture("pvs-missing.json"));
    ASSERT_TRUE(all) << render_text(all.error());
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ((*all)[0].node, "/dev/ubda");
    EXPECT_EQ((*all)[0].group, "my-vg");
    EXPECT_EQ((*all)[1].node, "");
    EXPECT_EQ((*all)[1].uuid.size(), 38U);
    EXPECT_EQ((*all)[0].group_uuid, (*all)[1].group_uuid);
}

TEST(StorageLvmText, ReportOfLogicalVolumes) {
    auto all = parse_lvs(fixture("lvs-missing.json"));
    ASSERT_TRUE(all) << render_text(all.error());
    ASSERT_EQ(all->size(), 5U);
    const auto &linear = (*all)[0], &gone = (*all)[1], &pool = (*all)[2], &snapshot = (*all)[3],
               &thin = (*all)[4];
    EXPECT_EQ(linear.name, "a-b");
    EXPECT_THAT(targets_of(linear), Contains("snapshot-origin"));
    EXPECT_EQ(kind_that_writes(linear), "");
    EXPECT_EQ(gone.health, "partial");
    EXPECT_TRUE(is_internal(pool));
    EXPECT_FALSE(is_internal(snapshot));
    EXPECT_THAT(targets_of(snapshot), Contains("snapshot"));
    EXPECT_EQ(kind_that_writes(thin), "thin");
    EXPECT_THAT(targets_of(thin), ElementsAre("thin-pool", "thin"));
}

TEST(StorageLvmText, SegmentsOfVolumes) {
    auto all = parse_segments(fixture("pvs-segments.json"));
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 3U); // and free space, which is of none
    const auto& first = all->front();
    EXPECT_EQ(first.node, "/dev/vdd");
    EXPECT_EQ(first.start_in_volume, 0U);
    EXPECT_EQ(first.start_on_node, 1U << 20);
    EXPECT_EQ(first.size, 8U << 20);
    const auto& last = all->back();
    EXPECT_EQ(last.volume_uuid, first.volume_uuid);
    EXPECT_EQ(last.start_in_volume, 8U << 20);
    EXPECT_EQ(last.start_on_node, 13U << 20);
    EXPECT_FALSE(parse_segments(
        R"({"report":[{"pvseg":[{"pv_name":"/dev/a","lv_uuid":"u","pvseg_size":"0"}]}]})"));
    EXPECT_TRUE(is_plain({.name = "a", .uuid = "", .layout = "linear", .role = "public"}));
    EXPECT_FALSE(is_plain(
        {.name = "a", .uuid = "", .layout = "linear", .role = "public,origin,thickorigin"}));
}

TEST(StorageLvmText, OtherTextIsAnErrorOrNothing) {
    EXPECT_FALSE(parse_pvs("not json"));
    auto none = parse_pvs(R"({"report":[{}]})");
    ASSERT_TRUE(none);
    EXPECT_THAT(*none, IsEmpty());
    EXPECT_TRUE(parse_lvs(R"({"report":[{"lv":[{"lv_name":7}]}]})"));
    EXPECT_TRUE(parse_lvs("[]"));
}

TEST(StorageMdText, Members) {
    auto modern = parse_member(fixture("member-1.2.txt"), "sda");
    ASSERT_TRUE(modern) << render_text(modern.error());
    EXPECT_EQ(modern->level, "raid1");
    EXPECT_EQ(modern->devices, 2U);
    EXPECT_EQ(modern->name, "guest:data");
    EXPECT_EQ(modern->uuid, "e48bc2b6:6e888daa:317df01a:60e574df");
    auto old = parse_member(fixture("member-0.90.txt"), "sda");
    ASSERT_TRUE(old) << render_text(old.error());
    EXPECT_EQ(old->name, "");
    EXPECT_FALSE(parse_member("nothing\n=\n", "sda"));
}

TEST(StorageMdText, CommandLinesNameTheirDevices) {
    auto spec = assemble_spec("/dev/md127", "e4:8b", {"/dev/vda", "/dev/vdb"});
    EXPECT_THAT(spec.argv,
                ElementsAre("mdadm", "--assemble", "/dev/md127", "--config=none", "--readonly",
                            "--run", "--uuid=e4:8b", "/dev/vda", "/dev/vdb"));
    EXPECT_THAT(spec.argv, Not(Contains("--scan")));
    EXPECT_THAT(spec.env, ElementsAre("MDADM_NO_UDEV=1"));
}

TEST(StorageNames, Trap6_HyphensAreDoubledInTheKernel) {
    EXPECT_EQ(mapper_name("a-b", "c-d"), "a--b-c--d");
    EXPECT_EQ(mapper_uuid("jHIShP-oph0", "2I5pJo-GSIG"), "LVM-jHIShPoph02I5pJoGSIG");
}

TEST(StorageNames, OfPartitionsGroupsAndArrays) {
    EXPECT_EQ(partition_base("md:0"), "md:0p");
    EXPECT_EQ(partition_base("md:data"), "md:data");
    EXPECT_EQ(group_label({.name = "vg", .uuid = "AbCdEf-1234"}), "vg");
    EXPECT_EQ(group_label({.name = "vg", .uuid = "AbCdEf-1234", .twin = true}), "vg@AbCdEf");
    EXPECT_EQ(array_name("guest:data"), "data");
    EXPECT_EQ(array_name("data"), "data");
    EXPECT_EQ(array_name("h:a/b \n\x1b"), "a_b___");
    EXPECT_EQ(array_uuid("E48bc2b6:6e888daa:317df01a:60e574df"),
              "e48bc2b6-6e88-8daa-317d-f01a60e574df");
}

TEST(StorageNames, SelectorsOfKeys) {
    constexpr auto uuid = "5119a000-0000-4000-8000-00000000000a";
    for (const auto* selector :
         {"all", "sda3", "/dev/sda3", "5119A000-0000-4000-8000-00000000000A"})
        EXPECT_TRUE(selects(selector, "sda3", uuid)) << selector;
    for (const auto* selector : {"sda", "sda33", "/dev/sda", "", "/dev/mapper/sda3"})
        EXPECT_FALSE(selects(selector, "sda3", uuid)) << selector;
    EXPECT_TRUE(selects("/dev/mapper/a--b-c", "a-b/c", ""));
    EXPECT_TRUE(selects("/dev/a-b/c", "a-b/c", ""));
    EXPECT_FALSE(selects("", "sda3", ""));
}

} // namespace
} // namespace slipway::storage
