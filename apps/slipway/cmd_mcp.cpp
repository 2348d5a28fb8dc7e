// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "invocation.hpp"
#include "mcp/serve.hpp"
#include "mcp/tools.hpp"

namespace slipway::app {

void declare_mcp(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("mcp", "Serve the Model Context Protocol on standard input and output");
    command->add_flag("-v,--verbose", invocation.verbose, "Say more on standard error");
    command->add_flag("-q,--quiet", invocation.quiet, "Say only what went wrong");
    auto limits = std::make_shared<mcp::Jobs::Limits>();
    command->add_option("--jobs", limits->running, "How many jobs may run at the same time")
        ->capture_default_str()
        ->check(CLI::Range(1U, 64U));
    command->callback([&invocation, limits] {
        invocation.action = [&invocation, limits]() -> Result<int> {
            auto status = mcp::serve({.in = invocation.terminal.in(),
                                      .out = invocation.terminal.out_fd(),
                                      .log = invocation.log(),
                                      .cancel = invocation.cancel,
                                      .jobs = *limits},
                                     mcp::all_tools);
            if (!status && status.error().code == Code::Timeout) {
                // Threads still work with what the end of main would take from them. What they
                // started ends with this process.
                invocation.terminal.say("slipway: " + render_text(status.error()));
                ::_exit(exit_code_of(status.error().code));
            }
            SLIPWAY_CHECK(std::move(status));
            return 0;
        };
    });
}

} // namespace slipway::app
