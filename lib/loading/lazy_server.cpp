// SPDX-License-Identifier: Apache-2.0
#include "loading/lazy_server.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <list>
#include <mutex>
#include <span>
#include <thread>

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "archive/digest.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/units.hpp"
#include "loading/fuse_file.hpp"
#include "loading/lazy_blocks.hpp"
#include "loading/range_fetch.hpp"

namespace slipway::loading {
namespace {

using std::chrono::milliseconds;

constexpr unsigned fetchers = 4;
constexpr std::uint64_t most_at_once = 16; // blocks of one request
constexpr milliseconds longest_pause{5000};
constexpr milliseconds between_rests{300}; // of the rest, after somebody has waited
constexpr std::chrono::seconds longest_silence{10};
constexpr std::size_t largest_wishes = 64 << 10, largest_list = 1 << 30;

class BlockServer {
public:
    BlockServer(LazySource source, BlockDigests digests)
        : source_(std::move(source)), digests_(std::move(digests)),
          blocks_(source_.size, source_.block_size), image_(sys::OwnedFd(LazyDevice), source_.size),
          file_(LazyFile), channel_(LazyChannel) {
        if (source_.blocks_here > 0)
            blocks_.end({0, source_.blocks_here}, true);
    }

    void run() {
        std::vector<std::thread> threads;
        for (unsigned each = 0; each < fetchers; ++each)
            threads.emplace_back([this] { fetch_what_is_wanted(); });
        threads.emplace_back([this] { fetch_the_rest(); });
        while (attend()) {
        }
        stop();
        for (auto& thread : threads)
            thread.join();
    }

private:
    bool attend() {
        std::array<pollfd, 2> polls{pollfd{image_.fd().raw(), POLLIN, 0},
                                    pollfd{channel_.raw(), POLLIN, 0}};
        ::poll(polls.data(), channel_.valid() ? 2 : 1, -1);
        if (channel_.valid() && polls[1].revents != 0) {
            char byte = 0;
            // Without a bootstrap the system goes on: it may come back.
            if (::recv(channel_.raw(), &byte, 1, 0) > 0)
                give_up();
            else
                channel_.reset();
        }
        if (polls[0].revents == 0)
            return true;
        auto read = image_.next();
        if (!read)
            return false;
        if (*read)
            take(**read);
        return true;
    }

    void take(const FuseFile::Read& read) {
        std::unique_lock guard(lock_);
        if (blocks_.has(read.offset, read.bytes)) {
            guard.unlock();
            return answer(read);
        }
        if (given_up_) {
            guard.unlock();
            return image_.refuse(read, EIO);
        }
        wanted_at_ = Clock::now();
        waiting_.push_back(read);
        wake_.notify_all();
    }

    void answer(const FuseFile::Read& read) const {
        std::string content(read.bytes, '\0');
        auto got =
            sys::read_exactly_at(file_, std::as_writable_bytes(std::span(content)), read.offset);
        got ? image_.answer(read, content) : image_.refuse(read, EIO);
    }

    // What is not here will not come: whoever waits for it must be able to end.
    void give_up() {
        std::unique_lock guard(lock_);
        given_up_ = true;
        auto waiting = std::exchange(waiting_, {});
        cancel_.request();
        wake_.notify_all();
        guard.unlock();
        for (const auto& read : waiting)
            image_.refuse(read, EIO);
    }

    void stop() {
        std::lock_guard guard(lock_);
        given_up_ = true;
        cancel_.request();
        wake_.notify_all();
    }

