// SPDX-License-Identifier: Apache-2.0
#include "fstests/needs.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

// Names in Debian and Ubuntu.
struct Provided {
    std::string_view package;
    std::string_view programs; ///< that tests ask for
};
constexpr std::array known_packages{
    Provided{"acct", "accton"},
    Provided{"acl", "chacl getfacl setfacl"},
    Provided{"attr", "attr getfattr setfattr"},
    Provided{"bc", "bc"},
    Provided{"btrfs-progs",
             "btrfs btrfs-convert btrfs-image btrfs-map-logical btrfstune mkfs.btrfs"},
    Provided{"coreutils", "timeout"},
    Provided{"dbench", "dbench"},
    Provided{"devscripts", "checkbashisms"},
    Provided{"dmsetup", "dmsetup"},
    Provided{"dosfstools", "mkfs.vfat"},
    Provided{"dump", "dump restore"},
    Provided{"duperemove", "duperemove"},
    Provided{"e2fsprogs", "chattr debugfs dumpe2fs e2fsck e2image e4defrag filefrag lsattr mke2fs "
                          "mkfs.ext4 resize2fs tune2fs"},
    Provided{"f2fs-tools", "dump.f2fs f2fs_io fsck.f2fs mkfs.f2fs"},
    Provided{"fio", "fio"},
    Provided{"fsverity", "fsverity"},
    Provided{"gawk", "gawk"},
    Provided{"gzip", "gzip"},
    Provided{"indent", "indent"},
    Provided{"keyutils", "keyctl"},
    Provided{"libc-bin", "ldd"},
    Provided{"libcap2-bin", "capsh getcap setcap"},
    Provided{"lvm2", "lvm"},
    Provided{"lz4", "lz4"},
    Provided{"man-db", "man"},
    Provided{"mdadm", "mdadm"},
    Provided{"nfs4-acl-tools", "nfs4_getfacl nfs4_setfacl"},
    Provided{"openssl", "openssl"},
    Provided{"parted", "parted"},
    Provided{"perl", "perl"},
    Provided{"python3", "python3"},
    Provided{"quota", "quota setquota"},
    Provided{"sqlite3", "sqlite3"},
    Provided{"thin-provisioning-tools", "thin_check"},
    Provided{"udftools", "mkfs.udf"},
    Provided{"util-linux", "blkdiscard blkzone flock mkswap unshare wipefs"},
    Provided{"uuid-runtime", "uuidgen"},
    Provided{"vlan", "vconfig"},
    Provided{"xfsdump", "xfsdump xfsrestore"},
    Provided{"xfsprogs", "mkfs.xfs xfs_admin xfs_copy xfs_db xfs_fsr xfs_growfs xfs_io "
                         "xfs_mdrestore xfs_metadump xfs_quota xfs_repair xfs_scrub xfs_spaceman"},
    Provided{"xz-utils", "xz"},
};

Need program(std::string name) {
    auto package = package_of(name);
    auto remedy = package.empty() ? "the root needs this program"
                                  : fmt::format("add the package {} to the root", package);
    return {.kind = "program", .name = std::move(name), .package = package, .remedy = remedy};
}

Need kernel(std::string name) {
    return {.kind = "kernel",
            .name = std::move(name),
            .remedy = "build it into the kernel under test, or make its module visible"};
}

// "fsgqa user not defined.", "fsgqa cannot execute commands."
std::optional<Need> user_in(std::string_view reason, const std::vector<std::string_view>& words) {
    if (words.size() < 3)
        return std::nullopt;
    auto name = std::string(words.front());
    if (reason.ends_with("group not defined."))
        return Need{.kind = "group",
                    .name = name,
                    .remedy = "use a root of the profile fstests, which has this group"};
    if (reason.ends_with("user not defined.") || reason.ends_with("cannot execute commands."))
        return Need{.kind = "user",
                    .name = name,
                    .remedy = "use a root of the profile fstests, which has this user"};
    return std::nullopt;
}

