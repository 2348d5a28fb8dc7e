// SPDX-License-Identifier: Apache-2.0
// rpmdb.sqlite through SQLite, which gets our descriptor by a VFS of ours: a path it would resolve
// by itself, outside of the guest's root, and beside it look for journals.
#include <algorithm>
#include <cstring>
#include <memory>

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "guest/rpm_database.hpp"

namespace slipway::guest {
namespace {

/// A sqlite3_file of ours begins with SQLite's part, as C has it.
struct GuestFile {
    sqlite3_file base;
    int fd; ///< borrowed
};

int fd_of(sqlite3_file* file) {
    return reinterpret_cast<GuestFile*>(file)->fd;
}

// The write and read versions of the header say whether there is a write-ahead log, which must be
// opened too (https://sqlite.org/fileformat2.html#the_database_header). We have the file alone.
void hide_log(unsigned char* bytes, int count, sqlite3_int64 offset) {
    for (sqlite3_int64 at : {18, 19})
        if (at >= offset && at < offset + count)
            bytes[at - offset] = 1;
}

int read_file(sqlite3_file* file, void* buffer, int count, sqlite3_int64 offset) {
    auto* bytes = static_cast<unsigned char*>(buffer);
    int done = 0;
    while (done < count) {
        auto got = ::pread(fd_of(file), bytes + done, static_cast<std::size_t>(count - done),
                           offset + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return SQLITE_IOERR_READ;
        if (got == 0)
            break;
        done += static_cast<int>(got);
    }
    hide_log(bytes, done, offset);
    if (done == count)
        return SQLITE_OK;
    std::memset(bytes + done, 0, static_cast<std::size_t>(count - done));
    return SQLITE_IOERR_SHORT_READ;
}

int size_of(sqlite3_file* file, sqlite3_int64* size) {
    struct stat info {};
    if (::fstat(fd_of(file), &info) != 0)
        return SQLITE_IOERR_FSTAT;
    *size = info.st_size;
    return SQLITE_OK;
}

const sqlite3_io_methods& io_methods() {
    static const sqlite3_io_methods methods = [] {
        sqlite3_io_methods made{};
        made.iVersion = 1;
        made.xClose = [](sqlite3_file*) { return SQLITE_OK; };
        made.xRead = read_file;
        made.xWrite = [](sqlite3_file*, const void*, int, sqlite3_int64) {
            return SQLITE_READONLY;
        };
        made.xTruncate = [](sqlite3_file*, sqlite3_int64) { return SQLITE_READONLY; };
        made.xSync = [](sqlite3_file*, int) { return SQLITE_OK; };
        made.xFileSize = size_of;
        made.xLock = made.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
        made.xCheckReservedLock = [](sqlite3_file*, int* is_reserved) {
            *is_reserved = 0;
            return SQLITE_OK;
        };
        made.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
        made.xSectorSize = [](sqlite3_file*) { return 4096; };
        made.xDeviceCharacteristics = [](sqlite3_file*) { return SQLITE_IOCAP_IMMUTABLE; };
        return made;
    }();
    return methods;
}

/// SQLite's own VFS with our file in place of all that it would open.
class GuestVfs {
public:
    static constexpr auto name = "slipway";

    explicit GuestVfs(sys::BorrowedFd database)
        : fd_(database.raw()), vfs_(*sqlite3_vfs_find(nullptr)) {
        vfs_.pNext = nullptr;
        vfs_.zName = name;
        vfs_.szOsFile = sizeof(GuestFile);
        vfs_.pAppData = &fd_;
        vfs_.xOpen = [](sqlite3_vfs* vfs, const char*, sqlite3_file* file, int flags, int* out) {
            if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
                return SQLITE_CANTOPEN; // and the file has no methods: it needs no close
            auto* opened = reinterpret_cast<GuestFile*>(file);
            opened->fd = *static_cast<int*>(vfs->pAppData);
            opened->base.pMethods = &io_methods();
            if (out != nullptr)
                *out = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
            return SQLITE_OK;
        };
        vfs_.xDelete = [](sqlite3_vfs*, const char*, int) { return SQLITE_READONLY; };
        vfs_.xAccess = [](sqlite3_vfs*, const char*, int, int* is_there) {
            *is_there = 0;
            return SQLITE_OK;
        };
        vfs_.xFullPathname = [](sqlite3_vfs*, const char* path, int size, char* out) {
            sqlite3_snprintf(size, out, "%s", path);
            return SQLITE_OK;
        };
        registered_ = sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK;
    }
    GuestVfs(const GuestVfs&) = delete;
    GuestVfs& operator=(const GuestVfs&) = delete;
    ~GuestVfs() { sqlite3_vfs_unregister(&vfs_); }
    [[nodiscard]] bool registered() const { return registered_; }

private:
    int fd_;
    sqlite3_vfs vfs_;
    bool registered_ = false;
};

using Database = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;
using Query = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

auto failed(sqlite3* database) {
    return fail(Code::Corrupt,
                fmt::format("SQLite: {}",
                            database == nullptr ? "out of memory" : sqlite3_errmsg(database)));
}

// The schema is the guest's as well: no view, trigger or function of it shall work, no value be
// large, and no query endless.
void distrust(sqlite3* database) {
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    constexpr int largest_value = 64 << 20, steps = 100'000'000;
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, largest_value);
    sqlite3_progress_handler(
        database, steps, [](void*) { return 1; }, nullptr);
}

class RowBlob final : public HeaderBlob {
public:
    ~RowBlob() override { sqlite3_blob_close(blob_); }

