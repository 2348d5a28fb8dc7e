// SPDX-License-Identifier: Apache-2.0
#include "mcp/program_output.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::mcp {

Shape<ProgramOutput> ProgramOutput::shape() {
    using R = ProgramOutput;
    return Shape<R>()
        .add("output", &R::output, "The end of its standard output")
        .add("errors", &R::errors, "The end of its standard error")
        .add("output_size", &R::output_size, "Bytes in all, see job_read")
        .add("errors_size", &R::errors_size, "Bytes in all, see job_read");
}

ProgramOutput ProgramOutput::of(const Job& job) {
    constexpr std::size_t shown = 500;
    ProgramOutput found{.output = tail_of(job, "output", shown),
                        .errors = tail_of(job, "errors", shown)};
    if (auto text = job.text("output"))
        found.output_size = text->size();
    if (auto text = job.text("errors"))
        found.errors_size = text->size();
    return found;
}

std::string ProgramOutput::text() const {
    std::string text;
    if (!errors.empty())
        text += "standard error:\n" + errors + "\n";
    if (!output.empty())
        text += "standard output:\n" + output;
    return text;
}

session::CallHooks keep_streams(Job& job) {
    return {.on_data = [&job](int stream, std::string_view bytes) -> Status {
        job.add(stream == 2 ? "errors" : "output", bytes);
        return {};
    }};
}

Status check_command(const std::vector<std::string>& argv) {
    if (argv.empty())
        return fail(Code::InvalidArgument, "'argv' is empty", "name a program and its arguments");
    return {};
}

Status check_environment(const std::vector<std::string>& words) {
    for (const auto& word : words)
        if (word.find('=') == std::string::npos || word.front() == '=')
            return fail(Code::InvalidArgument, "'env' has a word without a name or '='",
                        "write each as NAME=value");
    return {};
}

std::chrono::milliseconds milliseconds_of(double seconds) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Seconds(seconds));
}

std::string tail_of(const Job& job, std::string_view text_name, std::size_t most) {
    auto text = job.text(text_name);
    if (!text)
        return {};
    auto page = text->last_page(most);
    if (!page)
        return fmt::format("[it cannot be read: {}]", render_line(page.error()));
    return (page->offset > 0 ? "[…]\n" : "") + printable(page->text);
}

} // namespace slipway::mcp
