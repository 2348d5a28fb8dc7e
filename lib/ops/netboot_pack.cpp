// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "http/signature.hpp"
#include "loading/manifest.hpp"
#include "ops/look.hpp"
#include "ops/netboot.hpp"
#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"
#include "rootfs/task.hpp"
#include "sys/cache.hpp"
#include "sys/directories.hpp"
#include "sys/mount.hpp"
#include "sys/output_file.hpp"
#include "work/unpacker.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;

struct Ending {
    std::string_view text;
    RootFormat format;
    const char* compression; ///< of a tar
};
constexpr std::array endings{
    Ending{".squashfs", RootFormat::Squashfs, ""}, Ending{".erofs", RootFormat::Erofs, ""},
    Ending{".tar.zst", RootFormat::Tar, "zstd"},   Ending{".tar.xz", RootFormat::Tar, "xz"},
    Ending{".tar.gz", RootFormat::Tar, "gzip"},    Ending{".tar", RootFormat::Tar, ""}};
// Small: of an image that is fetched piece by piece, no more than what is read is wanted.
constexpr std::size_t block_size = 64 << 10;
constexpr std::size_t largest_key = 64 << 10, largest_fstab = 1 << 20;
constexpr std::chrono::hours deadline{2};

Result<Ending> ending_of(const std::string& file) {
    for (const auto& ending : endings)
        if (basename_of(file).size() > ending.text.size() && file.ends_with(ending.text))
            return ending;
    return fail(Code::InvalidArgument,
                fmt::format("'{}' has no ending of an image", printable(file)),
                "use .squashfs, .erofs, .tar.zst, .tar.xz, .tar.gz or .tar");
}

std::string bytes_of_digits(std::string_view digits) {
    std::string bytes;
    for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
        bytes += static_cast<char>(std::stoi(std::string(digits.substr(at, 2)), nullptr, 16));
    return bytes;
}

// The file without the disks that the system had: none of them is there, and it would wait for
// them.
std::string without_disks(std::string_view fstab) {
    std::string text;
    for (auto line : split_lines(fstab)) {
        auto words = split_words(line);
        bool is_disk =
            !words.empty() && (words[0].starts_with("/dev/") || words[0].find("UUID=") < 5 ||
                               words[0].find("LABEL=") < 5);
        text += fmt::format("{}{}\n", is_disk ? "# without its disks: " : "", line);
    }
    return text;
}

class Pack {
public:
    Pack(const Context& context, const NetbootPackRequest& request)
        : context_(context),
          request_(request), result_{.file = request.output, .sha256 = {}, .architecture = {}} {}

    Result<NetbootPackResult> run() {
        SLIPWAY_TRY(auto ending, ending_of(request_.output));
        if (!request_.sign.empty()) {
            SLIPWAY_TRY(key_, sys::read_file(request_.sign, largest_key));
            SLIPWAY_CHECK(http::sign("", key_)); // what is wrong is told before the long work
        }
        for (const auto* beside : {"", ".sha256", ".blocks", ".manifest", ".manifest.sig"})
            SLIPWAY_CHECK(create(beside));
        auto source = request_.source;
        if (source.path.find('/') == std::string::npos && !fs::exists(source.path)) {
            SLIPWAY_TRY(source.path, find_rootfs(source.path));
        }
        SLIPWAY_CHECK(look_into(source));
        SLIPWAY_TRY(own_, enter_own_namespace(context_));
        SLIPWAY_TRY(auto cache, sys::cache_directory());
        cache_ = cache + "/netboot";
        SLIPWAY_CHECK(sys::make_directories(cache_));
        SLIPWAY_TRY(auto lock, sys::open_file(cache_ + "/lock", O_RDWR | O_CREAT, 0600));
        SLIPWAY_CHECK(sys::wait_for_lock(lock, sys::LockMode::Alone, "another pack",
                                         context_.host.cancel, context_.host.log));
        SLIPWAY_CHECK(fs::is_directory(source.path) ? show(source.path) : unpack(source));
        auto done = write(ending);
        if (done)
            done = describe(ending);
        if (place_ && done)
            done = place_->sweep(own_.host);
        SLIPWAY_CHECK(std::move(done)); // what is left goes with the next one
        // The image last: who finds it finds what belongs to it.
        for (auto file = files_.rbegin(); file != files_.rend(); ++file)
            SLIPWAY_CHECK(file->second.publish());
        return std::move(result_);
    }

private:
    Status create(const std::string& beside) {
        if (beside.ends_with(".sig") && key_.empty())
            return {};
        auto made = sys::OutputFile::create(request_.output + beside, {.replace = request_.force});
        if (!made && made.error().code == Code::Exists)
            made.error().hint = "--force replaces it";
        if (!made)
            return fail(std::move(made.error()));
        files_.emplace_back(beside, std::move(*made));
        return {};
    }
    [[nodiscard]] sys::BorrowedFd file(std::string_view beside) const {
        for (const auto& [name, made] : files_)
            if (name == beside)
                return made.fd();
        return sys::BorrowedFd(-1);
    }

