// SPDX-License-Identifier: Apache-2.0
#include "fuzz_text.hpp"
#include "mount/fstab.hpp"
#include "mount/resolve.hpp"
#include "repair/repairs.hpp"

using namespace slipway;

namespace {

void read_back_is_the_same(std::string_view text) {
    auto fstab = mount::Fstab::parse(text);
    fuzz::must(fstab.render() == text);
    for (const auto& line : fstab.lines())
        (void)mount::resolve_device(line.spec, line.type, fuzz::guest().volumes);
}

// A line keeps its place and all its other fields, whatever its first one becomes.
void edit_touches_one_field(std::string_view text) {
    auto fstab = mount::Fstab::parse(text);
    const auto before = fstab.lines();
    for (const auto& line : before)
        fstab.set_spec(line.line_no, "UUID=a b\\c");
    auto again = mount::Fstab::parse(fstab.render());
    fuzz::must(again.lines().size() == before.size() && again.malformed() == fstab.malformed());
    for (std::size_t i = 0; i < before.size(); ++i) {
        const auto& line = again.lines()[i];
        fuzz::must(line.spec == "UUID=a b\\c" && line.mountpoint == before[i].mountpoint &&
                   line.type == before[i].type && line.options == before[i].options &&
                   line.line_no == before[i].line_no);
    }
}

void second_repair_changes_nothing(std::string_view path, const repair::Repair& which,
                                   std::string_view text) {
    auto guest = fuzz::guest();
    guest.files[std::string(path)] = text;
    fuzz::carry_out(which.plan(guest, {}), guest);
    fuzz::must(which.plan(guest, {}).actions.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto fstab = repair::fstab_repair();
    static const auto crypttab = repair::crypttab_repair();
    auto text = fuzz::text_of(data, size);
    read_back_is_the_same(text);
    edit_touches_one_field(text);
    second_repair_changes_nothing("/etc/fstab", fstab, text);
    second_repair_changes_nothing("/etc/crypttab", crypttab, text);
    return 0;
}
