// SPDX-License-Identifier: Apache-2.0
// What lvm and mdadm say of a guest's disks, and the text of --key.
#include "fuzz_text.hpp"
#include "storage/key_option.hpp"
#include "storage/lvm_text.hpp"
#include "storage/md_text.hpp"
#include "storage/names.hpp"

using namespace slipway;

namespace {

void read_lvm(std::string_view text) {
    (void)storage::parse_pvs(text);
    (void)storage::parse_segments(text);
    if (auto volumes = storage::parse_lvs(text); volumes)
        for (const auto& each : *volumes) {
            (void)storage::targets_of(each);
            (void)storage::is_internal(each);
            (void)storage::kind_that_writes(each);
        }
}

void read_mdadm(std::string_view text) {
    auto member = storage::parse_member(text, "sda");
    if (!member)
        return;
    fuzz::must(!member->uuid.empty());
    // A name that people type: nothing in it moves a cursor or looks like a path.
    fuzz::must(storage::array_name(member->name).find_first_of("/:\n\x1b\x7f") ==
               std::string::npos);
}

void read_key(std::string_view text) {
    auto option = storage::parse_key_option(text);
    if (option)
        fuzz::must(!option->selector.empty() && text.starts_with(option->selector));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    read_lvm(text);
    read_mdadm(text);
    read_key(text);
    return 0;
}