    [[nodiscard]] Status go_to(sqlite3* database, sqlite3_int64 row) {
        int done = blob_ == nullptr
                       ? sqlite3_blob_open(database, "main", "Packages", "blob", row, 0, &blob_)
                       : sqlite3_blob_reopen(blob_, row);
        return done == SQLITE_OK ? Status{} : Status{failed(database)};
    }
    [[nodiscard]] std::size_t size() const override {
        return static_cast<std::size_t>(sqlite3_blob_bytes(blob_));
    }
    [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t count) override {
        std::string bytes(count, '\0');
        if (sqlite3_blob_read(blob_, bytes.data(), static_cast<int>(count),
                              static_cast<int>(offset)) != SQLITE_OK)
            return fail(Code::Corrupt, "SQLite: a value cannot be read");
        return bytes;
    }

private:
    sqlite3_blob* blob_ = nullptr;
};

} // namespace

Status visit_sqlite(sys::BorrowedFd file, const HeaderVisitor& visit) {
    GuestVfs vfs(file);
    if (!vfs.registered())
        return fail(Code::Internal, "SQLite does not take a VFS");
    sqlite3* raw_database = nullptr;
    int opened = sqlite3_open_v2("rpmdb", &raw_database,
                                 SQLITE_OPEN_READONLY | SQLITE_OPEN_PRIVATECACHE, GuestVfs::name);
    Database database(raw_database, sqlite3_close);
    if (opened != SQLITE_OK)
        return failed(database.get());
    distrust(database.get());
    sqlite3_stmt* raw_query = nullptr;
    if (sqlite3_prepare_v2(database.get(), "SELECT hnum FROM Packages", -1, &raw_query, nullptr) !=
        SQLITE_OK)
        return failed(database.get());
    Query query(raw_query, sqlite3_finalize);
    RowBlob blob;
    int stepped = 0;
    while ((stepped = sqlite3_step(query.get())) == SQLITE_ROW) {
        SLIPWAY_CHECK(blob.go_to(database.get(), sqlite3_column_int64(query.get(), 0)));
        SLIPWAY_CHECK(visit(blob));
    }
    return stepped == SQLITE_DONE ? Status{} : Status{failed(database.get())};
}

} // namespace slipway::guest
