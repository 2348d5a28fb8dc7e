// SPDX-License-Identifier: Apache-2.0
// One piece of work beside the prompt, and what it says.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/cancel.hpp"
#include "base/units.hpp"

namespace slipway::boot {

/// What work in the background says, for the thread that has the consoles.
class Mailbox {
public:
    struct Letter {
        std::string text;
        bool passing = false; ///< replaces itself, such as a progress bar
    };
    void put(std::string text, bool passing = false) {
        std::lock_guard guard(lock_);
        letters_.push_back({std::move(text), passing});
    }
    [[nodiscard]] std::deque<Letter> take() {
        std::lock_guard guard(lock_);
        return std::exchange(letters_, {});
    }

private:
    std::mutex lock_;
    std::deque<Letter> letters_;
};

/// One piece at a time, such as a load.
class Background {
public:
    Background() = default;
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    ~Background() { join(); }

    [[nodiscard]] bool is_running() const { return running_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    /// What ran before has ended, or is stopped first.
    void start(std::string name, std::function<void(const Cancel&)> task) {
        join();
        name_ = std::move(name);
        cancel_ = Cancel();
        running_ = true;
        thread_ = std::thread([this, task = std::move(task)] {
            task(cancel_);
            running_ = false;
        });
    }
    void stop() const { cancel_.request(); }
    /// Its last words may have been heard a moment before it ends.
    [[nodiscard]] bool ends_soon() const {
        constexpr std::chrono::milliseconds soon{300}, between_looks{5};
        for (auto until = Clock::now() + soon; running_ && Clock::now() < until;)
            std::this_thread::sleep_for(between_looks);
        return !running_;
    }

private:
    void join() {
        cancel_.request();
        if (thread_.joinable())
            thread_.join();
    }
    std::string name_;
    Cancel cancel_;
    std::atomic<bool> running_{false};
    std::thread thread_;
};

} // namespace slipway::boot
