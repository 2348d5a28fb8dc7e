// SPDX-License-Identifier: Apache-2.0
// Which images are taken, and what is known of one before it is fetched.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loading/download.hpp"
#include "loading/manifest.hpp"

namespace slipway::loading {

/// What the bootstrap was built with.
struct Trust {
    std::vector<NamedKey> keys{}; ///< with any, only images that one of them signed are taken
    std::string ca_file{};        ///< "": the authorities that this system trusts
};
/// Of DIRECTORY/keys/*.pem and DIRECTORY/ca.pem. A key that cannot be read is an error, not a key
/// less: without keys anything would be taken. InvalidArgument: one is no ed25519 key.
[[nodiscard]] Result<Trust> read_trust(const std::string& directory);

struct Expected {
    std::string sha256{}; ///< "": nobody says
    std::optional<std::uint64_t> size{}, unpacked{};
    std::string by{}; ///< who says so: "the key lab.pem"
    /// Of the list of blocks, where the image may be fetched in parts; 0 and "" where not.
    std::uint64_t block_size = 0; ///< bytes
    std::string blocks_sha256{};
};

/// How to ask.
struct Asking {
    http::Client& client;
    std::vector<http::Url> urls; ///< of the same image
    std::string sha256{};        ///< that somebody gave already
    bool in_blocks = false;      ///< the list of blocks is wanted, too
    std::string blocks_sha256{}; ///< of it, that somebody gave already
    std::chrono::milliseconds pause{1000};
    std::function<void(const std::string&)> say;
};

/// **With keys**: the manifest beside the image, of the first server that has one with a good
/// signature. Its name must be the file's (a server cannot hand out another signed image, such as
/// an older one), its architecture one that runs here, its digest that which was given, if one was.
/// Errors: Permission: none, or signed by nobody that counts; Unsupported: the architecture; those
/// of download. There is no way around: neither a digest nor --insecure changes it.
///
/// **Without keys**: the digest that was given; else that of URL.sha256, asked of each server in
/// turn. Whoever can change the image on its way can change or hide that file as well, so it finds
/// damage, and no attacker: one that is not there (404), cannot be had or makes no sense does not
/// stop the load. All but the 404 are told, and an image of which nobody says anything is told
/// loudly by who fetches it. Only Cancelled. Where the list of blocks is wanted, the manifest is
/// asked first, and believed as URL.sha256 is; a digest that was given must be the same there, and
/// that of the list be given too: it could be anything otherwise.
[[nodiscard]] Result<Expected> ask_what_to_expect(const Trust& trust, const Asking& asking,
                                                  const Cancel& cancel);

/// What is fetched whole, of the first server that has it. Errors: those of download.
[[nodiscard]] Result<std::string> fetch_small(const Asking& asking,
                                              const std::vector<http::Url>& urls, std::size_t most,
                                              const Cancel& cancel);
/// "http://a/b.img?c": "http://a/b.img.sha256?c".
[[nodiscard]] http::Url url_beside(const http::Url& url, std::string_view ending);
/// "b.img" of that.
[[nodiscard]] std::string file_name_of(const http::Url& url);

} // namespace slipway::loading
