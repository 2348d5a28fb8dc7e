// SPDX-License-Identifier: Apache-2.0
// Where messages for people go. Libraries do not log what they return as an error.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace slipway {

enum class Level { Debug, Info, Warning };

/// A sink with a threshold. Copyable; the sink must outlive the copies.
class Log {
public:
    using Sink = std::function<void(Level, std::string_view)>;

    Log() = default;
    Log(Level threshold, Sink sink) : threshold_(threshold), sink_(std::move(sink)) {}

    template <class... Args> void debug(fmt::format_string<Args...> format, Args&&... args) const {
        write(Level::Debug, format, std::forward<Args>(args)...);
    }
    template <class... Args> void info(fmt::format_string<Args...> format, Args&&... args) const {
        write(Level::Info, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void warning(fmt::format_string<Args...> format, Args&&... args) const {
        write(Level::Warning, format, std::forward<Args>(args)...);
    }
    [[nodiscard]] bool enabled(Level level) const { return sink_ && level >= threshold_; }
    [[nodiscard]] Level threshold() const { return threshold_; }

private:
    template <class... Args>
    void write(Level level, fmt::format_string<Args...> format, Args&&... args) const {
        if (enabled(level))
            sink_(level, fmt::format(format, std::forward<Args>(args)...));
    }

    Level threshold_ = Level::Info;
    Sink sink_;
};

} // namespace slipway
