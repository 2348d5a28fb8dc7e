// SPDX-License-Identifier: Apache-2.0
// Test roots: directories with a distribution's packages and the users that a test suite wants, to
// be the root of a machine under test.
//
// Everything works as an ordinary user with subordinate ids (/etc/subuid), and as root. A root's
// files belong to the ids that they have inside: an ordinary user sees his own uid for root's, and
// subordinate ones for all others. Needs newuidmap, mmdebstrap and user namespaces; what is missing
// is Unsupported with the remedy.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ops/open_image.hpp"

namespace slipway::ops {

enum class RootFormat { Directory, Tar, Squashfs, Erofs, Qcow2 };
/// "dir", "tar", "squashfs", "erofs", "qcow2".
[[nodiscard]] std::string_view name_of(RootFormat format);
[[nodiscard]] Result<RootFormat> parse_root_format(std::string_view text);

/// A user of the root that its profile asked for.
struct RootUser {
    std::string name;
    unsigned uid = 0;
    unsigned gid = 0;
    std::vector<std::string> groups{}; ///< beside that of gid
    bool operator==(const RootUser&) const = default;
};

/// What a root's own manifest says of it, and where it stands.
struct TestRoot {
    std::string name; ///< of the directory
    std::string path; ///< of the host
    std::string profile;
    std::string distribution; ///< "debian", "ubuntu"
    std::string suite;        ///< "bookworm", "jammy", …
    std::string release;      ///< PRETTY_NAME of its /etc/os-release
    std::string architecture; ///< as of dpkg: "amd64"
    std::string snapshot;     ///< date of the mirror that it was made from, ISO 8601, UTC
    std::string created;      ///< ISO 8601, UTC
    std::string recipe;       ///< key of the layer that it is a copy of
    std::uint64_t size = 0;   ///< bytes on the disk; 0: not measured, null as JSON
    std::vector<RootUser> users{};
    std::map<std::string, std::string> packages{}; ///< version by name
    std::vector<std::string> added_packages{};     ///< that were wished for beside the profile's
};

/// "bookworm (Debian GNU/Linux 12 (bookworm))", as far as it is known.
[[nodiscard]] std::string release_of(const TestRoot& root);

struct CreateRootfsRequest {
    std::string name{};              ///< "": the profile's
    std::string profile = "fstests"; ///< a shipped one's name, or the path of a TOML file
    std::string release{};           ///< suite; "": the profile's, or else this host's
    std::string path{};    ///< directory or, of another format, file; "": the default place
    std::string mirror{};  ///< URL; "": the host's own, or the distribution's archive
    std::string keyring{}; ///< file with the archive's keys; "": the distribution's
    std::vector<std::string> packages{}; ///< beside the profile's
    RootFormat format = RootFormat::Directory;
    bool force = false;   ///< replace a root (of ours only), or an image file
    bool refresh = false; ///< ask the mirror for its date now, not once a day
};
struct CreateRootfsResult {
    TestRoot root{};
    RootFormat format = RootFormat::Directory;
    bool base_built = false;  ///< packages were installed; otherwise they came from the cache
    bool layer_built = false; ///< the profile's layer was
    std::map<std::string, double>
        timings{};                    ///< seconds by step: mirror, base, profile, copy, image
    std::vector<std::string> notes{}; ///< for people, such as "without network: …"
};
/// Makes a root, whole or not at all; the progress is told to the context's host. Exists: it is
/// there (use `force`); Busy: a machine uses it; NotFound: no such profile, suite, package or
/// mirror; InvalidArgument: the profile, with line numbers; Permission; NoSpace; Cancelled;
/// ToolFailed.
[[nodiscard]] Result<CreateRootfsResult> create_rootfs(const Context& context,
                                                       const CreateRootfsRequest& request);

enum class RootState {
    Ready,
    Stale,   ///< usable, but its profile, recipe or mirror has changed since
    Partial, ///< users, packages or files that the profile asks for are missing
    Broken   ///< no root at all any more: its manifest or system files cannot be read
};
/// "ready", "stale", "partial", "broken".
[[nodiscard]] std::string_view name_of(RootState state);

struct CheckRootfsRequest {
    std::string root = "fstests"; ///< name, or path (with a slash) of a directory
    std::string profile{};        ///< to compare with; "": the one that it was made from
};
struct CheckRootfsResult {
    RootState state = RootState::Broken;
    TestRoot root{};
    std::vector<std::string> problems{}; ///< one line each: what is missing or has changed
    std::string remedy{};                ///< the command that mends it; "" where ready
};
/// Looks at a root without changing it. NotFound: there is none; InvalidArgument: a directory
/// without our marker.
[[nodiscard]] Result<CheckRootfsResult> check_rootfs(const Context& context,
                                                     const CheckRootfsRequest& request);

struct DeleteRootfsRequest {
    std::string root{}; ///< name or path as above
    bool force = false; ///< by name: also without a marker; by path: also where it is broken
};
/// Deletes a root of ours. NotFound: there is none; InvalidArgument: a path without the marker, a
/// symbolic link, or a directory that is no place for a root; Busy: a machine uses it. Returns its
/// path.
[[nodiscard]] Result<std::string> delete_rootfs(const Context& context,
                                                const DeleteRootfsRequest& request);

/// Removes the cache of layers, packages and what mirrors said: roots are independent of it, and
/// the next one takes longer. Waits for other commands that use it. Returns its path.
[[nodiscard]] Result<std::string> clear_rootfs_cache(const Context& context);

struct RootfsList {
    std::string directory; ///< the default place
    std::vector<TestRoot> roots{};
    std::vector<std::string> broken{}; ///< names of directories there that have no manifest
};
/// The roots of the default place, by name. Needs no privilege and starts nothing; sizes are not
/// measured.
[[nodiscard]] Result<RootfsList> list_rootfs();

struct ExportRootfsRequest {
    std::string root{}; ///< name or path
    std::string file{}; ///< .tar, .tar.zst, .tar.xz or .tar.gz; its checksum goes to FILE.sha256
    bool force = false; ///< replace both files
};
struct ExportRootfsResult {
    std::string file;
    std::uint64_t size = 0; ///< bytes
    std::string sha256;
};
/// Packs a root with owners, modes, times and attributes, names sorted: the same root gives the
/// same bytes. Exists; NotFound; Busy: it is being deleted.
[[nodiscard]] Result<ExportRootfsResult> export_rootfs(const Context& context,
                                                       const ExportRootfsRequest& request);

struct ImportRootfsRequest {
    std::string file{};   ///< as export_rootfs wrote it
    std::string name{};   ///< "": that of the file, without its ending
    std::string path{};   ///< as of CreateRootfsRequest
    std::string sha256{}; ///< "": what FILE.sha256 says
    bool force = false;
};
/// Unpacks an exported root. Corrupt: the checksum is another, the archive is damaged, or no root
/// of ours is in it; InvalidArgument: no checksum is given and FILE.sha256 is not there.
[[nodiscard]] Result<TestRoot> import_rootfs(const Context& context,
                                             const ImportRootfsRequest& request);

/// A shipped profile as TOML, to be copied and changed. NotFound names those that there are.
[[nodiscard]] Result<std::string> rootfs_profile(const std::string& name);
[[nodiscard]] std::vector<std::string> rootfs_profiles();

/// Where a root of this name or path (with a slash) stands, with a valid marker in it. NotFound
/// with the command that makes it; InvalidArgument: no root of ours.
[[nodiscard]] Result<std::string> find_rootfs(const std::string& name_or_path);

enum class RootLock {
    Use,   ///< shared: a machine runs on it
    Change ///< alone: it is deleted or replaced
};
/// Locks the root in this directory for as long as the descriptor, or a copy of it in another
/// process, is open. Busy: somebody uses it; NotFound: it is not there any more.
[[nodiscard]] Result<sys::OwnedFd> lock_root(const std::string& directory, RootLock lock);

[[nodiscard]] Json to_json(const TestRoot& root);
[[nodiscard]] Json to_json(const CreateRootfsResult& result);
[[nodiscard]] Json to_json(const CheckRootfsResult& result);
[[nodiscard]] Json to_json(const RootfsList& list);
[[nodiscard]] Json to_json(const ExportRootfsResult& result);

} // namespace slipway::ops
