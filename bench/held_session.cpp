// SPDX-License-Identifier: Apache-2.0
// held_session IMAGE ENGINE: opens a session, asks it many times for a file's attributes, prints
// {"launch": seconds, "stat": milliseconds}, and holds it until standard input ends.
#include <algorithm>
#include <iostream>
#include <vector>

#include "base/json.hpp"
#include "base/units.hpp"
#include "ops/open_image.hpp"
#include "session/supervisor.hpp"

namespace {

using namespace slipway;

constexpr int calls = 1001;

Status measure(const std::string& path, const std::string& engine) {
    auto started = Clock::now();
    SLIPWAY_TRY(auto runner, session::SupervisedRunner::launch());
    ops::Context context;
    context.runner = runner.get();
    context.host.runner = runner.get();
    ops::ImageOptions image;
    image.path = path;
    image.engine = engine;
    SLIPWAY_TRY(auto opened, ops::open_image(context, image, ops::Use::Look));
    auto launch = seconds_since(started);
    std::vector<double> times;
    const Json arguments{{"path", "/etc/hostname"}, {"root", ""}};
    for (int i = 0; i < calls; ++i) {
        auto asked = Clock::now();
        SLIPWAY_TRY([[maybe_unused]] auto answer, opened.call("stat", arguments));
        times.push_back(seconds_since(asked) * 1000);
    }
    // The first call mounts the root.
    std::nth_element(times.begin(), times.begin() + calls / 2, times.end());
    std::cout << render_json(Json{{"launch", launch}, {"stat", times[calls / 2]}}) << std::endl;
    std::string nothing;
    std::getline(std::cin, nothing);
    return opened.close();
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "held_session IMAGE ENGINE\n";
        return 2;
    }
    auto measured = measure(argv[1], argv[2]);
    if (measured)
        return 0;
    std::cerr << render_text(measured.error()) << "\n";
    return 1;
}
