// SPDX-License-Identifier: Apache-2.0
#include "netboot/initramfs.hpp"

#include <sys/stat.h>

#include <fmt/format.h>

#include "appliance/elf_needs.hpp"
#include "archive/compress.hpp"
#include "base/strings.hpp"
#include "boot/remote_protocol.hpp"
#include "http/signature.hpp"
#include "netboot/kernel_needs.hpp"
#include "sys/fd.hpp"

namespace slipway::netboot {
namespace {

constexpr std::size_t largest_program = 64 << 20;
constexpr std::size_t largest_text = 4 << 20;
// zstd 15 makes it 1 % smaller, and takes eight times as long.
constexpr int zstd_level = 9, gzip_level = 9;

constexpr const char* directories[]{"/proc", "/sys", "/dev",  "/run",
                                    "/tmp",  "/etc", "/root", "/var"};
// Names that a shell's user expects; busybox has more, as `busybox NAME`.
constexpr const char* applets[]{
    "sh",    "ls",    "cat",   "cp",     "mv",   "rm",    "mkdir", "ln",      "ps",
    "kill",  "dmesg", "mount", "umount", "ip",   "ping",  "vi",    "less",    "grep",
    "sed",   "awk",   "find",  "head",   "tail", "df",    "free",  "top",     "lsmod",
    "lspci", "lsusb", "wget",  "tar",    "sync", "blkid", "fdisk", "hexdump", "nslookup"};

Status add_keys(const std::vector<std::string>& keys, archive::CpioTree& tree) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        SLIPWAY_TRY(auto text, sys::read_file(keys[i], largest_text));
        if (text.find("PRIVATE KEY-----") != std::string::npos)
            return fail(Code::InvalidArgument, fmt::format("{} is a private key", keys[i]),
                        "what goes into an initramfs is public: openssl pkey -pubout makes the "
                        "public key of it");
        if (auto checked = http::check_public_key(text); !checked)
            return fail(Code::InvalidArgument, fmt::format("{}: {}", keys[i], checked.error().what),
                        checked.error().hint);
        tree.add(fmt::format("/etc/slipway/keys/{}.pem", i + 1), S_IFREG | 0644, std::move(text));
    }
    return {};
}

Status add_certificates(const std::string& file, const char* name, archive::CpioTree& tree) {
    if (file.empty())
        return {};
    SLIPWAY_TRY(auto text, sys::read_file(file, largest_text));
    if (text.find("PRIVATE KEY-----") != std::string::npos ||
        text.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
        return fail(Code::InvalidArgument, fmt::format("{} holds no certificates in PEM", file));
    tree.add(name, S_IFREG | 0644, std::move(text));
    return {};
}

Status add_shell(const std::string& shell, archive::CpioTree& tree) {
    if (shell.empty())
        return {};
    SLIPWAY_TRY(auto program, sys::read_file(shell, largest_program));
    SLIPWAY_TRY(auto needs, appliance::parse_elf_needs(program));
    if (!needs.interpreter.empty() || !needs.libraries.empty())
        return fail(Code::InvalidArgument, fmt::format("{} is not linked statically", shell),
                    "apt install busybox-static");
    tree.add("/bin/busybox", S_IFREG | 0755, std::move(program));
    for (const auto* applet : applets)
        tree.add(fmt::format("/bin/{}", applet), S_IFLNK | 0777, "busybox");
    return {};
}

} // namespace

Result<Initramfs> make_initramfs(const InitramfsParts& parts, const appliance::TestedKernel& kernel,
                                 const ModuleChoice& choice) {
    archive::CpioTree tree;
    for (const auto* directory : directories)
        tree.add_directory(directory);
    SLIPWAY_TRY(auto init, sys::read_file(parts.init, largest_program));
    tree.add("/init", S_IFREG | 0755, std::move(init));
    SLIPWAY_CHECK(add_keys(parts.keys, tree));
    SLIPWAY_CHECK(add_certificates(parts.ca, "/etc/slipway/ca.pem", tree));
    SLIPWAY_CHECK(add_certificates(parts.server, boot::server_certificate, tree));
    SLIPWAY_CHECK(add_shell(parts.shell, tree));
    Initramfs made{.bytes = {}, .compression = initramfs_compression(kernel), .modules = {}};
    SLIPWAY_TRY(auto packed, add_modules(kernel, choice, tree));
    made.modules = std::move(packed.names);
    if (!parts.firmware.empty()) {
        SLIPWAY_TRY(made.firmware, add_firmware(parts.firmware, packed.firmware, tree));
    }
    SLIPWAY_TRY(auto plain, archive::write_cpio(tree.entries()));
    archive::CompressOptions options{.type = made.compression,
                                     .level = made.compression == "zstd" ? zstd_level : gzip_level};
    SLIPWAY_TRY(auto compressor, archive::Compressor::open(options, [&](std::string_view bytes) {
                    made.bytes.append(bytes);
                    return Status{};
                }));
    SLIPWAY_CHECK(compressor->write(plain));
    SLIPWAY_CHECK(compressor->finish());
    return made;
}

} // namespace slipway::netboot
