/*
 * The file behind the audit trail. Each call opens it, locks it and reads where its chain ends, so
 * that nothing in memory can disagree with the disk and several processes can share it.
 *
 * An empty file goes on from the newest that was set aside: a full disk or a crash may come between.
 *
 * A line is found from the end backwards: it has a maximum length, so the last window of the file
 * holds the last one whole. What stands behind the last newline is the rest of a crash; nobody was
 * told that it is there, so it goes.
 */
#include "audit/trail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"

enum {
    HASH_TEXT = 2 * SHA256_DIGEST_LENGTH + 1,
    LINE_MAX_BYTES = 256 * 1024,
    PAGE_BYTES = 4096,
    PAGE_GROWTH = 8,
    ASIDE_DIGITS = 20
};

/* The end of a chain. */
struct chain {
    uint64_t seq; /* of the last line; 0: there is none */
    char hash[HASH_TEXT];
};

static void hash_of(struct view line, char ret[HASH_TEXT])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];

    SHA256(line.p, line.len, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        snprintf(ret + 2 * i, 3, "%02x", hash[i]);
    }
}

/* The last @max bytes of the file. */
static struct err *read_end(int fd, const char *path, size_t max, struct buf *out)
{
    off_t size = lseek(fd, 0, SEEK_END);
    size_t len = size < (off_t)max ? (size_t)size : max;
    uint8_t *to = len > 0 && size >= 0 ? buf_reserve(out, len) : NULL;
    size_t got = 0;

    while (to != NULL && got < len) {
        ssize_t n = pread(fd, to + got, len - got, size - (off_t)(len - got));

        if (n <= 0) {
            return err_sys(n < 0 ? errno : EIO, "read %s", path);
        }
        got += (size_t)n;
    }
    return size < 0 ? err_sys(errno, "read %s", path) : buf_check(out, path);
}

/* The part of @v behind the last newline but @n; all of it when there are fewer. */
static struct view last_lines(struct view v, size_t n)
{
    size_t at = v.len;

    while (at > 0 && (v.p[at - 1] != '\n' || n-- > 0)) {
        at--;
    }
    return view_of(v.p + at, v.len - at);
}

static struct err *read_line(struct view line, struct chain *ret, char prev[HASH_TEXT])
{
    json_t *j = json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES, NULL);
    json_int_t seq = json_integer_value(json_object_get(j, "seq"));
    const char *text = json_string_value(json_object_get(j, "prev"));
    bool good = seq > 0 && text != NULL && strlen(text) < HASH_TEXT;

    if (good) {
        snprintf(prev, HASH_TEXT, "%s", text);
        ret->seq = (uint64_t)seq;
        hash_of(line, ret->hash);
    }
    json_decref(j);
    return good ? NULL : err_new(ERR_CERT, "a line is not one of the audit trail's");
}

/* So much of the end that the last line is whole in it: a page, as a rule. */
static struct err *read_last(int fd, const char *path, struct buf *out)
{
    struct err *e = NULL;
    bool is_whole = false;

    for (size_t max = PAGE_BYTES; e == NULL && !is_whole; max *= PAGE_GROWTH) {
        buf_drop(out, out->len);
        e = read_end(fd, path, max, out);
        is_whole = max >= LINE_MAX_BYTES || last_lines(buf_view(out), 1).len < out->len;
    }
    return e;
}

/* Where the chain ends; a torn rest is cut off. */
static struct err *find_end(int fd, const char *path, struct chain *ret)
{
    AUTO(buf_deinit) struct buf end;
    char prev[HASH_TEXT];

    buf_init(&end, LINE_MAX_BYTES);
    struct err *e = read_last(fd, path, &end);
    struct view whole = buf_view(&end);

    if (e != NULL) {
        return e;
    }
    struct view torn = last_lines(whole, 0);

    whole.len -= torn.len;
    if (torn.len > 0 && ftruncate(fd, lseek(fd, 0, SEEK_END) - (off_t)torn.len) != 0) {
        return err_sys(errno, "cut the torn end off %s", path);
    }
    *ret = (struct chain){.hash = ""};
    if (whole.len == 0) {
        return NULL;
    }
    whole.len--;
    return err_add(read_line(last_lines(whole, 0), ret, prev), "the last line of %s", path);
}

