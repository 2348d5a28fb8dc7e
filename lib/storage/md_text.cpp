// SPDX-License-Identifier: Apache-2.0
#include "storage/md_text.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::storage {
namespace {

// "none": neither /etc/mdadm.conf nor its rules of names (mdadm(8)). Without udev mdadm makes the
// node itself. Named devices make it scan nothing.
sys::ProcessSpec spec_of(std::vector<std::string> argv) {
    argv.insert(argv.begin(), "mdadm");
    return {.argv = std::move(argv), .env = {"MDADM_NO_UDEV=1"}};
}

} // namespace

Result<MemberRecord> parse_member(std::string_view text, std::string_view volume) {
    MemberRecord record;
    for (auto line : split_lines(text)) {
        auto equals = line.find('=');
        if (equals == std::string_view::npos)
            continue;
        auto key = line.substr(0, equals), value = line.substr(equals + 1);
        if (key == "MD_LEVEL")
            record.level = value;
        else if (key == "MD_NAME")
            record.name = value;
        else if (key == "MD_UUID")
            record.uuid = value;
        else if (key == "MD_DEVICES")
            record.devices = static_cast<unsigned>(parse_number(value).value_or(0));
    }
    if (record.uuid.empty() || record.level.empty())
        return fail(Code::Corrupt,
                    fmt::format("{} does not say which MD array it belongs to", volume));
    return record;
}

sys::ProcessSpec examine_spec(const std::string& node) {
    return spec_of({"--examine", "--export", "--config=none", node});
}

sys::ProcessSpec assemble_spec(const std::string& array_node, const std::string& uuid,
                               const std::vector<std::string>& member_nodes) {
    auto spec = spec_of({"--assemble", array_node, "--config=none", "--readonly", "--run",
                         fmt::format("--uuid={}", uuid)});
    spec.argv.insert(spec.argv.end(), member_nodes.begin(), member_nodes.end());
    return spec;
}

sys::ProcessSpec stop_spec(const std::string& array_node) {
    return spec_of({"--stop", array_node, "--config=none"});
}

} // namespace slipway::storage
