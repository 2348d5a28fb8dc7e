// SPDX-License-Identifier: Apache-2.0
#include "fuzz_text.hpp"
#include "guest/boot_entries.hpp"
#include "guest/boot_files.hpp"
#include "repair/repairs.hpp"

using namespace slipway;

// An edit of the options leaves everything else that a boot loader reads as it was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto repair = repair::kernel_arguments_repair();
    constexpr const char* path = "/boot/loader/entries/a.conf";
    auto text = fuzz::text_of(data, size);
    auto before = guest::parse_boot_entry(text);
    auto guest = fuzz::guest();
    guest.files[path] = text;
    fuzz::carry_out(repair.plan(guest, {}), guest);
    auto after = guest::parse_boot_entry(guest.files[path]);
    fuzz::must(before.title == after.title && before.version == after.version &&
               before.kernel == after.kernel && before.initramfs == after.initramfs);
    fuzz::must(repair.plan(guest, {}).actions.empty());
    for (const auto& site : guest::argument_sites(guest::BootFileKind::BlsEntry, text))
        fuzz::must(site.begin <= site.end && site.end <= text.size());
    return 0;
}
