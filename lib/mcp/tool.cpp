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

Json finish(std::string text, Envelope envelope, bool is_error, const Json& schema = {}) {
    if (envelope.result) {
        auto others = envelope;
        others.result.reset();
        auto used = render_json(Envelope::shape().write(others)).size();
        envelope.shortened =
            shorten(*envelope.result, most_structure - std::min(used, most_structure), schema);
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

// The same name, or one with more words: memory_mib, rootfs_path, accelerator.
std::string parameter_for(const std::string& option, const std::vector<std::string>& parameters) {
    auto name = replace_all(option, "-", "_");
    if (std::find(parameters.begin(), parameters.end(), name) != parameters.end())
        return name;
    for (const auto& parameter : parameters)
        if (parameter.starts_with(name) || parameter.ends_with("_" + name))
            return parameter;
    return name;
}

std::string as_parameters(const std::string& text, const std::vector<std::string>& parameters) {
    static const std::regex option("(^|[ (])--([a-z][a-z-]*)");
    std::string named;
    auto at = text.cbegin();
    for (std::sregex_iterator match(at, text.cend(), option), end; match != end; ++match) {
        named.append(at, (*match)[1].second);
        named += fmt::format("'{}'", parameter_for((*match)[2].str(), parameters));
        at = (*match)[0].second;
    }
    return named.append(at, text.cend());
}

std::string more_text(const Job& job, const JobStatus& status) {
    std::string names;
    for (const auto& [name, size] : status.texts)
        names += (names.empty() ? "" : ", ") + name;
    return names.empty() ? "" : fmt::format("\n[job {}: job_read gives its {}]", job.id(), names);
}

struct Cut {
    Json* value = nullptr;
    std::size_t size = 0;
};

// The longest list or map, or else text, below a value; none if nothing can be shortened.
Cut longest(Json& value, const Json& schema, Cut found) {
    auto consider = [&](std::size_t size) {
        if (size > found.size)
            found = {&value, size};
    };
    if (value.is_string() && value.get_ref<const std::string&>().size() > shortest_cut)
        consider(value.get_ref<const std::string&>().size());
    const auto& of_others = json_at(schema, "additionalProperties");
    // Of several in a list or map, whole ones go first.
    if (value.size() > 1 && (value.is_array() || (value.is_object() && of_others.is_object())))
        consider(render_json(value).size());
    else if (value.is_array())
        for (auto& each : value)
            found = longest(each, json_at(schema, "items"), found);
    else if (value.is_object())
        for (auto& [name, each] : value.items()) {
            const auto& known = json_at(json_at(schema, "properties"), name);
            found = longest(each, known.is_object() ? known : of_others, found);
        }
    return found;
}

void halve(Json& value) {
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        value =
            std::string(whole_characters(text, std::max(text.size() / 2, shortest_cut - 3))) + "…";
    } else
        value.erase(std::next(value.begin(), static_cast<std::ptrdiff_t>(value.size() / 2)),
                    value.end());
}

} // namespace

Error for_client(Error error, const std::vector<std::string>& parameters) {
    // What is a command, whole or in backticks, stays one.
    if (error.hint.starts_with("slipway "))
        return error;
    bool is_command = false;
    std::string hint;
    for (auto part : split(error.hint, '`')) {
        hint +=
            is_command ? fmt::format("`{}`", part) : as_parameters(std::string(part), parameters);
        is_command = !is_command;
    }
    error.hint = std::move(hint);
    return error;
}

bool shorten(Json& value, std::size_t most, const Json& schema) {
    bool lost = false;
    while (render_json(value).size() > most) {
        auto cut = longest(value, schema, {});
        if (cut.value == nullptr)
            break;
        halve(*cut.value);
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
    return finish(shortened(answer.text, most_text), {.result = answer.record}, false,
                  answer.schema);
}

Json result_of_error(const Error& error) {
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
        const auto& error = *status.error;
        envelope.error = error_record(error);
        return finish(shortened(render_text(error), most_text) + more_text(job, status),
                      std::move(envelope), true);
    }
    envelope.result = status.answer.record;
    return finish(shortened(status.answer.text, most_text) + more_text(job, status),
                  std::move(envelope), false, status.answer.schema);
}

} // namespace slipway::mcp
