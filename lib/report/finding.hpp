// SPDX-License-Identifier: Apache-2.0
// What is wrong, or worth knowing, about a guest. A broken guest is a Finding, never an Error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace slipway::report {

enum class Severity {
    Info,    ///< worth knowing
    Warning, ///< something may not work as before
    Error,   ///< something will not work
    Blocker, ///< the guest will not boot, or cannot be repaired
};

struct Finding {
    std::string id; ///< stable kebab-case name, such as "fstab-unstable-name"
    Severity severity = Severity::Info;
    std::string where; ///< file and line, volume, or kernel; may be empty
    std::string text;
    std::string remedy{}; ///< what to do about it; may be empty
};
using Findings = std::vector<Finding>;

/// Of a file that the kernel would not read because the filesystem is damaged there.
inline constexpr std::string_view damage_id = "file-damaged";
[[nodiscard]] bool tell_damage(const Findings& findings);

[[nodiscard]] std::string_view name_of(Severity severity);
[[nodiscard]] Json to_json(const Finding& finding);
[[nodiscard]] Finding finding_from_json(const Json& json);
[[nodiscard]] Json to_json(const Findings& findings);
[[nodiscard]] Findings findings_from_json(const Json& json);
/// One line for a person: "warning: /etc/fstab line 3: …".
[[nodiscard]] std::string render_text(const Finding& finding);
/// Appends those that `all` does not tell in the same words already.
void add_new(Findings& all, Findings some);
[[nodiscard]] Severity worst_of(const Findings& findings);

} // namespace slipway::report
