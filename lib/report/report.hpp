// SPDX-License-Identifier: Apache-2.0
// The one report of every operation: "schema":"slipway.report.v1". Its JSON schema is
// docs/schemas/report.v1.json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "report/finding.hpp"

namespace slipway::report {

/// Filled as an operation goes on, so that it is as full as can be when it fails.
struct Report {
    std::string command; ///< "migrate", "fix", …
    std::vector<std::string> argv{};
    std::string started{}; ///< UTC, ISO 8601
    bool dry_run = false;
    std::string engine{}; ///< "host"
    std::string engine_reason{};
    Json host = Json::object();  ///< kernel, processors
    Json tools = Json::object(); ///< program -> version
    Json source = Json::object();
    Json destination = Json::object();
    Json inventory{}; ///< before; of slipway.inspect.v1
    Json inventory_after{};
    Json plan = Json::array();               ///< actions
    Json outcomes = Json::array();           ///< what became of them
    Json proof{};                            ///< of prove; null without
    std::vector<std::string> notes{};        ///< what this host could not enforce
    Findings findings{};                     ///< what remains
    std::map<std::string, double> timings{}; ///< step -> seconds
    std::optional<Error> error{};
    std::string summary{};
};

/// `bootloader.success` means: read back and resolved. `analysis.timings` always holds the number
/// "regen_initramfs_and_bootloader".
[[nodiscard]] Json to_json(const Report& report);
/// True when nothing remains that keeps the guest from booting.
[[nodiscard]] bool is_bootable(const Report& report);
/// What a person reads at the end: changes, findings, timings.
[[nodiscard]] std::string render_text(const Report& report);

} // namespace slipway::report
