// SPDX-License-Identifier: Apache-2.0
#include "mcp/tool.hpp"

#include <algorithm>
#include <regex>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::mcp {
namespace {

constexpr std::size_t most_text = 1500;
constexpr std::size_t most_structure = 1700;
constexpr std::size_t shortest_cut = 100;

/// What every tool with a record gives as structuredContent.
struct Envelope {
    std::string state = "done";
    std::optional<std::string> job_id{};
    std::optional<double> seconds{};
    std::optional<std::string> step{};
    std::optional<Json> result{};
    std::optional<Json> error{};
    std::vector<std::string> resources{};
    bool shortened = false;

    static Shape<Envelope> shape() {
        using E = Envelope;
        return Shape<Envelope>()
            .add("state", &E::state, "How the work stands; 'result' is there when it is done",
                 {.choices = {"running", "done", "failed", "cancelled"}})
            .add("job_id", &E::job_id, "For job_status, job_result, job_read and job_cancel")
            .add("seconds", &E::seconds, "Since the job began, or that it took")
            .add("step", &E::step, "What a running job does")
            .add("result", &E::result, "The tool's record")
            .add("error", &E::error, "Why it failed")
            .add("resources", &E::resources, "Full texts, for resources/read or job_read")
            .add("shortened", &E::shortened, "Lists or texts of 'result' are not whole");
    }
};

struct ErrorRecord {
    std::string code;
    std::string message;
    std::string hint;

    static Shape<ErrorRecord> shape() {
        using E = ErrorRecord;
        return Shape<E>()
            .add("code", &E::code, "Kind of error, such as notFound, busy, unsupported")
            .add("message", &E::message, "What failed, and why")
            .add("hint", &E::hint, "What to do about it; may be empty");
    }
};

Json output_schema(const Tool& tool) {
    auto schema = Envelope::shape().schema(true);
    auto& properties = schema["properties"];
    for (const auto& [name, inner] :
         {std::pair<std::string, Json>{"result", tool.result_schema},
          std::pair<std::string, Json>{"error", ErrorRecord::shape().schema(true)}})
        for (const auto& [key, value] : inner.items())
            properties[name][key] = value;
    return schema;
}

Json content(std::string text) {
    return Json::array({{{"type", "text"}, {"text", std::move(text)}}});
}

Json finish(std::string text, Envelope envelope, bool is_error) {
    if (envelope.result) {
        auto others = envelope;
        others.result.reset();
        auto used = render_json(Envelope::shape().write(others)).size();
        envelope.shortened =
            shorten(*envelope.result, most_structure - std::min(used, most_structure));
    }
    Json result{{"content", content(std::move(text))},
                {"structuredContent", Envelope::shape().write(envelope)}};
    if (is_error)
        result["isError"] = true;
    return result;
}

Json error_record(const Error& error) {
    constexpr std::size_t most = 700;
    return ErrorRecord::shape().write({.code = std::string(name_of(error.code)),
                                       .message = shortened(render_line(error), most),
                                       .hint = shortened(error.hint, most)});
}

// "--force" is 'force' among a tool's parameters.
std::string as_parameters(const std::string& text) {
    static const std::regex option("(^|[ (])--([a-z][a-z-]*)");
    std::string named;
    auto at = text.cbegin();
    for (std::sregex_iterator match(at, text.cend(), option), end; match != end; ++match) {
        named.append(at, (*match)[1].second);
        named += fmt::format("'{}'", replace_all((*match)[2].str(), "-", "_"));
        at = (*match)[0].second;
    }
    return named.append(at, text.cend());
}

// Hints are written for the command line. What is a command, whole or in backticks, stays one.
Error for_client(Error error) {
    if (error.hint.starts_with("slipway "))
        return error;
    bool is_command = false;
    std::string hint;
    for (auto part : split(error.hint, '`')) {
        hint += is_command ? fmt::format("`{}`", part) : as_parameters(std::string(part));
        is_command = !is_command;
    }
    error.hint = std::move(hint);
    return error;
}

std::string more_text(const Job& job, const JobStatus& status) {
    std::string names;
    for (const auto& [name, size] : status.texts)
        names += (names.empty() ? "" : ", ") + name;
    return names.empty() ? "" : fmt::format("\n[job {}: job_read gives its {}]", job.id(), names);
}

// The longest list, or else text, below a value; null if none can be shortened.
Json* longest(Json& value, std::size_t& size) {
    Json* found = nullptr;
    auto consider = [&](Json& candidate, std::size_t candidate_size) {
        if (candidate_size > size) {
            size = candidate_size;
            found = &candidate;
        }
    };
    if (value.is_string() && value.get_ref<const std::string&>().size() > shortest_cut)
        consider(value, value.get_ref<const std::string&>().size());
    // Of a list of several, whole items go first.
    bool is_list = value.is_array() && value.size() > 1;
    if (is_list)
        consider(value, render_json(value).size());
    if (value.is_structured() && !is_list)
        for (auto& each : value)
            if (auto* inner = longest(each, size))
                found = inner;
    return found;
}

void halve(Json& value) {
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        value =
            std::string(whole_characters(text, std::max(text.size() / 2, shortest_cut - 3))) + "…";
    } else
        value.erase(value.begin() + static_cast<std::ptrdiff_t>(value.size() / 2), value.end());
}

} // namespace

