// SPDX-License-Identifier: Apache-2.0
#include "guestfs/worker_call.hpp"

#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/output_file.hpp"

namespace slipway::guestfs {
namespace {

constexpr std::size_t largest_value = std::size_t{2} << 30; // the caller gets it in memory, whole
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

} // namespace

Result<Json> call_of_worker(const Signature& signature, const Json& arguments, const Cancel& cancel,
                            const AskWorker& ask) {
    auto words = Json::array();
    for (std::size_t i = 0; i < signature.parameters.size(); ++i)
        if (!is_stream(signature.parameters[i].type))
            words.push_back(i < arguments.size() ? arguments[i] : Json());
    SLIPWAY_TRY(auto input, open_input(signature, arguments));
    SLIPWAY_TRY(auto download, Download::open(signature, arguments));
    std::string value;
    session::CallHooks hooks{.input = input, .cancel = cancel};
    hooks.on_data = [&](int, std::string_view bytes) -> Status {
        if (download.wanted())
            return download.write(bytes);
        if (value.size() + bytes.size() > largest_value) {
            auto error = os_error("the answer has more than 2 GiB", EFBIG);
            error.hint = "download and the like write it to a file";
            return fail(std::move(error));
        }
        value += bytes;
        return {};
    };
    SLIPWAY_TRY(auto answer, ask(std::string(signature.name), {{"args", words}}, hooks));
    SLIPWAY_CHECK(download.finish());
    bool streamed = signature.result == Type::Bytes || signature.result == Type::String;
    return answer.is_null() && streamed ? Json(std::move(value)) : std::move(answer);
}

} // namespace slipway::guestfs