/* --- files set aside ---------------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int any(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* "FILE.00000000000000000001" */
static bool is_old(const char *found, const char *name)
{
    size_t len = strlen(name);

    return strncmp(found, name, len) == 0 && found[len] == '.' &&
           strspn(found + len + 1, "0123456789") == ASIDE_DIGITS &&
           found[len + 1 + ASIDE_DIGITS] == '\0';
}

/* In order: their names sort by their first lines. */
static struct err *list_old(const char *path, char ***ret)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    AUTO(auto_free) char *folder =
        slash != NULL ? text_fmt("%.*s", (int)(slash - path + 1), path) : text_copy("./");
    struct dirent **list = NULL;
    int n = folder != NULL ? scandir(folder, &list, any, by_name) : -1;
    struct err *e = n < 0 ? err_sys(errno, "list %s", folder != NULL ? folder : path) : NULL;

    for (int i = 0; i < n; i++) {
        if (e == NULL && is_old(list[i]->d_name, name)) {
            AUTO(auto_free) char *old = text_fmt("%s%s", folder, list[i]->d_name);

            e = old != NULL && text_list_add(ret, old) ? NULL : err_nomem();
        }
        free(list[i]);
    }
    free(list);
    return e;
}

/* Where the newest of them ends; nothing is changed in it. */
static struct err *find_old_end(const char *path, struct chain *ret)
{
    AUTO(text_list_free) char **old = NULL;
    struct err *e = list_old(path, &old);
    size_t n = text_list_len(old);

    if (e != NULL || n == 0) {
        return e;
    }
    AUTO(auto_close) int fd = open(old[n - 1], O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? find_end(fd, old[n - 1], ret) : err_sys(errno, "open %s", old[n - 1]);
}

/* --- writing ------------------------------------------------------------------------------------ */

static void number_lines(struct view lines, struct chain *chain, struct buf *out)
{
    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.p, '\n', lines.len);
        size_t len = end != NULL ? (size_t)(end - lines.p) : lines.len;
        size_t begun = out->len;
        char head[2 * HASH_TEXT];

        snprintf(head, sizeof head, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",", ++chain->seq,
                 chain->hash);
        buf_put(out, head, strlen(head));
        buf_put(out, lines.p + 1, len - 1); /* behind its brace */
        if (out->failed) {
            return;
        }
        hash_of(view_of(out->data + begun, out->len - begun), chain->hash);
        buf_put_u8(out, '\n');
        lines = view_of(lines.p + len, lines.len - len);
        lines = lines.len > 0 ? view_of(lines.p + 1, lines.len - 1) : lines;
    }
}

