// SPDX-License-Identifier: Apache-2.0
// Roots that are made in one place and used in another: export and import, with a checksum.
#include <array>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"
#include "rootfs/task.hpp"
#include "work/unpacker.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t digits_of_sha256 = 64;

struct Ending {
    std::string_view text;
    const char* compression;
};
constexpr std::array endings{Ending{".tar", ""}, Ending{".tar.zst", "zstd"},
                             Ending{".tar.xz", "xz"}, Ending{".tar.gz", "gzip"}};

Result<std::string> compression_of(const std::string& file) {
    for (const auto& ending : endings)
        if (file.ends_with(ending.text) && basename_of(file).size() > ending.text.size())
            return std::string(ending.compression);
    return fail(Code::InvalidArgument, fmt::format("'{}' has no ending of an archive", file),
                "use .tar, .tar.zst, .tar.xz or .tar.gz");
}

struct Sum {
    std::string sha256;
    std::uint64_t size = 0;
};
Result<Sum> sum_of(sys::BorrowedFd file, const Cancel& cancel) {
    SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
    std::vector<char> buffer(1 << 20);
    Sum sum;
    while (true) {
        SLIPWAY_CHECK(cancel.check());
        auto got = ::pread(file.raw(), buffer.data(), buffer.size(), static_cast<off_t>(sum.size));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading the archive");
        if (got == 0)
            break;
        sum.size += static_cast<std::uint64_t>(got);
        digest->add({buffer.data(), static_cast<std::size_t>(got)});
    }
    sum.sha256 = digest->finish();
    return sum;
}

bool is_sum(std::string_view text) {
    return text.size() == digits_of_sha256 &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// As sha256sum(1) writes it.
Result<std::string> wanted_sum(const ImportRootfsRequest& request) {
    auto wanted = to_lower(request.sha256);
    if (wanted.empty()) {
        auto text = sys::read_file(request.file + ".sha256");
        if (!text)
            return fail(Code::InvalidArgument,
                        fmt::format("there is no checksum of {}: {}", request.file,
                                    render_line(text.error())),
                        "name it with --sha256, as whoever made the archive tells it");
        auto words = split_words(std::string_view(*text).substr(0, text->find('\n')));
        wanted = words.empty() ? "" : to_lower(words[0]);
    }
    if (!is_sum(wanted))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no SHA-256 checksum", printable(wanted)),
                    "64 hexadecimal digits are needed");
    return wanted;
}

