// SPDX-License-Identifier: Apache-2.0
#include "guest/boot_loader.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "guest/boot_entries.hpp"
#include "guest/grub_cfg.hpp"

namespace slipway::guest {
namespace {

using report::BootLoader;
using report::Severity;
using sys::GuestPath;

// RHEL 7 and 8 on UEFI keep the real file on the ESP, and this link leads to it. Since Fedora 34
// and RHEL 9 what stands there only leads to the one of /boot/grub2.
std::string grub_config_on_esp(const GuestFiles& files) {
    for (const auto* link : {"/etc/grub2-efi.cfg", "/etc/grub2.cfg"}) {
        auto path = files.root().real_path(GuestPath(link));
        if (!path || !path->str().starts_with("/boot/efi/"))
            continue;
        if (auto text = files.read(path->str(), GuestFiles::max_boot_file);
            text && !is_grub_stub(*text))
            return path->str();
    }
    return {};
}

std::string grub_config_path(const GuestFiles& files) {
    if (auto on_esp = grub_config_on_esp(files);
        !on_esp.empty() && !files.exists("/boot/grub2/grub.cfg"))
        return on_esp;
    if (auto existing = files.first_of({"/boot/grub2/grub.cfg", "/boot/grub/grub.cfg"});
        !existing.empty())
        return existing;
    if (files.exists("/boot/grub2"))
        return "/boot/grub2/grub.cfg";
    return "/boot/grub/grub.cfg";
}

bool has_grub2(const GuestFiles& files) {
    return !files
                .first_of({"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/grub/i386-pc",
                           "/boot/grub2/i386-pc", "/boot/grub/x86_64-efi", "/boot/grub2/x86_64-efi",
                           "/boot/grub/arm64-efi", "/boot/grub2/arm64-efi"})
                .empty() ||
           !grub_config_on_esp(files).empty();
}

bool has_systemd_boot(const GuestFiles& files) {
    return !files
                .first_of({"/boot/loader/loader.conf", "/boot/efi/loader/loader.conf",
                           "/efi/loader/loader.conf", "/boot/EFI/systemd", "/boot/efi/EFI/systemd",
                           "/efi/EFI/systemd"})
                .empty();
}

std::vector<std::string> efi_grub_configs(const GuestFiles& files) {
    std::vector<std::string> found;
    for (const auto& vendor : files.list("/boot/efi/EFI"))
        for (const auto* name : {"grub.cfg", "grub.conf"})
            if (auto path = "/boot/efi/EFI/" + vendor + "/" + name; files.exists(path))
                found.push_back(path);
    return found;
}

std::vector<std::string> config_files(const GuestFiles& files, const std::string& grub_config) {
    std::vector<std::string> found;
    for (const auto* path :
         {"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/grub/menu.lst",
          "/boot/grub/grub.conf", "/boot/loader/loader.conf", "/boot/efi/loader/loader.conf",
          "/efi/loader/loader.conf", "/boot/extlinux.conf", "/boot/extlinux/extlinux.conf",
          "/boot/syslinux/syslinux.cfg", "/etc/default/grub", "/etc/kernel/cmdline"})
        if (files.exists(path))
            found.emplace_back(path);
    for (auto& path : efi_grub_configs(files))
        found.push_back(std::move(path));
    if (!grub_config.empty() && files.exists(grub_config) &&
        std::find(found.begin(), found.end(), grub_config) == found.end())
        found.push_back(grub_config);
    return found;
}

std::string detect_kind(const GuestFiles& files, bool has_entries) {
    auto grub_legacy = files.first_of({"/boot/grub/menu.lst", "/boot/grub/grub.conf"});
    auto extlinux = files.first_of(
        {"/boot/extlinux.conf", "/boot/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg"});
    if (has_grub2(files))
        return "grub2";
    if (has_systemd_boot(files) || has_entries)
        return "systemd-boot";
    if (!grub_legacy.empty())
        return "grub-legacy";
    return extlinux.empty() ? "" : "extlinux";
}

// grub2-mkconfig puts blscfg where the entries belong; distributions without BLS may have entries
// that nothing reads.
bool grub_uses_bls(const GuestFiles& files, const std::string& grub_config) {
    auto text = files.read(grub_config, GuestFiles::max_boot_file);
    return text && text->find("blscfg") != std::string::npos;
}

void report_gaps(const BootLoader& loader, const GuestFiles& files) {
    if (loader.kind.empty())
        files.find({.id = "boot-loader-missing",
                    .severity = Severity::Error,
                    .where = "/boot",
                    .text = "no boot loader was found in the guest",
                    .remedy = "give the disk that the guest boots from as well"});
    else if (!loader.grub_config.empty() && !files.exists(loader.grub_config))
        files.find({.id = "grub-config-missing",
                    .severity = Severity::Error,
                    .where = loader.grub_config,
                    .text = loader.grub_config + " does not exist, so GRUB stops at its prompt",
                    .remedy = "run with --update-grub"});
}

} // namespace

BootLoader detect_boot_loader(const GuestFiles& files) {
    BootLoader loader;
    bool has_entries = !read_boot_entries(files).empty();
    loader.kind = detect_kind(files, has_entries);
    if (loader.kind == "grub2") {
        loader.grub_config = grub_config_path(files);
        loader.uses_bls = has_entries && grub_uses_bls(files, loader.grub_config);
        loader.mkconfig = files.first_of({"/usr/sbin/update-grub", "/usr/sbin/grub2-mkconfig",
                                          "/sbin/grub2-mkconfig", "/usr/bin/grub2-mkconfig",
                                          "/usr/sbin/grub-mkconfig", "/usr/bin/grub-mkconfig"});
    } else
        loader.uses_bls = loader.kind == "systemd-boot";
    loader.config_files = config_files(files, loader.grub_config);
    report_gaps(loader, files);
    return loader;
}

} // namespace slipway::guest
