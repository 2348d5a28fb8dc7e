// SPDX-License-Identifier: Apache-2.0
#include "keys.hpp"

#include <fcntl.h>
#include <termios.h>

#include <fmt/format.h>

#include "storage/key_option.hpp"
#include "sys/fd.hpp"

namespace slipway::app {
namespace {

constexpr std::size_t longest_passphrase = 512; // cryptsetup(8) takes as many from a terminal

// No echo for as long as it lives.
class Silence {
public:
    explicit Silence(sys::BorrowedFd terminal) : terminal_(terminal) {
        if (::tcgetattr(terminal.raw(), &before_) != 0)
            return;
        auto silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        changed_ = ::tcsetattr(terminal.raw(), TCSAFLUSH, &silent) == 0;
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;
    ~Silence() {
        if (changed_)
            ::tcsetattr(terminal_.raw(), TCSAFLUSH, &before_);
    }

private:
    sys::BorrowedFd terminal_;
    termios before_{};
    bool changed_ = false;
};

Result<storage::Secret> ask(const std::string& selector) {
    auto terminal = sys::open_file("/dev/tty", O_RDWR | O_NOCTTY);
    if (!terminal)
        return fail(Code::Unsupported, "there is no terminal to ask for a key at",
                    fmt::format("use --key {0}:file:PATH or --key {0}:fd:N", selector));
    SLIPWAY_CHECK(sys::write_all(*terminal, fmt::format("Key of {}: ", selector)));
    std::string line(longest_passphrase, '\0');
    ssize_t got = 0;
    {
        Silence silence(*terminal);
        got = ::read(terminal->raw(), line.data(), line.size());
    }
    SLIPWAY_CHECK(sys::write_all(*terminal, "\n"));
    auto secret = storage::Secret::take(std::move(line));
    auto typed = secret.expose().substr(0, got > 0 ? static_cast<std::size_t>(got) : 0);
    if (typed.ends_with('\n'))
        typed.remove_suffix(1);
    if (typed.empty())
        return fail(Code::KeyRequired, fmt::format("no key was given for {}", selector));
    return storage::Secret(typed);
}

// What a caller handed on cannot have this flag; all that is opened here has it.
bool is_handed_on(int descriptor) {
    auto flags = ::fcntl(descriptor, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

Result<storage::Secret> read_key(const storage::KeyOption& option, const Cancel& cancel) {
    using Source = storage::KeyOption::Source;
    if (option.source == Source::Prompt)
        return ask(option.selector);
    auto descriptor = fmt::format("descriptor {}", option.descriptor);
    if (option.source == Source::Descriptor && !is_handed_on(option.descriptor))
        return fail(os_error(fmt::format("reading the key from {}", descriptor), EBADF));
    if (option.source == Source::Descriptor)
        return storage::read_secret(sys::BorrowedFd(option.descriptor), descriptor, cancel);
    SLIPWAY_TRY(auto file, sys::open_file(option.path, O_RDONLY | O_NONBLOCK));
    return storage::read_secret(file, option.path, cancel);
}

} // namespace

Result<std::shared_ptr<const std::vector<storage::Key>>>
read_keys(const std::vector<std::string>& options, const Cancel& cancel) {
    auto keys = std::make_shared<std::vector<storage::Key>>();
    for (const auto& text : options) {
        SLIPWAY_TRY(auto option, storage::parse_key_option(text));
        auto secret = read_key(option, cancel);
        if (!secret && secret.error().errno_value == EBADF)
            secret.error().code = Code::InvalidArgument;
        if (!secret)
            return fail(std::move(secret.error()).in(fmt::format("--key {}", text)));
        keys->push_back({option.selector, std::move(*secret)});
    }
    return std::shared_ptr<const std::vector<storage::Key>>(std::move(keys));
}

} // namespace slipway::app
