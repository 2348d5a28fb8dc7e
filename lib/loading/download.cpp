// SPDX-License-Identifier: Apache-2.0
#include "loading/download.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "archive/digest.hpp"
#include "base/units.hpp"

namespace slipway::loading {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_pause{15'000};
constexpr milliseconds between_reports{200};
constexpr milliseconds between_looks{100}; // for requests to stop

// What a further try would not change, of this server or of any.
bool is_of_the_server(const Error& error) {
    return error.code == Code::NotFound || error.code == Code::Permission ||
           error.code == Code::InvalidArgument || error.code == Code::Unsupported ||
           error.code == Code::Corrupt;
}
bool is_ours(const Error& error) {
    return error.code == Code::Cancelled || error.code == Code::NoSpace;
}

// One file, from whichever servers.
class Transfer {
public:
    Transfer(http::Client& client, const DownloadRequest& request, sys::BorrowedFd file,
             const Cancel& cancel)
        : client_(client), request_(request), file_(file), cancel_(cancel) {}

    Result<Downloaded> run() {
        SLIPWAY_CHECK(begin_again());
        std::size_t server = 0;
        unsigned tries = 0;
        auto pause = request_.pause;
        while (true) {
            auto before = offset_;
            const auto& url = request_.urls.at(server);
            auto got = fetch(url);
            if (got)
                if (got = check(); !got)
                    got = fail(std::move(got.error()).in(url.str()));
            if (got)
                return Downloaded{.url = url, .size = offset_, .sha256 = found_};
            const auto& error = got.error();
            tries = offset_ > before ? 1 : tries + 1;
            bool next = is_of_the_server(error) || tries >= request_.tries;
            if (is_ours(error) || (next && server + 1 == request_.urls.size()))
                return fail(std::move(got.error()));
            if (request_.on_retry)
                request_.on_retry(error);
            if (next) {
                ++server;
                tries = 0;
                if (error.code == Code::Corrupt)
                    SLIPWAY_CHECK(begin_again());
                continue;
            }
            pause = tries == 1 ? request_.pause : std::min(pause * 2, longest_pause);
            SLIPWAY_CHECK(wait(pause));
        }
    }

private:
    Status begin_again() {
        offset_ = began_at_ = 0;
        head_.clear();
        was_seen_ = false;
        if (::ftruncate(file_.raw(), 0) != 0)
            return fail_errno("emptying the file of the image");
        SLIPWAY_TRY(digest_, archive::open_digest("sha256"));
        return {};
    }

    Status fetch(const http::Url& url) {
        began_ = Clock::now();
        began_at_ = offset_;
        http::Request asked{.url = url};
        // Whether it is still the same file is told by its tag, of the same server, or by the
        // digest at the end.
        bool has_tag = !tag_.empty() && url == tagged_;
        if (offset_ > 0 && (has_tag || !request_.sha256.empty()))
            asked.headers["Range"] = fmt::format("bytes={}-", offset_);
        if (asked.headers.contains("Range") && has_tag)
            asked.headers["If-Range"] = tag_;
        asked.on_head = [&](const http::Response& head) { return begin(url, head); };
        SLIPWAY_TRY(auto response, client_.exchange(
                                       asked, [this](auto bytes) { return take(bytes); }, cancel_));
        if (response.status == 416 && offset_ > 0 && total_ == offset_)
            return {}; // it broke between the last byte and the end
        if (response.status >= 400)
            return fail(response.status == 404 || response.status == 410 ? Code::NotFound
                        : response.status / 100 == 4                     ? Code::Permission
                                                                         : Code::Protocol,
                        fmt::format("{}: the server says {}", url.str(), response.status));
        if (response.status / 100 != 2 || (total_ && offset_ != *total_))
            return fail(Code::Protocol, fmt::format("{}: the transfer ended too early", url.str()));
        return {};
    }

    Status begin(const http::Url& url, const http::Response& head) {
        auto range = head.headers.find("content-range");
        if (head.status != 206)
            SLIPWAY_CHECK(begin_again());
        else if (range == head.headers.end() ||
                 !range->second.starts_with(fmt::format("bytes {}-", offset_)))
            return fail(Code::Protocol, "the server sends another range than was asked for");
        auto tag = head.headers.find("etag");
        tag_ = tag == head.headers.end() || tag->second.starts_with("W/") ? "" : tag->second;
        tagged_ = url;
        total_ = head.length();
        if (total_)
            *total_ += offset_;
        if (total_)
            SLIPWAY_CHECK(check_size(*total_));
        if (offset_ == 0 && request_.on_length)
            SLIPWAY_CHECK(request_.on_length(total_));
        if (request_.limit != 0 && total_.value_or(0) > request_.limit)
            return too_large(*total_);
        return {};
    }

