// SPDX-License-Identifier: Apache-2.0
// Keys that are made for one run, by openssl(1).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace slipway::testing_support {

struct SigningKey {
    std::string secret, open; ///< PEM
};

/// `how`: what openssl genpkey is asked for.
inline SigningKey make_key(const std::string& how = "-algorithm ed25519") {
    std::string directory = "/var/tmp/slipway-keys-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr)
        throw std::runtime_error("no directory for keys");
    auto file = directory + "/key";
    auto command = "openssl genpkey " + how + " -out " + file +
                   " 2>/dev/null && openssl pkey -in " + file + " -passin pass:word -pubout -out " +
                   file + ".pub";
    auto made = std::system(command.c_str());
    auto read = [](const std::string& path) {
        std::ifstream stream(path);
        return std::string(std::istreambuf_iterator<char>(stream), {});
    };
    SigningKey key{read(file), read(file + ".pub")};
    std::filesystem::remove_all(directory);
    if (made != 0 || key.open.empty())
        throw std::runtime_error("openssl made no key");
    return key;
}

} // namespace slipway::testing_support
