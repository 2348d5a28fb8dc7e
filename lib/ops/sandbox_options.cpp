// SPDX-License-Identifier: Apache-2.0
#include "ops/sandbox_options.hpp"

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

std::string given(const std::string& option, const char* variable) {
    const char* value = std::getenv(variable);
    return !option.empty() || value == nullptr ? option : value;
}

Result<std::uint64_t> number_in(const char* variable, std::uint64_t least, std::uint64_t most,
                                std::uint64_t otherwise, const char* unit) {
    auto text = given({}, variable);
    if (text.empty())
        return otherwise;
    auto number = parse_number(text);
    if (!number || *number < least || *number > most)
        return fail(Code::InvalidArgument,
                    fmt::format("{}={} is not understood", variable, printable(text)),
                    fmt::format("give a number of {} from {} to {}", unit, least, most));
    return *number;
}

// Processes of ours stand in /.
std::string absolute(const std::string& path) {
    return path.empty() ? path : std::filesystem::absolute(path).string();
}

// With much more than there is, a kernel fills what there is by describing it.
std::uint64_t memory_of_host() {
    auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) >> 20; // MiB
}

} // namespace

bool untrusted_by_environment() {
    auto text = given({}, "SLIPWAY_UNTRUSTED");
    return !text.empty() && text != "0";
}

Result<session::MachineOptions> machine_options(const SandboxOptions& options) {
    session::MachineOptions machine;
    if (auto name = given(options.machine, "SLIPWAY_SANDBOX"); !name.empty()) {
        SLIPWAY_TRY(machine.machine, session::parse_machine(name));
    }
    machine.kernel = {absolute(given(options.kernel, "SLIPWAY_SANDBOX_KERNEL")),
                      absolute(given({}, "SLIPWAY_SANDBOX_MODULES"))};
    SLIPWAY_TRY(auto memory, number_in("SLIPWAY_SANDBOX_MEMORY", 128, memory_of_host(),
                                       machine.memory_mib, "MiB"));
    machine.memory_mib =
        options.memory_mib != 0 ? options.memory_mib : static_cast<unsigned>(memory);
    SLIPWAY_TRY(auto patience, number_in("SLIPWAY_SANDBOX_TIMEOUT", 1, 86400,
                                         machine.patience.count(), "seconds"));
    machine.patience = std::chrono::seconds(patience);
    return machine;
}

} // namespace slipway::ops
