// SPDX-License-Identifier: Apache-2.0
#include "guestfs/worker_call.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "sys/output_file.hpp"

namespace slipway::guestfs {
namespace {

constexpr mode_t mode_of_files = 0666; // umask(2) takes from it what the user wants

bool is_stream(Type type) {
    return type == Type::FileIn || type == Type::FileOut || type == Type::Bytes;
}

Result<sys::OwnedFd> open_upload(const std::string& path) {
    SLIPWAY_TRY(auto file, sys::open_file(path, O_RDONLY));
    struct stat info {};
    if (::fstat(file.raw(), &info) == 0 && S_ISDIR(info.st_mode))
        return fail(os_error(path, EISDIR));
    return file;
}

// Where the client's bytes of a call come from.
Result<sys::OwnedFd> open_input(const Signature& signature, const Json& arguments) {
    for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
        auto type = signature.parameters[i].type;
        if (type == Type::FileIn)
            return open_upload(arguments[i].get<std::string>());
        if (type == Type::Bytes)
            return sys::make_memfd("argument", arguments[i].get_ref<const std::string&>());
    }
    return sys::OwnedFd{};
}

// A file that the call makes: whole or absent; what is no plain file is written as it is.
class Download {
public:
    [[nodiscard]] static Result<Download> open(const Signature& signature, const Json& arguments) {
        Download download;
        for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
            if (signature.parameters[i].type != Type::FileOut)
                continue;
            download.wanted_ = true;
            auto path = arguments[i].get<std::string>();
            struct stat info {};
            if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
                SLIPWAY_TRY(download.plain_, sys::open_file(path, O_WRONLY));
                continue;
            }
            auto mask = ::umask(0);
            ::umask(mask);
            auto mode =
                ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : mode_of_files & ~mask;
            SLIPWAY_TRY(auto file, sys::OutputFile::create(path, {.replace = true, .mode = mode}));
            download.file_.emplace(std::move(file));
        }
        return download;
    }
    [[nodiscard]] bool wanted() const { return wanted_; }
    [[nodiscard]] Status write(std::string_view bytes) const {
        return sys::write_all(file_ ? file_->fd() : plain_.borrow(), bytes);
    }
    [[nodiscard]] Status finish() { return file_ ? file_->publish() : Status{}; }

private:
    Download() = default;
    bool wanted_ = false;
    std::optional<sys::OutputFile> file_;
    sys::OwnedFd plain_;
};

/// Tells how far a call is, once it has taken a while.
class Progress {
public:
    Progress(const Events& events, sys::BorrowedFd input) : events_(events), input_(input) {
        struct stat info {};
        if (input.valid() && ::fstat(input.raw(), &info) == 0 && S_ISREG(info.st_mode))
            total_ = static_cast<std::uint64_t>(info.st_size);
    }
    void step() {
        if (auto now = Clock::now(); now >= next_) {
            next_ = now + interval;
            told_ = true;
            // What was read of the input is on its way; nobody knows how much comes back.
            auto position = total_ ? ::lseek(input_.raw(), 0, SEEK_CUR) : 0;
            tell(static_cast<std::uint64_t>(std::max<off_t>(position, 0)));
        }
    }
    void finish() const {
        if (told_)
            tell(total_.value_or(1));
    }

private:
    void tell(std::uint64_t position) const {
        events_.tell(Event::Progress, {},
                     std::array<std::uint64_t, 4>{0, 0, position, total_.value_or(1)});
    }
    static constexpr std::chrono::milliseconds patience{2000};
    static constexpr std::chrono::milliseconds interval{333};

    const Events& events_;
    sys::BorrowedFd input_;
    std::optional<std::uint64_t> total_; ///< bytes of the input
    Clock::time_point next_ = Clock::now() + patience;
    bool told_ = false;
};

using Ask = std::function<Result<Json>(const std::string& name, Json request)>;

// Calls that look at each of many names in a directory, and answer with a list. The whole of it
// could be more than a worker's memory holds.
bool takes_many_names(std::string_view call) {
    constexpr std::string_view calls[] = {"lstatlist", "lstatnslist", "lxattrlist", "readlinklist"};
    return std::find(std::begin(calls), std::end(calls), call) != std::end(calls);
}

Result<Json> ask_in_parts(const Signature& signature, const Json& arguments, const Ask& ask) {
    constexpr std::size_t names_at_once = 10000;
    const auto& names = arguments[1];
    auto answer = Json::array();
    std::size_t from = 0;
    do {
        auto part = Json::array();
        for (; from < names.size() && part.size() < names_at_once; ++from)
            part.push_back(names[from]);
        SLIPWAY_TRY(auto more, ask(std::string(signature.name), {{"args", {arguments[0], part}}}));
        std::move(more.begin(), more.end(), std::back_inserter(answer));
    } while (from < names.size());
    return answer;
}

} // namespace

Result<Json> call_of_worker(const Signature& signature, const Json& arguments, const Cancel& cancel,
                            const Events& events, const AskWorker& ask) {
    auto words = Json::array();
    for (std::size_t i = 0; i < signature.parameters.size(); ++i)
        if (!is_stream(signature.parameters[i].type))
            words.push_back(i < arguments.size() ? arguments[i] : Json());
    SLIPWAY_TRY(auto input, open_input(signature, arguments));
    SLIPWAY_TRY(auto download, Download::open(signature, arguments));
    std::string value;
    session::CallHooks hooks{.input = input, .cancel = cancel};
    Progress progress(events, input);
    if (events.are_wanted(Event::Progress))
        hooks.on_step = [&progress] { progress.step(); };
    hooks.on_data = [&](int, std::string_view bytes) -> Status {
        if (download.wanted())
            return download.write(bytes);
        if (value.size() + bytes.size() > longest_value) {
            auto error = os_error("the answer has more than 2 GiB", EFBIG);
            error.hint = "download and the like write it to a file";
            return fail(std::move(error));
        }
        value += bytes;
        return {};
    };
    auto ask_it = [&](const std::string& name, Json request) {
        return ask(name, std::move(request), hooks);
    };
    SLIPWAY_TRY(auto answer, takes_many_names(signature.name)
                                 ? ask_in_parts(signature, words, ask_it)
                                 : ask_it(std::string(signature.name), {{"args", words}}));
    progress.finish();
    SLIPWAY_CHECK(download.finish());
    bool streamed = signature.result == Type::Bytes || signature.result == Type::String;
    return answer.is_null() && streamed ? Json(std::move(value)) : std::move(answer);
}

} // namespace slipway::guestfs
