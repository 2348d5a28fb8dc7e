// SPDX-License-Identifier: Apache-2.0
// Every file that holds kernel arguments, GRUB's first of all: the first byte chooses which.
#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "fuzz_text.hpp"
#include "guest/boot_files.hpp"
#include "guest/grub_cfg.hpp"
#include "guest/shell_config.hpp"
#include "repair/repairs.hpp"
#include "repair/verify_boot.hpp"

using namespace slipway;

namespace {

constexpr std::array<std::string_view, 9> paths{
    "/boot/grub/grub.cfg",       "/boot/grub/menu.lst",
    "/etc/default/grub",         "/boot/grub2/grubenv",
    "/etc/kernel/cmdline",       "/boot/extlinux.conf",
    "/etc/update-extlinux.conf", "/etc/initramfs-tools/conf.d/resume",
    "/etc/dracut.conf.d/x.conf"};

void sites_lie_inside_and_apart(guest::BootFileKind kind, std::string_view text) {
    auto sites = guest::argument_sites(kind, text);
    std::sort(sites.begin(), sites.end(),
              [](const auto& a, const auto& b) { return a.begin < b.begin; });
    std::size_t at = 0;
    for (const auto& site : sites) {
        fuzz::must(site.begin >= at && site.end >= site.begin && site.end <= text.size());
        at = site.end;
    }
}

void readers_survive(std::string_view path, std::string_view text) {
    for (const auto& kernel : guest::parse_grub_kernels(text))
        fuzz::must(kernel.arguments_begin <= kernel.arguments_end &&
                   kernel.arguments_end <= text.size());
    for (const auto& assignment : guest::parse_shell_assignments(text))
        fuzz::must(assignment.begin <= assignment.end && assignment.end <= text.size());
    (void)guest::check_grub_syntax(text);
    (void)guest::is_grub_stub(text);
    (void)repair::check_host_names(path, text, fuzz::guest());
    (void)repair::check_arguments(guest::kind_of_boot_file(path), path, text, fuzz::guest());
}

std::vector<std::string_view> lines_that_set_root(std::string_view text) {
    std::vector<std::string_view> lines;
    for (auto line : split_lines(text))
        if (trim(line).starts_with("set root="))
            lines.push_back(line);
    return lines;
}

void repair_is_stable(const std::string& path, std::string_view text) {
    static const auto repair = repair::kernel_arguments_repair();
    auto guest = fuzz::guest();
    guest.files[path] = text;
    fuzz::carry_out(repair.plan(guest, {}), guest);
    auto once = guest.files[path];
    fuzz::must(repair.plan(guest, {}).actions.empty());
    fuzz::must(std::count(once.begin(), once.end(), '\n') ==
               std::count(text.begin(), text.end(), '\n'));
    if (path.ends_with("grub.cfg"))
        fuzz::must(lines_that_set_root(text) == lines_that_set_root(once));
    fuzz::must(!path.ends_with("grubenv") || once.size() == text.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string path(paths[data[0] % paths.size()]);
    auto text = fuzz::text_of(data + 1, size - 1);
    sites_lie_inside_and_apart(guest::kind_of_boot_file(path), text);
    readers_survive(path, text);
    repair_is_stable(path, text);
    return 0;
}