bool shorten(Json& value, std::size_t most) {
    bool lost = false;
    while (render_json(value).size() > most) {
        std::size_t size = 0;
        auto* victim = longest(value, size);
        if (victim == nullptr)
            break;
        halve(*victim);
        lost = true;
    }
    return lost;
}

std::string shortened(std::string_view text, std::size_t most) {
    if (text.size() <= most)
        return std::string(text);
    auto kept = whole_characters(text, most);
    if (auto line = kept.rfind('\n'); line != std::string_view::npos && line > most / 2)
        kept = kept.substr(0, line);
    return fmt::format("{}\n[… {} more characters]", kept, text.size() - kept.size());
}

Json describe(const Tool& tool) {
    const auto& info = tool.info;
    Json annotations{{"title", info.title},
                     {"readOnlyHint", info.effect == Effect::Reads},
                     {"destructiveHint", info.effect == Effect::Changes},
                     {"idempotentHint", info.repeatable},
                     {"openWorldHint", info.uses_network}};
    Json json{{"name", info.name},
              {"title", info.title},
              {"description", info.description},
              {"inputSchema", tool.input_schema}};
    if (!tool.plain)
        json["outputSchema"] = output_schema(tool);
    json["annotations"] = std::move(annotations);
    return json;
}

Json result_of_answer(const Tool& tool, const Answer& answer) {
    if (tool.plain)
        return {{"content", content(answer.text)}};
    return finish(shortened(answer.text, most_text), {.result = answer.record}, false);
}

Json result_of_error(const Error& failure) {
    auto error = for_client(failure);
    return finish(shortened(render_text(error), most_text),
                  {.state = "failed", .error = error_record(error)}, true);
}

Json result_of_job(const Job& job) {
    auto status = job.status();
    Envelope envelope{
        .state = std::string(name_of(status.state)), .job_id = job.id(), .seconds = status.seconds};
    for (const auto& [name, size] : status.texts)
        envelope.resources.push_back(job.uri(name));
    if (status.state == JobState::Running) {
        envelope.step = shortened(status.step, shortest_cut);
        auto text = fmt::format("{} is still running as job {} after {}{}{}. Ask job_result with "
                                "job_id \"{}\" for its result, or stop it with job_cancel.",
                                job.tool(), job.id(), format_seconds(status.seconds),
                                status.step.empty() ? "" : ": ", *envelope.step, job.id());
        return finish(std::move(text), std::move(envelope), false);
    }
    if (status.error) {
        auto error = for_client(*status.error);
        envelope.error = error_record(error);
        return finish(shortened(render_text(error), most_text) + more_text(job, status),
                      std::move(envelope), true);
    }
    envelope.result = status.answer.record;
    return finish(shortened(status.answer.text, most_text) + more_text(job, status),
                  std::move(envelope), false);
}

} // namespace slipway::mcp