    [[nodiscard]] tl::unexpected<Error> too_large(std::uint64_t size) const {
        return fail(Code::NoSpace, fmt::format("it has {}, and there is room for {}",
                                               format_size(size), format_size(request_.limit)));
    }

    Status take(std::string_view bytes) {
        if (request_.limit != 0 && offset_ + bytes.size() > request_.limit)
            return too_large(offset_ + bytes.size());
        SLIPWAY_CHECK(sys::write_all_at(file_, bytes, offset_));
        digest_->add(bytes);
        offset_ += bytes.size();
        if (head_.size() < request_.head_size) {
            head_ += bytes.substr(0, request_.head_size - head_.size());
            if (head_.size() == request_.head_size)
                SLIPWAY_CHECK(show_head());
        }
        if (request_.on_progress && Clock::now() - reported_ >= between_reports)
            report();
        return {};
    }

    void report() {
        reported_ = Clock::now();
        request_.on_progress({offset_, total_, reported_ - began_, offset_ - began_at_});
    }

    Status wait(milliseconds length) const {
        for (auto until = Clock::now() + length; Clock::now() < until;) {
            SLIPWAY_CHECK(cancel_.check());
            std::this_thread::sleep_for(between_looks);
        }
        return {};
    }

    Status show_head() {
        if (was_seen_ || !request_.on_first_bytes)
            return {};
        was_seen_ = true;
        return request_.on_first_bytes(head_, total_);
    }

    [[nodiscard]] Status check_size(std::uint64_t size) const {
        if (!request_.size || *request_.size == size)
            return {};
        return fail(Code::Corrupt, fmt::format("it has {} bytes, not {}", size, *request_.size),
                    "it is another file than the one that was meant");
    }

    // When all of it has come.
    Status check() {
        if (request_.on_progress)
            report();
        SLIPWAY_CHECK(check_size(offset_));
        SLIPWAY_CHECK(show_head());
        found_ = digest_->finish();
        if (!request_.sha256.empty() && found_ != request_.sha256)
            return fail(Code::Corrupt,
                        fmt::format("it has the digest {}, not {}", found_, request_.sha256),
                        "it was changed or damaged on its way: nothing of it was used");
        return {};
    }

    http::Client& client_;
    const DownloadRequest& request_;
    sys::BorrowedFd file_;
    const Cancel& cancel_;
    std::unique_ptr<archive::Digest> digest_;
    std::string head_;      ///< the first bytes
    bool was_seen_ = false; ///< by who wants them
    std::string found_;     ///< the digest
    std::uint64_t offset_ = 0, began_at_ = 0;
    std::optional<std::uint64_t> total_{};
    Clock::time_point began_{}, reported_{};
    std::string tag_; ///< of the file on `tagged_`
    http::Url tagged_{};
};

} // namespace

std::string render_progress(const Progress& progress, std::size_t columns) {
    auto done = static_cast<double>(progress.done);
    std::string text = format_size(progress.done);
    double rate = progress.spent.count() > 0
                      ? static_cast<double>(progress.here) / progress.spent.count()
                      : 0;
    if (rate > 0)
        text += fmt::format("  {}/s", format_size(static_cast<std::uint64_t>(rate)));
    if (!progress.total || *progress.total == 0)
        return text.substr(0, columns);
    auto total = static_cast<double>(*progress.total);
    auto part = std::min(done / total, 1.0);
    if (rate > 0 && part < 1)
        text += fmt::format("  {:.0f} s left", (total - done) / rate);
    text = fmt::format("{:3.0f} %  {}", part * 100, text);
    constexpr std::size_t longest_bar = 40, frame = 4; // "[] " and a column that stays free
    if (columns <= text.size() + frame)
        return text.substr(0, columns);
    auto bar = std::min(longest_bar, columns - text.size() - frame);
    auto full = static_cast<std::size_t>(part * static_cast<double>(bar));
    return fmt::format("[{}{}] {}", std::string(full, '#'), std::string(bar - full, '.'), text);
}

Result<Downloaded> download(http::Client& client, const DownloadRequest& request,
                            sys::BorrowedFd file, const Cancel& cancel) {
    if (request.urls.empty())
        return fail(Code::InvalidArgument, "no address of an image was given");
    return Transfer(client, request, file, cancel).run();
}

} // namespace slipway::loading
