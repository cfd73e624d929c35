/*
 * Files: read with a limit, replaced whole. Nothing durable is ever written in place.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

struct err *file_read(const char *path, size_t max_bytes, struct buf *out)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t chunk[4096];
    size_t total = 0;
    ssize_t n;

    if (fd < 0) {
        return err_sys(errno, "%s", path);
    }
    while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0) {
            continue;
        }
        total += (size_t)n;
        if (total > max_bytes) {
            return err_new(ERR_LIMIT, "%s is larger than %zu bytes", path, max_bytes);
        }
        buf_put(out, chunk, (size_t)n);
    }
    if (n < 0) {
        return err_sys(errno, "read %s", path);
    }
    return buf_check(out, path);
}

static struct err *write_all(int fd, struct view content, const char *path)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.p, content.len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_sys(errno, "write %s", path);
        }
        content = view_of(content.p + n, content.len - (size_t)n);
    }
    return fsync(fd) < 0 ? err_sys(errno, "fsync %s", path) : NULL;
}

/* The folder is opened before anything changes, so that a folder that cannot be is found out then. */
static struct err *open_folder_of(const char *path, int *ret_fd)
{
    const char *slash = strrchr(path, '/');
    AUTO(auto_free) char *folder =
        slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));

    if (folder == NULL) {
        return err_nomem();
    }
    *ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? err_sys(errno, "open folder %s", folder) : NULL;
}

struct err *file_replace(const char *path, struct view content, mode_t mode)
{
    AUTO(auto_free) char *temporary = text_fmt("%s.XXXXXX", path);
    AUTO(auto_close) int folder = -1;

    if (temporary == NULL) {
        return err_nomem();
    }
    struct err *e = open_folder_of(path, &folder);

    if (e != NULL) {
        return e;
    }
    AUTO(auto_close) int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd < 0) {
        return err_sys(errno, "create %s", temporary);
    }
    e = fchmod(fd, mode) < 0 ? err_sys(errno, "chmod %s", temporary)
                             : write_all(fd, content, temporary);

    if (e == NULL && rename(temporary, path) < 0) {
        e = err_sys(errno, "rename %s", temporary);
    }
    if (e != NULL) {
        unlink(temporary);
        return e;
    }
    return fsync(folder) < 0 ? err_sys(errno, "fsync the folder of %s", path) : NULL;
}

static struct err *make_one(const char *path, mode_t mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0) {
        /* the umask may have taken something from @mode */
        return chmod(path, mode) < 0 ? err_sys(errno, "chmod %s", path) : NULL;
    }
    int errnum = errno;

    if (stat(path, &st) == 0) {
        return S_ISDIR(st.st_mode) ? NULL : err_sys(ENOTDIR, "%s", path);
    }
    return err_sys(errnum, "mkdir %s", path);
}

struct err *file_make_folder(const char *path, mode_t mode)
{
    AUTO(auto_free) char *part = strdup(path);
    struct err *e = NULL;

    if (part == NULL) {
        return err_nomem();
    }
    if (*part == '\0') {
        return err_new(ERR_INPUT, "a folder without a name");
    }
    for (char *p = part + 1; e == NULL && *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            e = make_one(part, mode);
            *p = '/';
        }
    }
    return e != NULL ? e : make_one(part, mode);
}
