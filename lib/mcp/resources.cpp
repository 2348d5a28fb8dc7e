// SPDX-License-Identifier: Apache-2.0
// The texts of jobs as resources: slipway://job/ID/NAME, in pages by ?offset=N.
#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"
#include "mcp/server.hpp"

namespace slipway::mcp {
namespace {

constexpr std::string_view prefix = "slipway://job/";
constexpr std::size_t page_size = 32 << 10;

struct TextUri {
    std::string job;
    std::string text;
    std::uint64_t offset = 0;
};

std::optional<TextUri> parse_uri(std::string_view uri) {
    if (!uri.starts_with(prefix))
        return std::nullopt;
    uri.remove_prefix(prefix.size());
    TextUri found;
    if (auto question = uri.find('?'); question != std::string_view::npos) {
        auto query = uri.substr(question + 1);
        constexpr std::string_view name = "offset=";
        auto offset =
            query.starts_with(name) ? parse_number(query.substr(name.size())) : std::nullopt;
        if (!offset)
            return std::nullopt;
        found.offset = *offset;
        uri = uri.substr(0, question);
    }
    auto slash = uri.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    found.job = uri.substr(0, slash);
    found.text = uri.substr(slash + 1);
    return found;
}

const char* type_of(std::string_view text_name) {
    return text_name == "report" ? "application/json" : "text/plain";
}

Result<std::shared_ptr<const KeptText>> find_text(const Jobs& jobs, const TextUri& uri) {
    SLIPWAY_TRY(auto job, jobs.find(uri.job));
    auto text = job->text(uri.text);
    if (!text)
        return fail(Code::NotFound, fmt::format("job {} has no such text", uri.job));
    return text;
}

Refusal refuse(const Error& error, const std::string& uri) {
    return {json_rpc::code_of(error.code), render_line(error), {{"uri", uri}}};
}

} // namespace

Server::Reply Server::list_resources(const Request& request, const To&) {
    if (request.params.contains("cursor"))
        return Refusal{json_rpc::invalid_params, "unknown cursor: the list has one page"};
    auto list = Json::array();
    for (const auto& job : jobs_.list())
        for (const auto& [name, size] : job->status().texts)
            list.push_back(
                {{"uri", job->uri(name)},
                 {"name", fmt::format("job-{}-{}", job->id(), name)},
                 {"title", fmt::format("{} of job {}, {}", name, job->id(), job->tool())},
                 {"mimeType", type_of(name)},
                 {"size", size}});
    return Json{{"resources", std::move(list)}};
}

Server::Reply Server::list_templates(const Request& request, const To&) {
    if (request.params.contains("cursor"))
        return Refusal{json_rpc::invalid_params, "unknown cursor: the list has one page"};
    std::vector<std::string> names(text_names.begin(), text_names.end());
    return Json{
        {"resourceTemplates",
         Json::array(
             {{{"uriTemplate", fmt::format("{}{{job_id}}/{{name}}{{?offset}}", prefix)},
               {"name", "job-text"},
               {"title", "Text of a job"},
               {"description", fmt::format("NAME is one of {}; a page of {} bytes from the offset "
                                           "on. _meta of the answer has offset, size and, where "
                                           "there is more, next: the URI of the next page.",
                                           join(names, ", "), page_size)}}})}};
}

Server::Reply Server::read_resource(const Request& request, const To&) {
    const auto& given = json_at(request.params, "uri");
    if (!given.is_string())
        return Refusal{json_rpc::invalid_params, "'uri' is missing or no text"};
    auto text_of_uri = given.get<std::string>();
    auto uri = parse_uri(text_of_uri);
    constexpr std::size_t shown = 120;
    auto excerpt_of_uri = printable(excerpt(text_of_uri, shown));
    if (!uri)
        return Refusal{json_rpc::resource_not_found,
                       fmt::format("no such resource: {}", excerpt_of_uri),
                       {{"uri", excerpt_of_uri}}};
    auto text = find_text(jobs_, *uri);
    if (!text)
        return refuse(text.error(), excerpt_of_uri);
    auto page = (*text)->page(uri->offset, page_size);
    if (!page)
        return refuse(page.error(), excerpt_of_uri);
    Json meta{{"slipway/offset", page->offset}, {"slipway/size", page->size}};
    if (page->end() < page->size)
        meta["slipway/next"] =
            fmt::format("{}{}/{}?offset={}", prefix, uri->job, uri->text, page->end());
    if (auto lost = (*text)->lost(); !lost.empty())
        meta["slipway/lost"] = lost;
    return Json{{"contents", Json::array({{{"uri", text_of_uri},
                                           {"mimeType", type_of(uri->text)},
                                           {"text", page->text},
                                           {"_meta", std::move(meta)}}})}};
}

} // namespace slipway::mcp
