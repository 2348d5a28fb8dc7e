// SPDX-License-Identifier: Apache-2.0
#include "guest/windows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/drive_letters.hpp"
#include "guest/folded_path.hpp"
#include "guest/inspect.hpp"
#include "guest/registry.hpp"
#include "guest/system.hpp"
#include "guest/windows_programs.hpp"
#include "support/guest_tree.hpp"
#include "support/hive.hpp"

namespace slipway::guest {
namespace {

using report::Inventory;
using testing::ElementsAre;
using testing_support::GuestTree;
using testing_support::HiveWriter;

constexpr auto version_key = "Microsoft\\Windows NT\\CurrentVersion";

std::string program(unsigned machine) {
    std::string text = "MZ" + std::string(0x3a, '\0') + '\x80' + std::string(3, '\0');
    text.resize(0x80);
    text += std::string("PE\0\0", 4) + static_cast<char>(machine) + static_cast<char>(machine >> 8);
    return text;
}

std::string bytes_of(std::initializer_list<int> bytes) {
    std::string text;
    for (int byte : bytes)
        text += static_cast<char>(byte);
    return text;
}
// 01020304-0506-0708-090a-0b0c0d0e0f10 on disk.
const std::string gpt_value =
    "DMIO:ID:" + bytes_of({4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16});
// Signature 0xaabbccdd, 1 MiB.
const std::string mbr_value = bytes_of({0xdd, 0xcc, 0xbb, 0xaa, 0, 0, 0x10, 0, 0, 0, 0, 0});

Inventory disks() {
    Inventory inventory;
    inventory.disks = {{.name = "sda", .table = "gpt", .table_id = "x"},
                       {.name = "sdb", .table = "dos", .table_id = "AABBCCDD"}};
    inventory.volumes = {{.name = "sda2",
                          .disk = "sda",
                          .partition = 2,
                          .partuuid = "01020304-0506-0708-090A-0B0C0D0E0F10"},
                         {.name = "sdb1", .disk = "sdb", .partition = 1, .start = 1 << 20}};
    inventory.root = "sda2";
    return inventory;
}

/// Windows 11 as it names itself, spelled as setup spells it.
void write_windows_11(const GuestTree& tree) {
    HiveWriter(tree.host_path("/Windows/System32/config/SOFTWARE"))
        .set(version_key, {HiveWriter::text("ProductName", "Windows 10 Pro"),
                           HiveWriter::text("InstallationType", "Client"),
                           HiveWriter::text("EditionID", "Professional"),
                           HiveWriter::text("CurrentVersion", "6.3"),
                           HiveWriter::text("CurrentBuildNumber", "22631"),
                           HiveWriter::number("CurrentMajorVersionNumber", 10),
                           HiveWriter::number("CurrentMinorVersionNumber", 0)});
    HiveWriter(tree.host_path("/Windows/System32/config/SYSTEM"))
        .set("Select", {HiveWriter::number("Current", 2)})
        .set("ControlSet002\\Services\\Tcpip\\Parameters", {HiveWriter::text("Hostname", "DESK1")})
        .set("ControlSet002\\Control\\Session Manager\\Environment",
             {HiveWriter::text("PROCESSOR_ARCHITECTURE", "ARM64")})
        .set("MountedDevices", {{"\\DosDevices\\D:", hive_t_REG_BINARY, mbr_value},
                                {"\\DosDevices\\C:", hive_t_REG_BINARY, gpt_value},
                                {"\\DosDevices\\E:", hive_t_REG_BINARY, "\\??\\CDROM"},
                                {"\\??\\Volume{1}", hive_t_REG_BINARY, gpt_value}});
}

report::OperatingSystem detect(const GuestTree& tree, report::Findings& findings) {
    auto root = tree.root();
    return detect_system(GuestFiles(root, findings), disks());
}

TEST(Windows, RegistryAndPrograms) {
    GuestTree tree;
    write_windows_11(tree);
    tree.file("/Windows/System32/ntoskrnl.exe", program(0x8664))
        .file("/hiberfil.sys", std::string(4096, '\0'));
    report::Findings findings;
    auto os = detect(tree, findings);
    EXPECT_EQ(os.type, "windows");
    EXPECT_EQ(os.distro, "windows");
    EXPECT_EQ(os.product, "Windows 11 Pro");
    EXPECT_EQ(os.variant, "Client");
    EXPECT_EQ(os.version, "10.0");
    EXPECT_EQ(os.major_version, 10U);
    EXPECT_EQ(os.arch, "x86_64");
    EXPECT_EQ(os.hostname, "DESK1");
    ASSERT_TRUE(os.windows);
    EXPECT_EQ(os.windows->edition, "Professional");
    EXPECT_EQ(os.windows->build, "22631");
    EXPECT_EQ(os.windows->system_root, "/Windows");
    EXPECT_EQ(os.windows->control_set, "ControlSet002");
    EXPECT_FALSE(os.windows->hibernated);
    ASSERT_EQ(os.windows->drives.size(), 2U);
    EXPECT_EQ(os.windows->drives[0].letter + os.windows->drives[0].volume, "Csda2");
    EXPECT_EQ(os.windows->drives[1].letter + os.windows->drives[1].volume, "Dsdb1");
    EXPECT_TRUE(findings.empty());
}

TEST(Windows, ProgramsThatItCanRemove) {
    GuestTree tree;
    const std::string hive = "/Windows/System32/config/SOFTWARE";
    const std::string uninstall = "Microsoft\\Windows\\CurrentVersion\\Uninstall\\";
    HiveWriter(tree.host_path(hive))
        .set(uninstall + "Foo",
             {HiveWriter::text("DisplayName", "The Foo"), HiveWriter::text("DisplayVersion", "1.2"),
              HiveWriter::text("InstallLocation", "C:\\Foo")})
        .set(uninstall + "Hidden", {HiveWriter::text("DisplayVersion", "1")})
        .set("WOW6432Node\\" + uninstall + "Bar", {HiveWriter::text("DisplayName", "The Bar")});
    auto root = tree.root();
    auto programs = read_windows_programs(root, sys::GuestPath(hive));
    ASSERT_TRUE(programs.has_value());
    ASSERT_EQ(programs->size(), 2U);
    EXPECT_EQ(programs->at(0).key + programs->at(0).name, "BarThe Bar");
    EXPECT_EQ(programs->at(1).version + programs->at(1).directory, "1.2C:\\Foo");
    EXPECT_EQ(read_windows_programs(root, sys::GuestPath("/none")).error().code, Code::NotFound);
}

TEST(Windows, OldOneInOtherLetters) {
    GuestTree tree;
    HiveWriter(tree.host_path("/WINNT/system32/CONFIG/software"))
        .set(version_key, {HiveWriter::text("ProductName", "Microsoft Windows XP"),
                           HiveWriter::text("CurrentVersion", "5.1"),
                           HiveWriter::text("CurrentBuildNumber", "2600")});
    HiveWriter(tree.host_path("/WINNT/system32/CONFIG/System"))
        .set("ControlSet001\\Control\\ComputerName\\ComputerName",
             {HiveWriter::text("ComputerName", "OLD")})
        .set("ControlSet001\\Control\\Session Manager\\Environment",
             {HiveWriter::text("PROCESSOR_ARCHITECTURE", "x86")});
    tree.file("/HIBERFIL.SYS", "hibr and memory");
    report::Findings findings;
    auto os = detect(tree, findings);
    EXPECT_EQ(os.product, "Microsoft Windows XP");
    EXPECT_EQ(os.version, "5.1");
    EXPECT_EQ(os.minor_version, 1U);
    EXPECT_EQ(os.arch, "i386");
    EXPECT_EQ(os.hostname, "OLD");
    EXPECT_EQ(os.windows->system_root, "/WINNT");
    EXPECT_TRUE(os.windows->hibernated);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].id, "hibernated");
    EXPECT_EQ(findings[0].where, "sda2");
}

