// SPDX-License-Identifier: Apache-2.0
#include "ops/steps.hpp"

#include <array>
#include <ctime>

#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {

report::Report begin_report(const std::string& command, const std::vector<std::string>& argv) {
    report::Report report{.command = command, .argv = argv};
    report.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    utsname system{};
    ::uname(&system);
    report.host = {{"kernel", system.release},
                   {"arch", system.machine},
                   {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)}};
    return report;
}

Json tool_versions(const Context& context) {
    Json versions = Json::object();
    versions["slipway"] = SLIPWAY_VERSION;
    for (const auto* program : {"qemu-img", "qemu-storage-daemon"}) {
        auto captured = sys::run(*context.host.runner, {.argv = {program, "--version"}});
        if (captured && captured->status == 0)
            versions[program] = trim(captured->out.substr(0, captured->out.find('\n')));
    }
    return versions;
}

Status write_report(const report::Report& report, sys::OutputFile file) {
    SLIPWAY_CHECK(sys::write_all(file.fd(), render_json_pretty(report::to_json(report)) + "\n"));
    return file.publish();
}

} // namespace slipway::ops
