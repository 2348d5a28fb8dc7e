// SPDX-License-Identifier: Apache-2.0
// Remote control: the machine reports to a server, and takes its orders. Nothing listens here.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "boot/errands.hpp"
#include "boot/screen_view.hpp"
#include "http/client.hpp"
#include "http/identity.hpp"

namespace slipway::boot {

struct RemoteOptions {
    http::Url server;
    http::ClientOptions client{};          ///< how the server is known
    Json machine = Json::object();         ///< what it says of itself, once
    std::chrono::milliseconds pause{2000}; ///< before it tries again
};

struct Order {
    enum class Kind { Command, Keys, Screen };
    OrderNumber number = 0;
    Kind kind = Kind::Command;
    std::string text{}; ///< as it would be typed at the prompt, or keys for the console
};

/// With a key pair that lives as long as this does: the server's operator approves it once he has
/// seen its fingerprint at the machine. Two threads; everything here is for the one that owns it.
class Remote {
public:
    /// The errors of http::Client::open.
    [[nodiscard]] static Result<std::unique_ptr<Remote>> start(RemoteOptions options);
    /// As the kernel's command line and the files of the initramfs say.
    [[nodiscard]] static Result<std::unique_ptr<Remote>> start_for(const BootOptions& options);
    Remote(const Remote&) = delete;
    Remote& operator=(const Remote&) = delete;
    ~Remote();

    /// Of the public key, as the server names this machine.
    [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
    [[nodiscard]] std::vector<Order> take_orders();
    /// How the connection is, for the consoles, when it changes.
    [[nodiscard]] std::vector<std::string> take_news();

    /// The last one counts.
    void tell_state(Json state);
    void tell_line(std::string line);
    void tell_console(std::string_view bytes);
    void answer(OrderNumber order, const std::optional<Error>& error, const std::string& text = {});
    void show(OrderNumber order, ScreenView view);

private:
    Remote(RemoteOptions options, http::KeyPair keys, http::Client listening, http::Client telling);
    void listen();
    void tell();
    Status attend();
    Status enter();
    Status take_line(std::string_view line);
    Status tell_what_waits();
    Result<Json> post(http::Client& client, std::string_view path, const std::string& body,
                      const std::string& type = "application/json");
    void news(const std::string& text);
    [[nodiscard]] std::string session();
    void set_session(std::string session);

    RemoteOptions options_;
    http::KeyPair keys_;
    std::string fingerprint_;
    http::Client listening_, telling_;
    Cancel cancel_;
    std::mutex lock_;
    std::condition_variable something_;
    // All of these are under the lock.
    std::string session_, last_news_;
    bool is_approved_ = false;
    std::vector<Order> orders_;
    std::vector<std::string> news_;
    Json state_ = Json::object();
    std::deque<std::string> lines_;
    Json answers_ = Json::array();
    std::string console_;
    std::deque<std::pair<OrderNumber, ScreenView>> views_;
    bool is_state_new_ = false;
    std::thread listener_, teller_;
};

/// As people read it to each other: of the PEM file's bytes; pure.
[[nodiscard]] std::string fingerprint_of(std::string_view public_key);

} // namespace slipway::boot