    Status look_into(const ImageOptions& source) {
        SLIPWAY_TRY(auto found, inspect(context_, source, {}));
        if (found.no_system)
            return fail(std::move(*found.no_system));
        result_.architecture = found.inventory.os.arch;
        if (result_.architecture.empty())
            return fail(Code::Unsupported,
                        fmt::format("{} has no programs that tell for which architecture it is",
                                    source.path),
                        "an image is a whole system");
        return {};
    }

    // The directory as it is on its disks, at a place of a namespace of our own: without /proc,
    // /run and what else is mounted there.
    Status show(const std::string& directory) {
        tree_ = cache_ + "/source";
        SLIPWAY_CHECK(sys::make_directories(tree_));
        std::error_code failed;
        auto top = fs::canonical(directory, failed).string();
        SLIPWAY_CHECK(look_at(top));
        SLIPWAY_CHECK(run_tool({"mount", "--bind", top, tree_}));
        auto prefix = top == "/" ? "" : top;
        SLIPWAY_TRY(auto mounts, sys::read_mounts());
        for (const auto& each : mounts) {
            if (each.target == "/" || !each.target.starts_with(prefix + "/"))
                continue;
            if (each.source.starts_with("/dev/"))
                SLIPWAY_CHECK(run_tool(
                    {"mount", "--bind", each.target, tree_ + each.target.substr(prefix.size())}));
            else
                result_.excluded.push_back(each.target);
        }
        auto excludes = request_.excludes;
        if (top == "/")
            excludes.insert(excludes.end(), {"/tmp", "/var/tmp"});
        for (const auto& exclude : excludes) {
            auto place = fmt::format("{}/{}", tree_, exclude);
            auto name = exclude.substr(std::min(exclude.find_first_not_of('/'), exclude.size()));
            struct stat info {};
            if (!is_plain(top, name) ||
                ::stat(fmt::format("{}/{}", top, name).c_str(), &info) != 0 ||
                !S_ISDIR(info.st_mode))
                return fail(Code::NotFound,
                            fmt::format("{} is no directory of {}", printable(exclude), top),
                            "--exclude takes directories, as they are called in the source");
            SLIPWAY_CHECK(
                run_tool({"mount", "-t", "tmpfs", "-o",
                          fmt::format("mode={:o}", info.st_mode & 07777), "none", place}));
        }
        return {};
    }
    Status run_tool(std::vector<std::string> words) const {
        sys::ProcessSpec spec{.argv = std::move(words)};
        SLIPWAY_TRY(auto ran, sys::run(*own_.host.runner, spec));
        return sys::check_tool(spec, ran, "showing the source");
    }

    // Whatever else it is: as a tar archive, and unpacked.
    Status unpack(const ImageOptions& source) {
        if (!request_.excludes.empty())
            return fail(Code::InvalidArgument, "--exclude is for directories",
                        "leave it out, or unpack the source first");
        tell("reading the system");
        SLIPWAY_TRY(auto tar, sys::make_scratch_file(scratch_directory()));
        auto sink = [&tar](std::string_view bytes) { return sys::write_all(tar, bytes); };
        auto restart = [&tar]() -> Status {
            if (::ftruncate(tar.raw(), 0) != 0 || ::lseek(tar.raw(), 0, SEEK_SET) != 0)
                return fail_errno("emptying a scratch file");
            return {};
        };
        SLIPWAY_CHECK(get_tree(context_, source, "/", sink, restart));
        auto size = ::lseek(tar.raw(), 0, SEEK_END);
        if (size < 0 || ::lseek(tar.raw(), 0, SEEK_SET) != 0)
            return fail_errno("reading a scratch file");
        SLIPWAY_TRY(place_, RootPlace::open(own_.host, cache_ + "/unpacked"));
        SLIPWAY_CHECK(place_->sweep(own_.host)); // of one that was killed
        tree_ = place_->passing();
        if (::mkdir(tree_.c_str(), 0755) != 0)
            return fail_errno(fmt::format("making {}", tree_));
        SLIPWAY_TRY(auto findings,
                    work::unpack_archive(own_.host, tar, static_cast<std::uint64_t>(size), tree_));
        if (!findings.empty())
            return fail(Code::Corrupt, findings.front().text);
        return look_at(tree_);
    }

    Status write(const Ending& ending) {
        tell("writing the image");
        auto fstab = tree_ + "/etc/fstab";
        if (has_disks_)
            SLIPWAY_CHECK(run_tool({"mount", "--bind", cache_ + "/fstab", fstab}));
        auto done = write_tree(ending);
        if (has_disks_)
            SLIPWAY_CHECK(run_tool({"umount", fstab}));
        return done;
    }
    Status write_tree(const Ending& ending) {
        if (ending.format == RootFormat::Tar)
            return rootfs::pack_by_worker(own_.host, tree_, ending.compression, file(""));
        ImageWish wish{.format = ending.format, .tree = tree_, .path = {}, .key = {}};
        wish.snapshot = snapshot_;
        SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
        digest->add(fmt::format("{} {}", basename_of(request_.output), wish.snapshot));
        wish.key = digest->finish();
        return write_root_image(own_.host, wish, file(""));
    }

