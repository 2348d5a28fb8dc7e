// SPDX-License-Identifier: Apache-2.0
// Databases made by hand. tests/cli/test_packages.py has those of rpm itself.
#include "guest/packages.hpp"

#include <sqlite3.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/package_texts.hpp"
#include "guest/rpm_database.hpp"
#include "support/guest_tree.hpp"

namespace slipway::guest {
namespace {

using report::Package;
using report::PackageList;
using testing::ElementsAre;
using testing_support::GuestTree;

std::string line_of(const Package& package) {
    return package.name + " " + report::full_version(package) + " " + package.arch;
}
std::vector<std::string> lines_of(const std::vector<Package>& packages) {
    std::vector<std::string> lines;
    for (const auto& package : packages)
        lines.push_back(line_of(package));
    return lines;
}

PackageList read(const GuestTree& tree, report::Findings& findings,
                 const std::string& format = "") {
    auto root = tree.root();
    return read_packages(GuestFiles(root, findings), format);
}

TEST(Dpkg, OnlyWhatIsThere) {
    auto packages = parse_dpkg_status("Package: bash\nStatus: install ok installed\n"
                                      "Architecture: amd64\nVersion: 5.2.15-2+b7\n"
                                      "Description: a\n Package: not-this\n\n"
                                      "Package: gone\nStatus: deinstall ok config-files\n"
                                      "Version: 1\n\n\n"
                                      "Package: kept\nStatus: hold ok installed\n"
                                      "Version: 2:1.2-3-4\nArchitecture: all\n\n"
                                      "Version: 3\n\n"
                                      "Package: last\nStatus: install ok triggers-pending\n"
                                      "Version: 7\nArchitecture: all");
    EXPECT_THAT(lines_of(packages),
                ElementsAre("bash 5.2.15-2+b7 amd64", "kept 2:1.2-3-4 all", "last 7 all"));
    EXPECT_EQ(packages[1].epoch, 2U);
    EXPECT_EQ(packages[1].version, "1.2-3");
    EXPECT_EQ(packages[1].release, "4");
}

TEST(Dpkg, FieldsOfAHostileGuestAreShortAndPrintable) {
    auto packages = parse_dpkg_status("Package: a\x1b[31m\xff" + std::string(100'000, 'x') +
                                      "\nVersion: 99999999999:1\n\nPackage:\n\nPackage");
    ASSERT_EQ(packages.size(), 1U);
    EXPECT_LE(packages[0].name.size(), 300U);
    EXPECT_EQ(packages[0].name.find('\x1b'), std::string::npos);
    EXPECT_EQ(packages[0].epoch, 0U);
    EXPECT_EQ(packages[0].version, "99999999999:1");
}

TEST(Pacman, Desc) {
    auto package = parse_pacman_desc("%NAME%\nlinux\n\n%VERSION%\n1:6.6.1.arch1-1\n\n%DESC%\n"
                                     "%NAME%\n\n%ARCH%\nx86_64\n");
    ASSERT_TRUE(package);
    EXPECT_EQ(package->arch, "x86_64");
    EXPECT_EQ(package->epoch, 1U);
    EXPECT_FALSE(parse_pacman_desc("%VERSION%\n1\n"));
    EXPECT_FALSE(parse_pacman_desc("%NAME%"));
}

TEST(Apk, Installed) {
    EXPECT_THAT(lines_of(parse_apk_installed("C:Q1x\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\nR:P:x\n\n"
                                             "P:busybox\nV:1.36.1-r5\nA:x86_64\n")),
                ElementsAre("musl 1.2.4-r2 x86_64", "busybox 1.36.1-r5 x86_64"));
}

TEST(Packages, FormatDecidesBetweenDatabases) {
    GuestTree tree;
    tree.file("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n")
        .file("/lib/apk/db/installed", "P:b\nV:2-r0\nA:noarch\n")
        .file("/var/lib/pacman/local/c-3-1/desc", "%NAME%\nc\n\n%VERSION%\n3-1\n")
        .file("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n");
    report::Findings findings;
    EXPECT_EQ(read(tree, findings, "deb").database, "dpkg");
    EXPECT_THAT(lines_of(read(tree, findings, "apk").list), ElementsAre("b 2-r0 noarch"));
    EXPECT_THAT(lines_of(read(tree, findings, "pacman").list), ElementsAre("c 3-1 "));
    EXPECT_EQ(read(tree, findings, "rpm").database, "dpkg");
    EXPECT_TRUE(findings.empty());
    GuestTree none;
    EXPECT_EQ(read(none, findings).database, "");
}

TEST(Packages, ImagesWithoutDpkgHaveAFileForEach) {
    GuestTree tree;
    tree.file("/var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a-0\n")
        .file("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n")
        .file("/var/lib/dpkg/status.d/base.md5sums", "Package: x\nVersion: 1\n");
    report::Findings findings;
    EXPECT_THAT(lines_of(read(tree, findings, "deb").list),
                ElementsAre("base-files 12.4 ", "tzdata 2024a-0 "));
}

// Numbers of the width, in the order of bytes.
std::string number(std::uint64_t value, std::size_t width, bool big) {
    std::string bytes;
    for (std::size_t i = 0; i < width; ++i)
        bytes += static_cast<char>(value >> 8 * (big ? width - 1 - i : i));
    return bytes;
}
std::string be32(std::uint64_t value) {
    return number(value, 4, true);
}
std::string le32(std::uint64_t value) {
    return number(value, 4, false);
}

struct HeaderText {
    std::string name, version, release, arch;
    std::uint32_t epoch = 0;
    std::size_t padding = 0; ///< bytes before the architecture
};

std::string header_blob(const HeaderText& text) {
    std::string data, index;
    std::uint32_t entries = 0;
    auto add = [&](std::uint32_t tag, std::uint32_t type, const std::string& value) {
        index += be32(tag) + be32(type) + be32(data.size()) + be32(1);
        data += value;
        ++entries;
    };
    add(63, 7, "region");
    add(1000, 6, text.name + '\0');
    add(1001, 6, text.version + '\0');
    add(1002, 6, text.release + '\0');
    if (text.epoch != 0)
        add(1003, 4, be32(text.epoch));
    add(1005, 9, std::string(text.padding, 'd') + '\0');
    add(1022, 6, text.arch + '\0');
    return be32(entries) + be32(data.size()) + index + data;
}

class TextBlob final : public HeaderBlob {
public:
    explicit TextBlob(std::string text) : text_(std::move(text)) {}
    [[nodiscard]] std::size_t size() const override { return text_.size(); }
    [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t count) override {
        EXPECT_LE(offset + count, text_.size());
        return text_.substr(offset, count);
    }

private:
    std::string text_;
};

Result<Package> parse(std::string text) {
    TextBlob blob(std::move(text));
    return parse_rpm_header(blob);
}

TEST(RpmHeader, Fields) {
    auto package = parse(header_blob({"bash", "5.1", "6.el9", "x86_64", 2, 10}));
    ASSERT_TRUE(package);
    EXPECT_EQ(line_of(*package), "bash 2:5.1-6.el9 x86_64");
}

TEST(RpmHeader, EveryTruncationIsCorruptAndNoByteBeyondIsRead) {
    auto whole = header_blob({"bash", "5.1", "6.el9", "x86_64", 2, 10});
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(parse(whole.substr(0, size)).error().code, Code::Corrupt) << size;
}

TEST(RpmHeader, NumbersThatLie) {
    EXPECT_FALSE(parse(be32(0xffffffff) + be32(0xffffffff)));
    EXPECT_FALSE(parse(be32(0) + be32(0)));
    auto entry = [](std::uint32_t type, std::uint32_t offset) {
        return be32(1) + be32(4) + be32(1000) + be32(type) + be32(offset) + be32(1) + "abcd";
    };
    EXPECT_TRUE(parse(entry(6, 0)));
    EXPECT_FALSE(parse(entry(4, 0)));
    EXPECT_FALSE(parse(entry(6, 4)));
    EXPECT_FALSE(parse(entry(6, 0x80000000)));
}

const HeaderText first{"alpha", "1", "2", "noarch"};
const HeaderText second{"beta", "3", "4.fc40", "x86_64", 5, 20'000};
const std::vector<std::string> both{"alpha 1-2 noarch", "beta 5:3-4.fc40 x86_64"};

void write_sqlite(const GuestTree& tree, const std::vector<std::string>& blobs) {
    std::filesystem::create_directories(tree.host_path("/var/lib/rpm"));
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(tree.host_path("/var/lib/rpm/rpmdb.sqlite").c_str(), &database),
              SQLITE_OK);
    sqlite3_exec(database,
                 "PRAGMA journal_mode=WAL;"
                 "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)",
                 nullptr, nullptr, nullptr);
    sqlite3_stmt* insert = nullptr;
    sqlite3_prepare_v2(database, "INSERT INTO Packages(blob) VALUES(?)", -1, &insert, nullptr);
    for (const auto& blob : blobs) {
        sqlite3_bind_blob(insert, 1, blob.data(), static_cast<int>(blob.size()), SQLITE_TRANSIENT);
        EXPECT_EQ(sqlite3_step(insert), SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
}

TEST(Rpm, Sqlite) {
    GuestTree tree;
    write_sqlite(tree, {header_blob(second), header_blob(first)});
    report::Findings findings;
    auto packages = read(tree, findings, "rpm");
    EXPECT_EQ(packages.database, "rpm");
    EXPECT_EQ(lines_of(packages.list), both);
    EXPECT_TRUE(findings.empty());
}

TEST(Rpm, DamagedHeadersAndAnUnwrittenLogAreTold) {
    GuestTree tree;
    write_sqlite(tree, {header_blob(first), "no header", header_blob(second)});
    tree.file("/var/lib/rpm/rpmdb.sqlite-wal", "something");
    report::Findings findings;
    EXPECT_EQ(lines_of(read(tree, findings).list), both);
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0].id, "packages-incomplete");
    EXPECT_EQ(findings[1].id, "packages-incomplete");
}

TEST(Rpm, NoDatabaseInsideTheFile) {
    for (const std::string name : {"rpmdb.sqlite", "Packages.db", "Packages"})
        for (const auto& content : {std::string(), std::string("no database"),
                                    "SQLite format 3" + std::string(9000, '\0'),
                                    "RpmP" + std::string(9000, '\xff'), std::string(9000, 'a')}) {
            GuestTree tree;
            tree.file("/usr/lib/sysimage/rpm/" + name, content);
            report::Findings findings;
            auto packages = read(tree, findings);
            EXPECT_TRUE(packages.list.empty());
            ASSERT_EQ(findings.size(), 1U) << name << " " << content.substr(0, 16);
            EXPECT_EQ(findings[0].id, "packages-unreadable");
        }
}

std::string ndb(const std::vector<std::string>& blobs) {
    std::string slots = "RpmP" + le32(0) + le32(1) + le32(1) + le32(9) + std::string(12, '\0');
    std::string body;
    std::uint32_t index = 0;
    for (const auto& blob : blobs) {
        ++index;
        auto stored = "BlbS" + le32(index) + le32(1) + le32(blob.size()) + blob;
        stored.resize((stored.size() + 15) / 16 * 16);
        slots += "Slot" + le32(index) + le32((4096 + body.size()) / 16) + le32(stored.size() / 16);
        body += stored;
    }
    while (slots.size() < 4096)
        slots += "Slot" + std::string(12, '\0');
    return slots + body;
}

TEST(Rpm, Ndb) {
    GuestTree tree;
    tree.file("/var/lib/rpm/Packages.db", ndb({header_blob(second), header_blob(first)}));
    report::Findings findings;
    EXPECT_EQ(lines_of(read(tree, findings).list), both);
    EXPECT_TRUE(findings.empty());
}

/// Pages of 512 bytes: meta, one of pairs, and the overflow chain of `far`; `near` is inline.
std::string berkeley(const std::string& near, const std::string& far, bool big) {
    constexpr std::size_t size = 512, room = size - 26;
    auto n32 = [&](std::uint64_t value) { return number(value, 4, big); };
    auto n16 = [&](std::uint64_t value) { return number(value, 2, big); };
    auto header = [&](std::uint64_t next, std::uint64_t entries, std::uint64_t used, char type) {
        return std::string(16, '\0') + n32(next) + n16(entries) + n16(used) + '\0' + type;
    };
    auto meta = std::string(12, '\0') + n32(0x061561) + n32(9) + n32(size);
    meta.resize(size);
    std::string items, places;
    auto add = [&](const std::string& item) {
        items = item + items;
        places += n16(size - items.size());
    };
    add('\1' + n32(0)), add('\1' + n32(9));
    add('\1' + n32(1)), add('\3' + std::string(3, '\0') + n32(2) + n32(far.size()));
    add('\1' + n32(2)), add('\1' + near);
    auto pairs = header(0, 6, size - items.size(), 13) + places;
    pairs.resize(size - items.size());
    auto file = meta + pairs + items;
    for (std::size_t at = 0; at < far.size(); at += room) {
        auto piece = far.substr(at, room);
        auto next = at + room < far.size() ? 2 + at / room + 1 : 0;
        auto page = header(next, 1, piece.size(), 7) + piece;
        page.resize(size);
        file += page;
    }
    return file;
}

TEST(Rpm, BerkeleyDbOfBothOrdersOfBytes) {
    for (bool big : {false, true}) {
        GuestTree tree;
        tree.file("/var/lib/rpm/Packages", berkeley(header_blob(first), header_blob(second), big));
        report::Findings findings;
        EXPECT_EQ(lines_of(read(tree, findings).list), both);
        EXPECT_TRUE(findings.empty());
    }
}

TEST(Rpm, ChainsThatBiteTheirTailEnd) {
    auto file = berkeley(header_blob(first), header_blob(second), false);
    file.replace(2 * 512 + 16, 4, le32(2));
    GuestTree tree;
    tree.file("/var/lib/rpm/Packages", file);
    report::Findings findings;
    auto packages = read(tree, findings);
    EXPECT_LE(packages.list.size(), 2U);
}

} // namespace
} // namespace slipway::guest