TEST(Windows, HivesThatAreNoneAreFindings) {
    GuestTree tree;
    tree.file("/Windows/System32/config/SOFTWARE", "regf" + std::string(9000, '\xff'));
    report::Findings findings;
    auto os = detect(tree, findings);
    EXPECT_EQ(os.product, "Windows");
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0].id, "registry-unreadable");
    EXPECT_EQ(findings[1].id, "registry-unreadable");
}

TEST(Windows, LinksOfTheGuestDoNotLeadOut) {
    GuestTree tree, other;
    write_windows_11(other);
    tree.dir("/Windows/System32/config")
        .link("/Windows/System32/config/SOFTWARE",
              other.host_path("/Windows/System32/config/SOFTWARE").string());
    report::Findings findings;
    EXPECT_EQ(detect(tree, findings).product, "Windows");
}

TEST(Windows, CrossesTheSessionAsJson) {
    GuestTree tree;
    write_windows_11(tree);
    auto root = tree.root();
    OpenedGuest guest{.root = root};
    for (const auto& volume : disks().volumes)
        guest.volumes.push_back({volume, ""});
    auto inventory = inspect(guest);
    ASSERT_TRUE(inventory);
    auto json = report::to_json(*inventory);
    EXPECT_EQ(report::to_json(report::inventory_from_json(json)), json);
    EXPECT_EQ(json["os"]["windows"]["systemroot"], "/Windows");
    auto text = report::render_text(*inventory);
    EXPECT_NE(text.find("Windows 11 Pro"), std::string::npos) << text;
    EXPECT_NE(text.find("Drives: C: sda2"), std::string::npos) << text;
}

