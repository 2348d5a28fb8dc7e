// SPDX-License-Identifier: Apache-2.0
#include "appliance/kernel_modules.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/strings.hpp"

namespace slipway::appliance {
namespace {

constexpr std::string_view image_modules[]{
    // the machine
    "virtio_pci", "virtio_blk", "virtio_console", "virtio_rng",
    // filesystems, and the tables of characters of FAT and ISO 9660
    "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "vfat", "msdos", "exfat", "ntfs3", "isofs",
    "udf", "zfs", "squashfs", "erofs", "overlay", "fuse", "hfsplus", "minix", "ufs", "nls_cp437",
    "nls_ascii", "nls_utf8", "nls_iso8859_1",
    // checksums that filesystems ask for by an alias, which modules.dep does not show
    "crc32c_generic", "crc32c_intel", "xxhash_generic", "blake2b_generic", "crc32_generic",
    // volumes
    "loop", "dm_mod", "dm_crypt", "dm_thin_pool", "dm_snapshot", "dm_mirror", "dm_raid",
    "dm_integrity", "dm_verity", "dm_cache", "dm_cache_smq", "dm_writecache", "dm_zero",
    "dm_multipath", "md_mod", "linear", "raid0", "raid1", "raid10", "raid456", "nbd",
    // ciphers of LUKS
    "xts", "cbc", "ecb", "essiv", "ctr", "gcm", "authenc", "aes_generic", "aesni_intel",
    "serpent_generic", "twofish_generic", "camellia_generic", "cast6_generic", "adiantum",
    "sha1_generic", "sha256_generic", "sha256_ssse3", "sha512_generic", "sha512_ssse3", "wp512",
    "rmd160", "hmac", "algif_skcipher", "algif_hash", "af_alg", "crypto_simd", "cryptd"};

constexpr std::string_view test_modules[]{
    "virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "9pnet_virtio",  "9p",
    "overlay",    "erofs",      "squashfs",       "ext4",       "crc32c_generic"};

} // namespace

std::string module_name(std::string_view path) {
    auto name = std::string(basename_of(path));
    name.resize(std::min(name.size(), name.find(".ko")));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

std::vector<std::string> module_closure(std::string_view modules_dep,
                                        std::span<const std::string_view> names) {
    // A line has all that its module depends on, indirectly too.
    std::map<std::string, std::vector<std::string_view>> lines;
    for (auto line : split_lines(modules_dep)) {
        auto colon = line.find(':');
        if (colon == std::string_view::npos)
            continue;
        auto& files = lines[module_name(line.substr(0, colon))];
        files = split_words(line.substr(colon + 1));
        files.push_back(line.substr(0, colon));
    }
    std::set<std::string> wanted;
    for (auto name : names)
        if (auto found = lines.find(module_name(name)); found != lines.end())
            wanted.insert(found->second.begin(), found->second.end());
    return {wanted.begin(), wanted.end()};
}

std::span<const std::string_view> modules_for_images() {
    return image_modules;
}

std::span<const std::string_view> modules_for_tests() {
    return test_modules;
}

} // namespace slipway::appliance
