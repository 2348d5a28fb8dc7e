// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_kernel.hpp"

namespace slipway::ops {
namespace {

Json to_json(const vm::KernelReport& report) {
    return {{"kind", report.kind},       {"title", report.title}, {"function", report.function},
            {"process", report.process}, {"at", report.at},       {"line", report.line},
            {"text", report.text},       {"fatal", report.fatal}};
}

} // namespace

std::string_view name_of(MachineEnd end) {
    constexpr std::string_view names[] = {"exited", "panicked", "timed-out", "died"};
    return names[static_cast<std::size_t>(end)];
}

Json to_json(const BootKernelResult& result) {
    Json json{{"end", name_of(result.end)},
              {"status", result.status ? Json(*result.status) : Json()},
              {"kernel_release", result.kernel_release},
              {"machine", result.machine},
              {"accelerator", result.accelerator},
              {"root_share", result.root_share},
              {"seconds_to_command", result.seconds_to_command},
              {"seconds", result.seconds},
              {"reports", Json::array()},
              {"console_tail", result.console_tail}};
    for (const auto& report : result.reports)
        json["reports"].push_back(to_json(report));
    return json;
}

} // namespace slipway::ops
