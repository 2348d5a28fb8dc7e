// SPDX-License-Identifier: Apache-2.0
// Opens the disks of an operation: journals, sources, overlays, session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/qemu_img.hpp"
#include "image/source.hpp"
#include "ops/sandbox_options.hpp"
#include "session/client.hpp"
#include "storage/stack.hpp"
#include "sys/host.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {

/// What every operation works with. The runner's supervisor ends everything with us.
struct Context {
    sys::Host host;                              ///< its runner is `runner`
    session::SupervisedRunner* runner = nullptr; ///< borrowed
};

/// How a machine is opened, whatever its disks are.
struct EngineOptions {
    std::string engine = "auto"; ///< "auto", "host", "sandbox"
    bool untrusted = false;
    /// --key; shared, because secrets are not copied.
    std::shared_ptr<const std::vector<storage::Key>> keys{};
    SandboxOptions sandbox{};
};

/// What every verb lets the user say about an image.
struct ImageOptions : EngineOptions {
    std::string path{};
    std::vector<std::string> further_disks{}; ///< --disk: images of the same machine's other disks
    std::optional<image::Format> format{};    ///< --source-format
    bool allow_backing = false;
    std::string root{}; ///< --root VOLUME, "" to find it
};

/// Where files without a name are made: TMPDIR or /var/tmp.
[[nodiscard]] std::string scratch_directory();

/// What an operation does with a disk.
enum class Use {
    Look,    ///< nothing is written
    Discard, ///< written to an overlay that is dropped
    Keep, ///< written to an overlay that the operation will use; the image itself may change later
};

/// One disk of a machine.
struct DiskOptions {
    std::string path;
    std::optional<image::Format> format{}; ///< instead of probing
    bool allow_backing = false;
    Use use = Use::Look;
    bool may_repeat = false; ///< an earlier disk may be the same image, unless that one is kept
    unsigned block_size = 0; ///< bytes of its logical sectors, 512 or 4096; 0: 512
    std::string serial{};    ///< for the records
};
/// The image and its further disks, all for the same use.
[[nodiscard]] std::vector<DiskOptions> disks_of(const ImageOptions& options, Use use);

struct OpenRequest {
    bool in_place = false;      ///< what is kept will go into its image, see InPlace
    std::string scratch_dir{};  ///< of other overlays; "": TMPDIR or /var/tmp
    std::uint64_t grow_by = 0;  ///< bytes added to the first disk in its overlay
    bool any_kind = false;      ///< archives and directories too
    session::FirstCall first{}; ///< of the session
};

/// A change of several images in place, see journal_group.hpp.
struct JournalGroup {
    std::string id;   ///< 16 hexadecimal digits
    std::string list; ///< full path of the file that names its images
    bool operator==(const JournalGroup&) const = default;
};

struct OpenDisk {
    Use use = Use::Look;
    std::unique_ptr<image::Source> source;
    /// In place, where `use` is Keep: the file of the overlay, as it may become the journal.
    std::optional<sys::OutputFile> journal;
    std::optional<image::Overlay> overlay;
    std::uint64_t size = 0; ///< bytes, grown
    unsigned block_size = 0;
    std::string serial;

    /// The disk as it is now: the overlay over the source, or the source.
    [[nodiscard]] image::BlockGraph graph(bool writable = false) const;
    /// The number after the last one that the graph uses in children, with an overlay.
    [[nodiscard]] int next_fd() const { return source->next_fd() + 1; }
};

/// A machine's disks, the first of which is the image, with their session. Closing flushes; the
/// destructor drops everything.
struct OpenImage {
    sys::Host host{};
    std::vector<OpenDisk> disks{};
    std::optional<JournalGroup> group{}; ///< in place, where several are kept
    sys::OwnedFd scratch{};              ///< where an archive is unpacked, if it is one
    std::unique_ptr<session::Session> session;
    bool raid6 = false;        ///< the sandbox needs that code
    bool needs_qemu = false;   ///< no User-mode Linux can open it
    std::string engine;        ///< "host" or "sandbox"
    std::string engine_reason; ///< one line for the report

    [[nodiscard]] const OpenDisk& first() const { return disks.front(); }
    /// The paths of the disks, for messages.
    [[nodiscard]] std::string names() const;

    /// Session::call, with errors that name the image, and its damage where that explains them.
    /// NoSpace where the overlay's disk is full.
    [[nodiscard]] Result<Json> call(const std::string& operation, Json arguments,
                                    const session::CallHooks& hooks = {}) const;
    /// Session::close: all is in the overlays then. NoSpace as above.
    [[nodiscard]] Status close() const;
    /// The directory of an overlay whose filesystem is full, or "". The guest's kernel knows no
    /// more of that than "Input/output error".
    [[nodiscard]] std::string full_scratch() const;

    /// Busy where another program has changed one of its files since it was opened.
    [[nodiscard]] Status check_unchanged() const;
    /// Corrupt where a disk is cut off, of those that have no overlay.
    [[nodiscard]] Status check_complete() const;
    /// The error of an operation, with the image's name, and its damage where that explains it.
    [[nodiscard]] Error explained(Error error) const;
};

/// Opens an image for a verb: `open_disks` and `start_session`.
[[nodiscard]] Result<OpenImage> open_image(const Context& context, const ImageOptions& options,
                                           Use use, const OpenRequest& request = {});
/// Finishes an interrupted change of any of them first, then opens and locks: sources, sizes and
/// overlays. The errors of Source::open; InvalidArgument for a disk that is given twice; Permission
/// without root, Unsupported for the engine that was asked for.
[[nodiscard]] Result<OpenImage> open_disks(const Context& context, const EngineOptions& options,
                                           const std::vector<DiskOptions>& disks,
                                           const OpenRequest& request);
/// Makes the overlay of a disk, in place with the journal's mark.
[[nodiscard]] Status add_overlay(const Context& context, const OpenRequest& request, OpenDisk& disk,
                                 const std::optional<JournalGroup>& group = {});
/// Starts a worker over the disks, in the engine and machine that they need.
[[nodiscard]] Status start_session(const Context& context, const EngineOptions& options,
                                   const OpenRequest& request, OpenImage& opened);

} // namespace slipway::ops