static bool write_on(int fd, struct view v)
{
    for (size_t done = 0; done < v.len;) {
        ssize_t n = write(fd, v.p + done, v.len - done);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0;
}

/* All of it, or nothing: what failed comes again. */
static struct err *write_whole(int fd, const char *path, struct view v)
{
    off_t before = lseek(fd, 0, SEEK_END);

    if (write_on(fd, v)) {
        return NULL;
    }
    struct err *e = err_sys(errno, "write %s", path);

    return ftruncate(fd, before) == 0 ? e : err_add(e, "a part of it is left in the file");
}

/* A file that is full makes room for a new one. */
static struct err *set_aside(const char *path, int *fd)
{
    char head[2 * HASH_TEXT] = "";
    uint64_t first = 0;

    if (pread(*fd, head, sizeof head - 1, 0) < 0 ||
        sscanf(head, "{\"seq\":%" SCNu64, &first) != 1) {
        return err_new(ERR_STORE, "%s does not begin with a line of the audit trail", path);
    }
    AUTO(auto_free) char *aside = text_fmt("%s.%0*" PRIu64, path, ASIDE_DIGITS, first);

    if (aside == NULL) {
        return err_nomem();
    }
    if (rename(path, aside) != 0) {
        return err_sys(errno, "set %s aside", path);
    }
    auto_close(fd);
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    return *fd >= 0 && flock(*fd, LOCK_EX) == 0 ? NULL : err_sys(errno, "begin a new %s", path);
}

/* Somebody else may have set the file aside while we waited for its lock. */
static bool is_still(int fd, const char *path)
{
    struct stat ours, now;

    return fstat(fd, &ours) == 0 && stat(path, &now) == 0 && ours.st_ino == now.st_ino &&
           ours.st_dev == now.st_dev;
}

static struct err *open_locked(const char *path, int *fd)
{
    do {
        auto_close(fd);
        *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (*fd < 0 || flock(*fd, LOCK_EX) != 0) {
            return err_sys(errno, "open %s", path);
        }
    } while (!is_still(*fd, path));
    return NULL;
}

struct err *audit_trail_append(const char *path, struct view lines)
{
    AUTO(auto_close) int fd = -1;
    AUTO(buf_deinit) struct buf out;
    struct chain chain;
    struct err *e = open_locked(path, &fd);

    buf_init(&out, 2 * AUDIT_FILE_BYTES);
    if (e == NULL) {
        e = find_end(fd, path, &chain);
    }
    if (e == NULL && chain.seq == 0) { /* the first, or nothing came after the last was set aside */
        e = find_old_end(path, &chain);
    }
    if (e == NULL && lseek(fd, 0, SEEK_END) >= AUDIT_FILE_BYTES) {
        e = set_aside(path, &fd);
    }
    if (e != NULL) {
        return e;
    }
    number_lines(lines, &chain, &out);
    e = buf_check(&out, "lines of the audit trail");
    return e != NULL ? e : write_whole(fd, path, buf_view(&out));
}

struct err *audit_trail_tail(const char *path, size_t n, struct buf *out)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return errno == ENOENT ? NULL : err_sys(errno, "open %s", path);
    }
    struct err *e = read_end(fd, path, out->max, out);

    if (e != NULL) {
        return e;
    }
    struct view all = buf_view(out);
    size_t torn = last_lines(all, 0).len;

    out->len -= torn;
    all = buf_view(out);
    struct view kept = last_lines(all, n);

    if (kept.len == out->max) { /* its first line may be cut */
        const uint8_t *end = memchr(kept.p, '\n', kept.len);

        kept.len = end != NULL ? kept.len - (size_t)(end + 1 - kept.p) : 0;
    }
    buf_drop(out, out->len - kept.len);
    return NULL;
}

/* --- the chain ---------------------------------------------------------------------------------- */

static struct err *follow_file(const char *path, struct chain *chain, uint64_t *lines)
{
    AUTO(buf_deinit) struct buf all;

    buf_init(&all, (size_t)4 * AUDIT_FILE_BYTES);
    struct err *e = file_read(path, all.max, &all);
    struct view left = buf_view(&all);

    for (uint64_t n = 1; e == NULL && left.len > 0; n++) {
        const uint8_t *end = memchr(left.p, '\n', left.len);
        struct view line = view_of(left.p, end != NULL ? (size_t)(end - left.p) : left.len);
        struct chain next = {0};
        char prev[HASH_TEXT];

        if (end == NULL) {
            break; /* being written, or torn */
        }
        left = view_of(end + 1, left.len - line.len - 1);
        e = read_line(line, &next, prev);
        if (e == NULL && chain->seq > 0 &&
            (next.seq != chain->seq + 1 || !text_eq(prev, chain->hash))) {
            e = err_new(ERR_CERT, "it does not follow from the line before");
        }
        if (e != NULL) {
            return err_add(e, "%s, line %" PRIu64, path, n);
        }
        *chain = next;
        ++*lines;
    }
    return e;
}

struct err *audit_trail_verify(const char *path, uint64_t *ret_lines)
{
    AUTO(text_list_free) char **old = NULL;
    struct chain chain = {0};
    uint64_t lines = 0;
    struct err *e = list_old(path, &old);

    for (size_t i = 0; e == NULL && i < text_list_len(old); i++) {
        e = follow_file(old[i], &chain, &lines);
    }
    if (e == NULL) {
        e = follow_file(path, &chain, &lines);
        if (lines == 0 && e != NULL && err_is(e, ERR_NOT_FOUND)) {
            err_free(&e);
        }
    }
    if (e == NULL) {
        *ret_lines = lines;
    }
    return e;
}
