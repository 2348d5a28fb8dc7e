// SPDX-License-Identifier: Apache-2.0
// What a program said that a job ran: whole in the job's texts, its end in the record.
#pragma once

#include "mcp/tool.hpp"
#include "session/client.hpp"

namespace slipway::mcp {

struct ProgramOutput {
    std::string output;
    std::string errors;
    std::uint64_t output_size = 0;
    std::uint64_t errors_size = 0;
    static Shape<ProgramOutput> shape();

    /// Of the job's texts "output" and "errors".
    [[nodiscard]] static ProgramOutput of(const Job& job);
    [[nodiscard]] std::string text() const;
};

/// Keeps the program's streams in the job's texts.
[[nodiscard]] session::CallHooks keep_streams(Job& job);
/// InvalidArgument where there is none.
[[nodiscard]] Status check_command(const std::vector<std::string>& argv);
/// InvalidArgument unless each is NAME=value.
[[nodiscard]] Status check_environment(const std::vector<std::string>& words);
[[nodiscard]] std::chrono::milliseconds milliseconds_of(double seconds);
/// The last lines of a job's text, marked where others come before; "" without it.
[[nodiscard]] std::string tail_of(const Job& job, std::string_view text_name, std::size_t most);

} // namespace slipway::mcp