TEST(Registry, EveryTruncationOfAHive) {
    GuestTree tree;
    write_windows_11(tree);
    auto path = tree.host_path("/Windows/System32/config/SYSTEM");
    std::ifstream file(path, std::ios::binary);
    std::string whole{std::istreambuf_iterator<char>(file), {}};
    for (std::size_t size = 0; size < whole.size(); size += 509) {
        tree.file("/hive", std::string_view(whole).substr(0, size));
        auto hive = Hive::open(tree.root(), sys::GuestPath("/hive"));
        if (hive) {
            EXPECT_LE(hive->values("MountedDevices").size(), 4U);
        }
    }
}

TEST(Registry, Utf16) {
    EXPECT_EQ(decode_utf16(testing_support::utf16("abc") + "rest"), "abc");
    EXPECT_EQ(decode_utf16(bytes_of({0xfc, 0, 0xac, 0x20, 0x3d, 0xd8, 0, 0xde})), "ü€😀");
    EXPECT_EQ(decode_utf16(bytes_of({0x3d, 0xd8, 'a', 0, 0, 0xde})), "\ufffda\ufffd");
    EXPECT_EQ(decode_utf16("a"), "");
}

TEST(DriveLetters, ValuesThatMakeNoSense) {
    EXPECT_TRUE(map_drives({{"\\DosDevices\\C:", "DMIO:ID:short"},
                            {"\\DosDevices\\C:", ""},
                            {"\\DosDevices\\::", mbr_value},
                            {"\\DosDevices\\CC:", mbr_value},
                            {"\\DosDevices\\F:", std::string(12, '\0')}},
                           disks())
                    .empty());
}

TEST(DriveLetters, OfWhatIsInABitLockerVolume) {
    auto inventory = disks();
    inventory.volumes.push_back(
        {.name = "bitlocker:sda2", .kind = "bitlocker", .stands_on = {"sda2"}});
    auto drives =
        map_drives({{"\\DosDevices\\C:", gpt_value}, {"\\DosDevices\\D:", mbr_value}}, inventory);
    ASSERT_EQ(drives.size(), 2U);
    EXPECT_EQ(drives[0].volume, "bitlocker:sda2");
    EXPECT_EQ(drives[1].volume, "sdb1"); // locked, or not encrypted
}

TEST(FoldedPath, ExactFirstThenAnyCase) {
    GuestTree tree;
    tree.file("/Program Files/A").dir("/WINDOWS/a").dir("/Windows/b");
    auto root = tree.root();
    report::Findings findings;
    GuestFiles files(root, findings);
    EXPECT_EQ(find_folded(files, "/Windows/B"), "/Windows/b");
    EXPECT_EQ(find_folded(files, "/program files/a"), "/Program Files/A");
    EXPECT_EQ(find_folded(files, "/Windows/c"), std::nullopt);
}

} // namespace
} // namespace slipway::guest