    void tell(const char* step) const {
        if (context_.host.progress)
            context_.host.progress({.step = step, .bytes = false});
    }

    Status each_piece(sys::BorrowedFd from,
                      const std::function<Status(std::string_view)>& take) const {
        std::string buffer(1 << 20, '\0');
        for (off_t at = 0;;) {
            SLIPWAY_CHECK(context_.host.cancel.check());
            auto got = ::pread(from.raw(), buffer.data(), buffer.size(), at);
            if (got < 0)
                return fail_errno("reading a scratch file");
            if (got == 0)
                return {};
            at += got;
            SLIPWAY_CHECK(take(std::string_view(buffer).substr(0, static_cast<std::size_t>(got))));
        }
    }

    Status describe(const Ending& ending) {
        SLIPWAY_TRY(auto whole, archive::open_digest("sha256"));
        std::string blocks;
        SLIPWAY_CHECK(each_piece(file(""), [&](std::string_view piece) -> Status {
            static_assert((1 << 20) % block_size == 0, "a piece is made of whole blocks");
            whole->add(piece);
            result_.size += piece.size();
            for (; !piece.empty(); piece.remove_prefix(std::min(piece.size(), block_size))) {
                SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
                digest->add(piece.substr(0, block_size));
                blocks += bytes_of_digits(digest->finish());
            }
            return {};
        }));
        result_.sha256 = whole->finish();
        SLIPWAY_TRY(auto of_blocks, archive::open_digest("sha256"));
        of_blocks->add(blocks);
        auto name = std::string(basename_of(request_.output));
        loading::Manifest manifest{.name = name,
                                   .size = result_.size,
                                   .sha256 = result_.sha256,
                                   .architecture = result_.architecture,
                                   .unpacked = {},
                                   .block_size = block_size,
                                   .blocks_sha256 = of_blocks->finish()};
        if (ending.format == RootFormat::Tar) {
            SLIPWAY_TRY(auto facts, rootfs::look_by_worker(own_.host, tree_));
            manifest.unpacked = facts.size;
        }
        auto text = loading::render_manifest(manifest);
        SLIPWAY_CHECK(
            sys::write_all(file(".sha256"), fmt::format("{}  {}\n", result_.sha256, name)));
        SLIPWAY_CHECK(sys::write_all(file(".blocks"), blocks));
        SLIPWAY_CHECK(sys::write_all(file(".manifest"), text));
        if (key_.empty())
            return {};
        SLIPWAY_TRY(auto signature, http::sign(text, key_));
        return sys::write_all(file(".manifest.sig"), signature);
    }

    const Context& context_;
    const NetbootPackRequest& request_;
    // What has to be known of the source itself, before something is mounted over it.
    Status look_at(const std::string& source) {
        // Later times of files become that of /usr, with which systemd compares, too.
        struct stat info {};
        if (::stat((source + "/usr").c_str(), &info) == 0)
            snapshot_ = info.st_mtim.tv_sec;
        auto fstab = sys::read_file(source + "/etc/fstab", largest_fstab);
        if (!fstab || !is_plain(source, "etc/fstab"))
            return {};
        auto text = without_disks(*fstab);
        has_disks_ = text != *fstab;
        if (!has_disks_)
            return {};
        auto own = cache_ + "/fstab";
        SLIPWAY_CHECK(sys::write_file(own, text));
        ::stat((source + "/etc/fstab").c_str(), &info);
        std::array<timespec, 2> times{info.st_atim, info.st_mtim};
        if (::utimensat(AT_FDCWD, own.c_str(), times.data(), 0) != 0)
            return fail_errno(own);
        return {};
    }
    // No link on the way: one of the source's could lead out of it.
    static bool is_plain(const std::string& top, const std::string& name) {
        std::error_code failed;
        auto path = fs::path(top) / name;
        return fs::canonical(path, failed) == path.lexically_normal();
    }

    OwnNamespace own_{};
    std::optional<RootPlace> place_; ///< of what was unpacked
    std::string tree_;               ///< what becomes the image
    std::string cache_;              ///< a directory for what is passing
    bool has_disks_ = false;         ///< in its fstab
    long snapshot_ = 0;              ///< seconds since 1970
    std::string key_;
    std::vector<std::pair<std::string, sys::OutputFile>> files_;
    NetbootPackResult result_;
};

} // namespace

Json to_json(const NetbootPackResult& result) {
    return {{"file", result.file},
            {"size", result.size},
            {"sha256", result.sha256},
            {"architecture", result.architecture},
            {"excluded", result.excluded}};
}

Result<NetbootPackResult> pack_netboot(const Context& context, const NetbootPackRequest& request) {
    return Pack(context, request).run();
}

} // namespace slipway::ops
