// SPDX-License-Identifier: Apache-2.0
#include "ops/sandbox_options.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

constexpr std::uint64_t least_memory = 128, most_memory = 1 << 20; // MiB

std::string given(const std::string& option, const char* variable) {
    const char* value = std::getenv(variable);
    return !option.empty() || value == nullptr ? option : value;
}

// Processes of ours stand in /.
std::string absolute(const std::string& path) {
    return path.empty() ? path : std::filesystem::absolute(path).string();
}

} // namespace

Result<session::MachineOptions> machine_options(const SandboxOptions& options) {
    session::MachineOptions machine;
    if (auto name = given(options.machine, "SLIPWAY_SANDBOX"); !name.empty()) {
        SLIPWAY_TRY(machine.machine, session::parse_machine(name));
    }
    machine.kernel = {absolute(given(options.kernel, "SLIPWAY_SANDBOX_KERNEL")),
                      absolute(given({}, "SLIPWAY_SANDBOX_MODULES"))};
    if (auto memory = parse_number(given({}, "SLIPWAY_SANDBOX_MEMORY")))
        machine.memory_mib = static_cast<unsigned>(std::clamp(*memory, least_memory, most_memory));
    return machine;
}

} // namespace slipway::ops