std::optional<Need> device_in(std::string_view reason) {
    for (const auto& [name, option] :
         {std::pair<std::string, std::string>{"LOGWRITES_DEV", "--logwrites"},
          {"SCRATCH_DEV_POOL", "--pool 5"}})
        if (reason.find("$" + name) != std::string_view::npos ||
            reason.find(" in " + name) != std::string_view::npos) // more of them
            return Need{
                .kind = "device", .name = name, .remedy = fmt::format("run them with {}", option)};
    return std::nullopt;
}

std::optional<Need> kernel_in(std::string_view reason, const std::vector<std::string_view>& words) {
    for (auto word : words)
        if (word.starts_with("CONFIG_"))
            return kernel(std::string(word.substr(0, word.find_first_of("=,.;:"))));
    for (std::size_t i = 0; i + 2 < words.size(); ++i)
        if (words[i] == "dm" && words[i + 2] == "support")
            return kernel(fmt::format("dm-{}", words[i + 1]));
    if (words.size() <= 4 &&
        (reason.ends_with(" module not found") || reason.ends_with(" load failed")))
        return kernel(std::string(words.front()));
    for (std::string_view phrase : {"kernel does not support ", "kernel doesn't support ",
                                    "Kernel doesn't support ", "no kernel support for "})
        if (auto at = reason.find(phrase); at != std::string_view::npos)
            return kernel(std::string(trim(reason.substr(at + phrase.size()))));
    return std::nullopt;
}

std::string_view without_marks(std::string_view word) {
    auto is_mark = [](char c) { return c == '\'' || c == '"' || c == ',' || c == '.' || c == '`'; };
    while (!word.empty() && is_mark(word.front()))
        word.remove_prefix(1);
    while (!word.empty() && is_mark(word.back()))
        word.remove_suffix(1);
    return word;
}

std::optional<Need> program_in(std::string_view reason,
                               const std::vector<std::string_view>& words) {
    constexpr std::string_view not_built = " not built";
    if (reason.ends_with(not_built) && words.size() == 3)
        return Need{.kind = "fstests",
                    .name = std::string(basename_of(words.front())),
                    .remedy = "build fstests again, with the libraries that "
                              "`slipway fstests setup` names"};
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
        if (words[i + 1] == "utility" && words[i].find('/') == std::string_view::npos)
            // One of fstests' own tests has it so.
            return program(words[i] == "lasttr" ? "lsattr" : std::string(words[i]));
    bool misses = reason.find("required") != std::string_view::npos ||
                  reason.find("requires") != std::string_view::npos ||
                  reason.find("not found") != std::string_view::npos;
    for (auto word : words)
        if (misses && !package_of(without_marks(word)).empty())
            return program(std::string(without_marks(word)));
    return std::nullopt;
}

} // namespace

std::string package_of(std::string_view program) {
    for (const auto& [package, programs] : known_packages)
        for (auto each : split_words(programs))
            if (each == program)
                return std::string(package);
    return {};
}

std::optional<Need> need_in(std::string_view reason) {
    auto words = split_words(reason);
    if (auto need = user_in(reason, words))
        return need;
    if (auto need = device_in(reason))
        return need;
    if (auto need = kernel_in(reason, words))
        return need;
    return program_in(reason, words);
}

std::vector<Need> needs_of(const std::vector<Test>& tests) {
    std::map<std::pair<std::string, std::string>, Need> found;
    for (const auto& test : tests) {
        const auto& worst = test.worst();
        auto need = worst.status == TestStatus::NotRun ? need_in(worst.reason) : std::nullopt;
        if (!need)
            continue;
        auto& all = found.try_emplace({need->kind, need->name}, *need).first->second.tests;
        all.push_back(test.id());
    }
    std::vector<Need> needs;
    for (auto& [key, need] : found)
        needs.push_back(std::move(need));
    std::stable_sort(needs.begin(), needs.end(),
                     [](const auto& a, const auto& b) { return a.tests.size() > b.tests.size(); });
    return needs;
}

std::vector<std::string> packages_of(const std::vector<Need>& needs) {
    std::set<std::string> packages;
    for (const auto& need : needs)
        if (!need.package.empty())
            packages.insert(need.package);
    return {packages.begin(), packages.end()};
}

} // namespace slipway::fstests
