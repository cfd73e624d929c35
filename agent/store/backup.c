/*
 * Backup and restore with SQLite's own online copy. A backup is one file that needs no log beside it;
 * one that failed half-way is removed. A restore never touches the registry before it has a checked
 * copy of the backup and a backup of the present state; then everything is replaced in one
 * transaction, which other processes see like any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/db.h"

static struct err *copy_all(struct store_db *from, struct store_db *to)
{
    sqlite3_backup *b = sqlite3_backup_init(to->sql, "main", from->sql, "main");

    if (b == NULL) {
        return store_db_error(to, to->path);
    }
    struct mono until = mono_in(STORE_DB_BUSY_MS);
    int rc;

    while (((rc = sqlite3_backup_step(b, -1)) == SQLITE_BUSY || rc == SQLITE_LOCKED) &&
           !mono_passed(until)) {
        sqlite3_sleep(20);
    }
    int end = sqlite3_backup_finish(b);

    return rc == SQLITE_DONE && end == SQLITE_OK ? NULL : store_db_error(to, to->path);
}

static struct err *sync_path(const char *path, int flags)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

    return fd >= 0 && fsync(fd) == 0 ? NULL : err_sys(errno, "fsync %s", path);
}

struct err *store_db_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    AUTO(auto_free) char *folder =
        slash == NULL ? text_copy(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    struct err *e = folder == NULL ? err_nomem() : sync_path(path, 0);

    return e == NULL ? sync_path(folder, O_DIRECTORY) : e;
}

/* Into a file that exists and is empty. The copy says that it has a write-ahead log, as the original
 * does; it is told otherwise, so that it is whole in one file. */
static struct err *fill(struct store_db *from, const char *path)
{
    AUTO(store_db_free) struct store_db *to = NULL;
    struct err *e = store_db_open_raw(path, SQLITE_OPEN_READWRITE, &to);

    e = e == NULL ? copy_all(from, to) : e;
    e = e == NULL ? store_db_exec(to, "PRAGMA journal_mode = DELETE") : e;
    e = e == NULL ? store_db_check(to) : e;
    store_db_free(&to);
    return e == NULL ? store_db_sync(path) : e;
}

struct err *store_db_backup(struct store_db *db, const char *path)
{
    AUTO(auto_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        return errno == EEXIST ? err_new(ERR_EXISTS, "the backup %s exists already", path)
                               : err_sys(errno, "make the backup %s", path);
    }
    auto_close(&fd);
    struct err *e = fill(db, path);

    if (e != NULL) {
        unlink(path);
    }
    return err_add(e, "back up to %s", path);
}

/* Beside the database; one that an earlier restore left is replaced when the new one is complete. */
static struct err *keep_present(struct store_db *db)
{
    AUTO(auto_free) char *kept = text_fmt("%s.before-restore", db->path);
    AUTO(auto_free) char *made = text_fmt("%s.before-restore.new", db->path);

    if (kept == NULL || made == NULL) {
        return err_nomem();
    }
    unlink(made); /* of a restore that was interrupted */
    struct err *e = store_db_backup(db, made);

    if (e == NULL && rename(made, kept) < 0) {
        e = err_sys(errno, "rename %s to %s", made, kept);
    }
    e = e == NULL ? store_db_sync(kept) : e;
    return err_add(e, "keep the present state");
}

/* The backup itself is only read. */
struct err *store_db_load(const char *path, const char *copy, struct store_db **ret)
{
    AUTO(store_db_free) struct store_db *from = NULL;
    AUTO(store_db_free) struct store_db *to = NULL;
    int64_t version = 0;
    struct err *e = access(path, R_OK) < 0 ? err_sys(errno, "read it")
                                           : store_db_open_raw(path, SQLITE_OPEN_READONLY, &from);

    e = e == NULL ? store_db_check(from) : e;
    e = e == NULL ? store_db_number(from, "PRAGMA user_version", &version) : e;
    if (e == NULL && version == 0) {
        e = err_new(ERR_STORE, "the file is empty");
    }
    e = e == NULL ? store_db_backup(from, copy) : e;
    e = e == NULL ? store_db_open_raw(copy, SQLITE_OPEN_READWRITE, &to) : e;
    e = e == NULL ? store_db_migrate(to) : e;
    if (e == NULL) {
        *ret = take(&to);
    }
    return err_add(e, "the backup cannot be used, nothing was changed");
}

struct err *store_db_restore(struct store_db *db, const char *path)
{
    AUTO(auto_free) char *name = text_fmt("%s.restoring", db->path);
    AUTO(store_db_free) struct store_db *copy = NULL;

    if (name == NULL) {
        return err_nomem();
    }
    unlink(name); /* of a restore that was interrupted */
    struct err *e = store_db_load(path, name, &copy);

    e = e == NULL ? keep_present(db) : e;
    e = e == NULL ? copy_all(copy, db) : e;
    store_db_free(&copy);
    unlink(name);
    return err_add(e, "restore %s", path);
}
