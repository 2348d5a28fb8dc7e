// SPDX-License-Identifier: Apache-2.0
// Command lines of zpool and zfs, and what they say; fixtures of the real tools.
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/zfs_text.hpp"

namespace slipway::storage {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

const PoolImport fixture_pool{.guid = "421081485870734236",
                              .name = "slipway-0000000000000002",
                              .altroot = "/run/x",
                              .writable = false,
                              .nodes = {"/dev/loop0p2", "/dev/dm-3"}};

std::string fixture(const std::string& name) {
    std::ifstream file(std::string(SLIPWAY_SOURCE_DIR "/tests/fixtures/storage/") + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> names_of(const std::vector<Dataset>& datasets) {
    std::vector<std::string> names;
    for (const auto& each : datasets)
        names.push_back(each.name);
    return names;
}

TEST(StorageZfsText, ImportsNamedDevicesAndMountsNothing) {
    auto pool = fixture_pool;
    EXPECT_THAT(import_pool_spec(pool).argv,
                ElementsAre("zpool", "import", "-N", "-f", "-o", "cachefile=none", "-R", "/run/x",
                            "-o", "readonly=on", "-d", "/dev/loop0p2", "-d", "/dev/dm-3", "-t",
                            "421081485870734236", "slipway-0000000000000002"));
    pool.writable = true;
    EXPECT_THAT(import_pool_spec(pool).argv, Not(Contains("readonly=on")));
    EXPECT_THAT(survey_pools_spec(pool.nodes).argv,
                ElementsAre("zpool", "import", "-d", "/dev/loop0p2", "-d", "/dev/dm-3"));
    EXPECT_THAT(load_key_spec("p/secret").argv,
                ElementsAre("zfs", "load-key", "-L", "prompt", "p/secret"));
}

TEST(StorageZfsText, Datasets) {
    auto datasets = parse_datasets(fixture("zfs-list.txt"), fixture_pool);
    EXPECT_THAT(names_of(datasets), ElementsAre("", "/ROOT", "/ROOT/debian", "/home", "/legacy",
                                                "/secret", "/secret/sub", "/srv data"));
    ASSERT_EQ(datasets.size(), 8U);
    EXPECT_FALSE(datasets[0].mountable);
    EXPECT_EQ(datasets[2].mountpoint, "/");
    EXPECT_TRUE(datasets[2].mountable);
    EXPECT_FALSE(datasets[2].automatic);
    EXPECT_EQ(datasets[2].size, 114688U + 82243584U);
    EXPECT_EQ(datasets[3].mountpoint, "/home");
    EXPECT_TRUE(datasets[3].automatic);
    EXPECT_FALSE(datasets[3].locked);
    EXPECT_EQ(datasets[4].mountpoint, "legacy");
    EXPECT_TRUE(datasets[6].locked);
    EXPECT_EQ(datasets[6].key_dataset, "/secret");
}

TEST(StorageZfsText, TextOfTheGuestIsNoFurtherDataset) {
    const std::string end = "\ton\t-\t-\t1\t2\t/x\n";
    const auto& name = fixture_pool.name;
    for (const auto& line :
         {"/home\nrpool/forged" + end, name + "x/no" + end, name + "/../up" + end,
          name + "/./here" + end, name + "/a,b" + end, name + "/a\x1b[2J" + end,
          name + "/too\tmany" + end, name + "/few\n", std::string("\t\t\t\t\t\t\n")})
        EXPECT_THAT(names_of(parse_datasets(line, fixture_pool)), IsEmpty()) << line;
}

TEST(StorageZfsText, WhereASystemIsLookedFor) {
    auto datasets = parse_datasets(fixture("zfs-list.txt"), fixture_pool);
    auto candidates = [&](std::string_view boot) {
        std::vector<std::string> names;
        auto marks = root_candidates(datasets, parse_boot_dataset(boot, fixture_pool));
        for (std::size_t i = 0; i < datasets.size(); ++i)
            if (marks[i])
                names.push_back(datasets[i].name);
        return names;
    };
    EXPECT_THAT(candidates("slipway-0000000000000002/home\n"), ElementsAre("/home"));
    EXPECT_THAT(candidates("-\n"), ElementsAre("/ROOT/debian"));
    EXPECT_THAT(candidates("slipway-0000000000000002/gone\n"), ElementsAre("/ROOT/debian"));
    datasets[2].mountpoint = "none";
    EXPECT_THAT(candidates("-\n"), ElementsAre("/legacy"));
}

TEST(StorageZfsText, DevicesThatAreMissing) {
    EXPECT_THAT(parse_missing_devices(fixture("zpool-survey-missing.txt"), "18093388832386134352"),
                ElementsAre("loop2", "loop3"));
    EXPECT_THAT(parse_missing_devices(fixture("zpool-survey-missing.txt"), "1"), IsEmpty());
    EXPECT_TRUE(names_pool(fixture("zpool-survey-degraded.txt"), "15041976569663050645"));
    EXPECT_FALSE(names_pool("no pools available to import\n", "15041976569663050645"));

    auto label = parse_label(fixture("zdb-label-mirror.txt"));
    EXPECT_EQ(label.guid, "12977599030689282896");
    EXPECT_EQ(label.tops, 1U);
    EXPECT_THAT(missing_besides({label}), ElementsAre("/dev/loop2", "/dev/loop3"));
    auto second = label, third = label;
    second.guid = "1006272544166138614";
    third.guid = "16970496962001913216";
    EXPECT_THAT(missing_besides({label, second, third}), IsEmpty());
    label.tops = second.tops = third.tops = 2;
    EXPECT_THAT(missing_besides({label, second, third}), ElementsAre("1 of its 2 parts"));
}

TEST(StorageZfsText, Leftovers) {
    EXPECT_EQ(pool_name_here(2), fixture_pool.name);
    EXPECT_TRUE(is_pool_of_ours(fixture_pool.name));
    for (const auto* name : {"rpool", "slipway-", "slipway-backup", "slipway-000000000000000g",
                             "slipway-0000000000000002x"})
        EXPECT_FALSE(is_pool_of_ours(name)) << name;
    EXPECT_THAT(parse_nodes("p\t160M\t0\t160M\t-\t-\t0%\t0%\t1.00x\tONLINE\t/run/x\n"
                            "\t/dev/loop0p2\t178M\t0\t160M\t-\t-\t0%\t0.00%\t-\tONLINE\n"),
                ElementsAre("/dev/loop0p2"));
}

} // namespace
} // namespace slipway::storage
