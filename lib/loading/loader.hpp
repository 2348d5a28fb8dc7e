// SPDX-License-Identifier: Apache-2.0
// From an address to a root that can be entered.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "loading/image.hpp"
#include "loading/image_cache.hpp"
#include "loading/load_request.hpp"
#include "loading/store.hpp"
#include "loading/trust.hpp"

namespace slipway::loading {

struct LoaderOptions {
    std::string images = "/run/slipway/images"; ///< a directory for what is fetched
    std::string target = "/run/slipway/target"; ///< an empty one for the root
    std::string trust = "/etc/slipway";         ///< see read_trust
    std::string program = "/proc/self/exe";     ///< see RootPlaces
    std::string disks = "/run/slipway/disks";   ///< a directory to mount labelled disks below
    bool loop_disks = false;                    ///< these may be loop devices; for tests
    std::chrono::milliseconds disk_wait{10000}; ///< for a disk to appear
    std::optional<std::uint64_t> memory{};      ///< bytes that are free; for tests
    std::chrono::milliseconds lazy_rest_after{60'000}; ///< see LazySource
    /// Loads a module of the kernel with what it needs; NotFound, where there is none, is no error.
    std::function<Status(std::string_view)> load_module = [](std::string_view) { return Status{}; };
    std::function<void()> look_for_devices{}; ///< see DiskWish
    /// What is told, and what replaces itself. Called in the thread that loads.
    std::function<void(const std::string&)> say = [](const std::string&) {};
    std::function<void(const std::string&)> say_passing = [](const std::string&) {};
};

/// One load at a time: whoever has more threads sees to that.
class Loader {
public:
    explicit Loader(LoaderOptions options)
        : options_(std::move(options)), store_(options_.images) {}

    /// From now on images are kept on the disk with this label, as far as it has room (`size`:
    /// bytes for all of them). What keeps it from being used is told, and memory is used instead.
    void use_cache(const std::string& label, std::optional<std::uint64_t> size,
                   const Cancel& cancel);

    /// Into the store; or from it, where it has what is wanted, which is read again then. Images
    /// that were fetched before, the oldest first, give way where memory is short. NoSpace before
    /// the first byte where the server tells a size that does not fit; of an archive, which needs
    /// room for what is in it too, after its first bytes. Errors: those of ask_what_to_expect,
    /// download and identify_image. A lazy one is not all there until it is entered, see
    /// LazyImage; one that cannot be lazy is fetched whole, and that is told.
    [[nodiscard]] Result<StoredImage> fetch(const LoadRequest& request, const Cancel& cancel);
    /// A root of it. Errors: those of ImageRoot::open and find_init. CAP_SYS_ADMIN.
    /// Cancelled: of an image whose blocks did not come.
    [[nodiscard]] Result<Entrance> prepare(const LoadRequest& request, const StoredImage& image,
                                           const Cancel& cancel = {});

    /// The latest first. For any thread.
    [[nodiscard]] std::vector<StoredImage> list() const;
    /// Of all images in the store, or of those whose digest begins so; each with its outcome, told
    /// as it is known. NotFound: there is none.
    [[nodiscard]] Status verify(const std::string& digest, const Cancel& cancel) const;

private:
    using Cache = std::shared_ptr<const ImageCache>;
    [[nodiscard]] Cache cache() const;
    [[nodiscard]] const ImageStore& store_of(const StoredImage& image, const Cache& cache) const;
    [[nodiscard]] DiskWish disk_wish(const std::string& label, const char* use) const;
    [[nodiscard]] Result<StoredImage> transfer(http::Client& client, const LoadRequest& request,
                                               const Expected& expected, const Cancel& cancel);
    [[nodiscard]] Result<StoredImage> transfer_to(const Cache& cache, http::Client& client,
                                                  const LoadRequest& request,
                                                  const Expected& expected, const Cancel& cancel);
    [[nodiscard]] Status check_length(const Cache& cache, std::uint64_t size,
                                      std::uint64_t unpacked) const;
    [[nodiscard]] std::optional<StoredImage> find(const Expected& expected,
                                                  const Cancel& cancel) const;
    [[nodiscard]] std::uint64_t room() const;
    void make_room(std::uint64_t bytes, const std::string& but = {}) const;
    [[nodiscard]] Status check_room(std::uint64_t image, std::uint64_t unpacked,
                                    const std::string& but = {}) const;
    struct Content {
        sys::OwnedFd file;
        ImageFormat format;
        std::shared_ptr<LazyImage> lazy{};
    };
    [[nodiscard]] Result<Entrance> make_entrance(const LoadRequest& request,
                                                 const StoredImage& image, Content content);
    // In loader_lazy.cpp.
    [[nodiscard]] Result<StoredImage> begin_lazily(http::Client& client, const LoadRequest& request,
                                                   const Expected& expected, const Cancel& cancel);
    [[nodiscard]] Result<std::unique_ptr<LazyImage>> start_lazily();
    [[nodiscard]] Result<Entrance> enter_lazily(const LoadRequest& request,
                                                const StoredImage& image, const Cancel& cancel);
    LoaderOptions options_;
    ImageStore store_;              ///< in memory
    std::optional<LazyParts> lazy_; ///< of the image that was fetched last, which is not all here
    mutable std::mutex lock_;
    Cache cache_; ///< none: there is no disk for it
};

} // namespace slipway::loading