// It is read twice: once for the checksum.
Result<sys::OwnedFd> open_archive(const std::string& path) {
    SLIPWAY_TRY(auto file, sys::open_file(path, O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno(path);
    if (!S_ISREG(info.st_mode))
        return fail(Code::InvalidArgument, fmt::format("{} is no regular file", path));
    return file;
}

// A device node of an archive would open the device to every user of this host.
Status unpack(const sys::Host& host, sys::BorrowedFd archive, std::uint64_t size,
              const std::string& directory) {
    if (::mkdir(directory.c_str(), 0755) != 0)
        return fail_errno(fmt::format("making {}", directory));
    SLIPWAY_TRY(auto findings,
                work::unpack_archive(host, archive, size, directory, {.harmless_devices = true}));
    for (const auto& finding : findings) {
        if (finding.severity != report::Severity::Info)
            return fail(Code::Corrupt, finding.text);
        host.log.info("note: {}", finding.text);
    }
    return {};
}

Result<rootfs::Facts> checked_facts(const sys::Host& host, const std::string& directory) {
    SLIPWAY_TRY(auto facts, rootfs::look_by_worker(host, directory));
    if (!facts.manifest)
        return fail(Code::Corrupt, render_line(facts.manifest_error),
                    "`slipway rootfs export` makes archives that can be imported");
    if (!facts.unusable.empty() || !facts.missing.empty())
        return fail(
            Code::Corrupt,
            fmt::format("the root in it is not whole: {}",
                        join(facts.unusable.empty() ? facts.missing : facts.unusable, "; ")));
    return facts;
}

} // namespace

Result<ExportRootfsResult> export_rootfs(const Context& context,
                                         const ExportRootfsRequest& request) {
    SLIPWAY_TRY(auto compression, compression_of(request.file));
    SLIPWAY_TRY(auto path, find_rootfs(request.root));
    SLIPWAY_TRY(auto lock, lock_root(path, RootLock::Use));
    auto create = [&](const std::string& name) {
        auto made = sys::OutputFile::create(name, {.replace = request.force});
        if (!made && made.error().code == Code::Exists && !request.force)
            made.error().hint = "--force replaces it";
        return made;
    };
    SLIPWAY_TRY(auto file, create(request.file));
    SLIPWAY_TRY(auto sum_file, create(request.file + ".sha256"));
    SLIPWAY_TRY(auto own, enter_own_namespace(context));
    if (own.host.progress)
        own.host.progress({.step = "packing the root", .bytes = false});
    if (auto packed = rootfs::export_by_worker(own.host, path, compression, file.fd()); !packed)
        return fail(std::move(packed.error()).in(request.file));
    SLIPWAY_TRY(auto sum, sum_of(file.fd(), context.host.cancel));
    SLIPWAY_CHECK(sys::write_all(sum_file.fd(),
                                 fmt::format("{}  {}\n", sum.sha256, basename_of(request.file))));
    SLIPWAY_CHECK(file.publish());
    SLIPWAY_CHECK(sum_file.publish());
    return ExportRootfsResult{request.file, sum.size, sum.sha256};
}

Result<TestRoot> import_rootfs(const Context& context, const ImportRootfsRequest& request) {
    if (!request.name.empty() && !request.path.empty())
        return fail(Code::InvalidArgument, "a root has a name or a path, not both",
                    "leave one of them out");
    SLIPWAY_TRY(auto archive, open_archive(request.file));
    SLIPWAY_TRY(auto wanted, wanted_sum(request));
    SLIPWAY_TRY(auto sum, sum_of(archive, context.host.cancel));
    if (sum.sha256 != wanted)
        return fail(Code::Corrupt,
                    fmt::format("{} has the checksum {}, not {}", request.file, sum.sha256, wanted),
                    "it is not the archive that was exported, or was damaged: get it again");
    SLIPWAY_TRY(auto own, enter_own_namespace(context));
    const auto& host = own.host;
    auto name = request.name;
    if (name.empty()) {
        name = basename_of(request.file);
        name = name.substr(0, name.rfind(".tar"));
    }
    if (request.path.empty() && !rootfs::is_root_name(name))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no name of a root", printable(name)),
                    "use letters, digits, '.', '_' and '-'; another directory goes with --path");
    SLIPWAY_TRY(auto path,
                root_path(request.path.empty()                          ? name
                          : request.path.find('/') == std::string::npos ? "./" + request.path
                                                                        : request.path));
    NewParents parents(path);
    SLIPWAY_TRY(auto place, RootPlace::open(host, path));
    SLIPWAY_CHECK(place.check_free(request.force));
    SLIPWAY_CHECK(place.sweep(host));
    auto unpacked = unpack(host, archive, sum.size, place.passing());
    auto facts = unpacked ? checked_facts(host, place.passing())
                          : Result<rootfs::Facts>(fail(std::move(unpacked).error()));
    auto done = facts ? place.publish(host) : Status(fail(std::move(facts).error()));
    if (!done) {
        if (auto swept = place.sweep(host); !swept)
            host.log.warning("{}", render_text(swept.error()));
        return fail(std::move(done.error()).in(request.file));
    }
    parents.keep();
    auto root = describe_root(path, *facts->manifest);
    root.size = facts->size;
    if (auto exposure = exposure_of(path); !exposure.empty())
        host.log.info("note: {}", exposure);
    return root;
}

} // namespace slipway::ops
