// SPDX-License-Identifier: Apache-2.0
#include "report/finding.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::report {

std::string_view name_of(Severity severity) {
    switch (severity) {
    case Severity::Info:
        return "info";
    case Severity::Warning:
        return "warning";
    case Severity::Error:
        return "error";
    case Severity::Blocker:
        return "blocker";
    }
    return "info";
}

static Severity severity_named(std::string_view name) {
    for (auto severity : {Severity::Warning, Severity::Error, Severity::Blocker})
        if (name_of(severity) == name)
            return severity;
    return Severity::Info;
}

Json to_json(const Finding& finding) {
    return {{"id", finding.id},
            {"severity", name_of(finding.severity)},
            {"where", finding.where},
            {"text", finding.text},
            {"remedy", finding.remedy}};
}

bool tell_damage(const Findings& findings) {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& finding) { return finding.id == damage_id; });
}

Finding finding_from_json(const Json& json) {
    return {.id = json_get<std::string>(json, "id"),
            .severity = severity_named(json_get<std::string>(json, "severity")),
            .where = json_get<std::string>(json, "where"),
            .text = json_get<std::string>(json, "text"),
            .remedy = json_get<std::string>(json, "remedy")};
}

Json to_json(const Findings& findings) {
    auto json = Json::array();
    for (const auto& finding : findings)
        json.push_back(to_json(finding));
    return json;
}

Findings findings_from_json(const Json& json) {
    Findings findings;
    if (json.is_array())
        for (const auto& item : json)
            findings.push_back(finding_from_json(item));
    return findings;
}

std::string render_text(const Finding& finding) {
    // "/etc/fstab line 3 names /dev/sda2, …" says where by itself.
    bool says_where = finding.where.empty() || finding.text.starts_with(finding.where);
    auto text = fmt::format("{}: {}{}{}", name_of(finding.severity),
                            says_where ? "" : finding.where, says_where ? "" : ": ", finding.text);
    if (!finding.remedy.empty())
        text += fmt::format("; {}", finding.remedy);
    return printable(text);
}

void add_new(Findings& all, Findings some) {
    for (auto& finding : some)
        if (std::none_of(all.begin(), all.end(), [&](const auto& known) {
                return known.id == finding.id && known.where == finding.where &&
                       known.text == finding.text;
            }))
            all.push_back(std::move(finding));
}

Severity worst_of(const Findings& findings) {
    auto worst = Severity::Info;
    for (const auto& finding : findings)
        worst = std::max(worst, finding.severity);
    return worst;
}

} // namespace slipway::report
