// SPDX-License-Identifier: Apache-2.0
// A server with files, and a loader that fetches them.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "http/server.hpp"
#include "http/signature.hpp"
#include "loading/loader.hpp"
#include "support/signing_keys.hpp"

namespace slipway::testing_support {

class LoaderCase : public testing::Test {
protected:
    void SetUp() override {
        (void)::signal(SIGPIPE, SIG_IGN);
        std::string name = "/var/tmp/slipway-loader-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
        for (const auto* below : {"images", "target", "trust/keys"})
            std::filesystem::create_directories(top_ / below);
        options_.images = top_ / "images";
        options_.target = top_ / "target";
        options_.trust = top_ / "trust";
        options_.memory = std::uint64_t{1} << 40;
        options_.say = [this](const std::string& text) { said_.push_back(text); };
        server_.emplace(std::move(http::Server::open({}).value()));
        server_->handle("/", [this](const http::Asked& asked, const http::Answer& answer) {
            std::lock_guard guard(lock_);
            asked_.push_back(asked.method + " " + asked.path);
            auto found = files_.find(asked.path);
            answer.say(found == files_.end() ? http::Said{.status = 404} : found->second);
        });
        thread_ = std::thread([this] { (void)server_->run(stop_).has_value(); });
    }
    void TearDown() override {
        stop_.request();
        thread_.join();
        std::filesystem::remove_all(top_);
    }

    void serve(const std::string& path, const std::string& content, int status = 200) {
        std::lock_guard guard(lock_);
        files_[path] = {.status = status, .body = content};
    }
    void serve_file(const std::string& path, const std::filesystem::path& file) {
        serve(path, sys::read_file(file, 64 << 20).value());
    }
    static std::string sha256(const std::string& bytes) {
        auto digest = archive::open_digest("sha256").value();
        digest->add(bytes);
        return digest->finish();
    }
    static std::string own_machine() {
        utsname kernel{};
        ::uname(&kernel);
        return kernel.machine;
    }
    static loading::Manifest manifest_of(const std::string& name, const std::string& content) {
        return {.name = name,
                .size = content.size(),
                .sha256 = sha256(content),
                .architecture = own_machine()};
    }
    void build_in(const SigningKey& key) const {
        std::ofstream(top_ / "trust/keys/lab.pem") << key.open;
    }
    void serve_signed(const loading::Manifest& manifest, const SigningKey& key) {
        auto text = render_manifest(manifest);
        serve("/" + manifest.name + ".manifest", text);
        serve("/" + manifest.name + ".manifest.sig", http::sign(text, key.secret).value());
    }
    [[nodiscard]] loading::LoadRequest request(const std::vector<std::string>& paths,
                                            const std::string& digest = "") const {
        loading::LoadRequest made{.sha256 = digest, .pause = std::chrono::milliseconds(1)};
        for (const auto& path : paths)
            made.urls.push_back(
                http::parse_url(fmt::format("http://127.0.0.1:{}{}", server_->port(), path))
                    .value());
        return made;
    }
    Result<loading::StoredImage> fetch(const std::vector<std::string>& paths,
                                    const std::string& digest = "") {
        return loading::Loader(options_).fetch(request(paths, digest), cancel_);
    }
    /// "" where it was fetched.
    std::string why(const std::vector<std::string>& paths, const std::string& digest = "") {
        auto image = fetch(paths, digest);
        return image ? "" : render_text(image.error());
    }
    [[nodiscard]] std::string said() const { return join(said_, "\n"); }
    /// Since the last look.
    std::string asked() {
        std::lock_guard guard(lock_);
        return join(std::exchange(asked_, {}), ", ");
    }

    std::filesystem::path top_;
    loading::LoaderOptions options_;
    Cancel cancel_;
    std::vector<std::string> said_;

private:
    std::optional<http::Server> server_;
    std::mutex lock_;
    std::map<std::string, http::Said> files_;
    std::vector<std::string> asked_;
    Cancel stop_;
    std::thread thread_;
};

} // namespace slipway::testing_support