    void say(std::string_view text) const {
        ::send(LazyChannel, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    // With the lock.
    std::optional<BlockRun> wanted_run() {
        for (const auto& read : waiting_)
            if (auto run = blocks_.missing(read.offset, read.bytes, most_at_once))
                return run;
        return std::nullopt;
    }

    void fetch_what_is_wanted() {
        auto fetcher = open_fetcher();
        std::unique_lock guard(lock_);
        while (!given_up_) {
            if (auto run = wanted_run())
                fetch(*fetcher, *run, guard);
            else
                wake_.wait(guard);
        }
    }

    void fetch_the_rest() {
        ::setpriority(PRIO_PROCESS, 0, 0); // of this thread
        auto fetcher = open_fetcher();
        auto began = Clock::now();
        std::unique_lock guard(lock_);
        while (!given_up_ && !blocks_.is_complete()) {
            auto at = std::max(began + source_.rest_after,
                               wanted_at_ + (rest_began_ ? between_rests : source_.rest_when_idle));
            if (!waiting_.empty())
                at = std::max(at, Clock::now() + between_rests);
            if (Clock::now() < at) {
                wake_.wait_until(guard, at);
                continue;
            }
            rest_began_ = true;
            if (auto run = blocks_.missing(0, source_.size, most_at_once))
                fetch(*fetcher, *run, guard);
            else
                wake_.wait_for(guard, between_rests); // the last ones are on their way
        }
        bool is_complete = blocks_.is_complete();
        guard.unlock();
        if (is_complete)
            look_at_all();
    }

    std::unique_ptr<RangeFetch> open_fetcher() const {
        return std::make_unique<RangeFetch>(
            RangeFetch::Options{.urls = source_.urls,
                                .client = {.ca_file = source_.ca_file,
                                           .insecure = source_.insecure,
                                           .idle = longest_silence},
                                .size = source_.size});
    }

    // With the lock, which is free meanwhile.
    void fetch(RangeFetch& fetcher, const BlockRun& run, std::unique_lock<std::mutex>& guard) {
        blocks_.begin(run);
        auto offset = blocks_.offset_of(run), bytes = blocks_.bytes_of(run);
        guard.unlock();
        auto done = fetcher.fetch(offset, bytes, cancel_);
        Status kept;
        if (done && !(kept = digests_.check(run.first, *done)))
            fetcher.turn_to_next();
        if (done && kept)
            kept = sys::write_all_at(file_, *done, offset);
        if (!done)
            kept = fail(std::move(done.error()));
        guard.lock();
        blocks_.end(run, kept.has_value());
        if (kept)
            return good(guard);
        if (given_up_)
            return;
        if (!is_broken_) // once, of all that fail in the same way
            say(fmt::format("the image's blocks do not come, and who reads them waits: {}",
                            render_line(kept.error())));
        is_broken_ = true;
        pause_ = std::min(pause_ == milliseconds(0) ? source_.pause : pause_ * 2, longest_pause);
        for (auto until = Clock::now() + pause_; !given_up_ && Clock::now() < until;)
            wake_.wait_until(guard, until);
    }

    void good(std::unique_lock<std::mutex>& guard) {
        if (std::exchange(is_broken_, false))
            say("the image's blocks come again");
        pause_ = milliseconds(0);
        std::vector<FuseFile::Read> complete;
        for (auto read = waiting_.begin(); read != waiting_.end();)
            if (blocks_.has(read->offset, read->bytes)) {
                complete.push_back(*read);
                read = waiting_.erase(read);
            } else
                ++read;
        guard.unlock();
        for (const auto& read : complete)
            answer(read);
        guard.lock();
    }

    void look_at_all() const {
        auto digest = archive::open_digest("sha256");
        std::string piece(1 << 20, '\0');
        for (std::uint64_t at = 0; digest && at < source_.size; at += piece.size()) {
            piece.resize(std::min<std::uint64_t>(piece.size(), source_.size - at));
            if (auto got =
                    sys::read_exactly_at(file_, std::as_writable_bytes(std::span(piece)), at);
                !got)
                return say(render_line(got.error()));
            (*digest)->add(piece);
        }
        if (digest && (*digest)->finish() == source_.sha256)
            return ::fsync(file_.raw()) == 0 ? say(lazy_is_whole) : void();
        say("all of the image is here, and it has another digest than its list of blocks: it is "
            "not kept");
    }

    const LazySource source_;
    const BlockDigests digests_;
    LazyBlocks blocks_;
    FuseFile image_;
    sys::OwnedFd file_, channel_;
    std::mutex lock_; ///< of all below, and of blocks_
    std::condition_variable wake_;
    std::list<FuseFile::Read> waiting_;
    Clock::time_point wanted_at_ = Clock::now();
    bool given_up_ = false, is_broken_ = false, rest_began_ = false;
    milliseconds pause_{0};
    Cancel cancel_;
};

Status serve() {
    (void)::signal(SIGPIPE, SIG_IGN);
    SLIPWAY_TRY(auto wishes, sys::read_file(sys::proc_path(LazyWishes), largest_wishes));
    SLIPWAY_TRY(auto source, parse_source(wishes));
    SLIPWAY_TRY(auto list, sys::read_file(sys::proc_path(LazyBlockList), largest_list));
    SLIPWAY_TRY(auto digests, BlockDigests::read(std::move(list), source.blocks_sha256, source.size,
                                                 source.block_size));
    ::close(LazyWishes);
    ::close(LazyBlockList);
    BlockServer(std::move(source), std::move(digests)).run();
    return {};
}

} // namespace

std::string render_source(const LazySource& source) {
    auto urls = Json::array();
    for (const auto& url : source.urls)
        urls.push_back(url.str());
    return render_json({{"urls", std::move(urls)},
                        {"size", source.size},
                        {"block_size", source.block_size},
                        {"sha256", source.sha256},
                        {"blocks_sha256", source.blocks_sha256},
                        {"ca_file", source.ca_file},
                        {"insecure", source.insecure},
                        {"blocks_here", source.blocks_here},
                        {"pause", source.pause.count()},
                        {"rest_after", source.rest_after.count()},
                        {"rest_when_idle", source.rest_when_idle.count()}});
}

Result<LazySource> parse_source(std::string_view text) {
    SLIPWAY_TRY(auto json, parse_json(text, "what is to be fetched in blocks"));
    auto time = [&json](const char* name) {
        return milliseconds(json_get<std::int64_t>(json, name));
    };
    LazySource source{.urls = {},
                      .size = json_get<std::uint64_t>(json, "size"),
                      .block_size = json_get<std::uint64_t>(json, "block_size"),
                      .sha256 = json_get<std::string>(json, "sha256"),
                      .blocks_sha256 = json_get<std::string>(json, "blocks_sha256"),
                      .ca_file = json_get<std::string>(json, "ca_file"),
                      .insecure = json_get<bool>(json, "insecure"),
                      .blocks_here = json_get<std::uint64_t>(json, "blocks_here"),
                      .pause = time("pause"),
                      .rest_after = time("rest_after"),
                      .rest_when_idle = time("rest_when_idle")};
    for (const auto& each : json_at(json, "urls")) {
        SLIPWAY_TRY(auto url, http::parse_url(each.is_string() ? each.get<std::string>() : ""));
        source.urls.push_back(std::move(url));
    }
    if (source.urls.empty() || source.size == 0 || source.block_size == 0)
        return fail(Code::InvalidArgument, "what is to be fetched in blocks is not said");
    return source;
}

int serve_blocks() {
    auto served = serve();
    if (!served)
        std::fputs(render_text(served.error()).c_str(), stderr);
    return served ? 0 : 1;
}

} // namespace slipway::loading
