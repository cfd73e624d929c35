/*
 * A backup in the place of a database that no agent can open. The damaged one is never thrown away: it
 * gets a second name before the new one takes the first, and its log goes with it, as a log beside
 * another database could be taken for that one's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/db.h"

/* Beside PATH: PATH-wal and such; what is not there is fine. */
static struct err *move_beside(const char *path, const char *kept, const char *suffix)
{
    AUTO(auto_free) char *from = text_fmt("%s%s", path, suffix);
    AUTO(auto_free) char *to = text_fmt("%s%s", kept, suffix);

    if (from == NULL || to == NULL) {
        return err_nomem();
    }
    return rename(from, to) == 0 || errno == ENOENT ? NULL
                                                    : err_sys(errno, "rename %s to %s", from, to);
}

/* @ret_kept NULL: there is nothing to keep. */
static struct err *keep(const char *path, char **ret_kept)
{
    char now[WALL_TEXT_BYTES];
    AUTO(auto_free) char *kept = text_fmt("%s.damaged-%s", path, wall_text(wall_now(), now));

    if (kept == NULL) {
        return err_nomem();
    }
    if (link(path, kept) < 0) {
        return errno == ENOENT ? NULL : err_sys(errno, "keep %s as %s", path, kept);
    }
    struct err *e = move_beside(path, kept, "-wal");

    e = e == NULL ? move_beside(path, kept, "-shm") : e;
    if (e == NULL) {
        *ret_kept = take(&kept);
    }
    return e;
}

/* A file of its own, without a log. */
static struct err *make_copy(const char *backup, const char *copy)
{
    AUTO(store_db_free) struct store_db *db = NULL;
    struct err *e = store_db_load(backup, copy, &db);

    e = e == NULL ? store_db_exec(db, "PRAGMA journal_mode = DELETE") : e;
    store_db_free(&db);
    return e == NULL ? store_db_sync(copy) : e;
}

struct err *store_sqlite_put_back(const char *path, const char *backup, char **ret_kept)
{
    AUTO(auto_free) char *copy = text_fmt("%s.restoring", path);
    AUTO(auto_free) char *kept = NULL;

    if (copy == NULL) {
        return err_nomem();
    }
    unlink(copy); /* of a restore that was interrupted */
    struct err *e = make_copy(backup, copy);

    e = e == NULL ? keep(path, &kept) : e;
    if (e == NULL && rename(copy, path) < 0) {
        e = err_sys(errno, "rename %s to %s", copy, path);
    }
    e = e == NULL ? store_db_sync(path) : e;
    if (e != NULL) {
        unlink(copy);
        return err_add(e, "restore %s", backup);
    }
    *ret_kept = take(&kept);
    return NULL;
}
