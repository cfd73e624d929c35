/*
 * The registry's audit trail: who changed what and when, one JSON object a line, in a file that is
 * only added to and that only we may read. A change that could not be written down is not made:
 * each one asks first. A line that fails after its change (the disk has just become full) waits in
 * memory, and so does every later change. Specs are not in it, so that it can be sent elsewhere. It
 * is a file of its own: that of audit/ is chained, and is written after the fact.
 *
 * The file is opened for each change, so that it may be rotated. All but making a line runs on the
 * registry's worker.
 */
#include "registry/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAITING_MAX_BYTES = 8 * 1024 * 1024 };

struct registry_audit {
    char *path;
    char **waiting; /* lines that are not written yet */
};

struct err *registry_audit_new(const char *path, struct registry_audit **ret)
{
    AUTO(registry_audit_free) struct registry_audit *a = calloc(1, sizeof *a);

    if (a == NULL || (a->path = text_copy(path)) == NULL) {
        return err_nomem();
    }
    *ret = take(&a);
    return NULL;
}

void registry_audit_free(struct registry_audit **ap)
{
    struct registry_audit *a = take(ap);

    if (a != NULL) {
        text_list_free(&a->waiting);
        free(a->path);
        free(a);
    }
}

static struct err *open_trail(const struct registry_audit *a, int *ret_fd)
{
    int fd =
        open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    if (fd < 0) {
        return err_recode(err_sys(errno, "audit trail %s", a->path), ERR_STORE);
    }
    *ret_fd = fd;
    return NULL;
}

/* All of it or nothing. */
static struct err *write_text(const struct registry_audit *a, int fd, struct view text)
{
    struct stat before;

    if (fstat(fd, &before) != 0) {
        return err_sys(errno, "audit trail %s", a->path);
    }
    ssize_t n = write(fd, text.p, text.len);
    int why = n < 0 ? errno : ENOSPC;

    if (n == (ssize_t)text.len && fdatasync(fd) == 0) {
        return NULL;
    }
    why = n == (ssize_t)text.len ? errno : why;
    if (ftruncate(fd, before.st_size) != 0) {
        log_line(LOG_WARN, "audit trail %s: a broken line stays in it", a->path);
    }
    return err_recode(err_sys(why, "audit trail %s", a->path), ERR_STORE);
}

struct err *registry_audit_ready(struct registry_audit *a)
{
    AUTO(auto_close) int fd = -1;
    AUTO(buf_deinit) struct buf text = {0};
    struct err *e = open_trail(a, &fd);

    if (e != NULL || a->waiting == NULL) {
        return e;
    }
    buf_init(&text, WAITING_MAX_BYTES);
    for (char **line = a->waiting; *line != NULL; line++) {
        buf_put(&text, *line, strlen(*line));
        buf_put_u8(&text, '\n');
    }
    e = buf_check(&text, "the audit trail");
    e = e == NULL ? write_text(a, fd, buf_view(&text)) : e;
    if (e == NULL) {
        text_list_free(&a->waiting);
    }
    return e;
}

void registry_audit_add(struct registry_audit *a, char **lines)
{
    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++) {
        if (!text_list_add(&a->waiting, lines[i])) {
            log_line(LOG_ERROR, "out of memory: a line of the audit trail was lost");
        }
    }
    text_list_free(&lines);
    struct err *e = registry_audit_ready(a);

    if (e != NULL) {
        log_err(LOG_ERROR, e, "changes of the registry are refused until this is mended");
    }
    err_free(&e);
}

static json_t *revision(uint64_t r)
{
    return r != 0 ? json_integer((json_int_t)r) : json_null();
}

char *registry_audit_line(const struct registry_event *v)
{
    char now[WALL_TEXT_BYTES];
    json_t *line = json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:b}", "time",
                             wall_text(wall_now(), now), "uid", (json_int_t)v->who->uid, "gid",
                             (json_int_t)v->who->gid, "pid", (json_int_t)v->who->pid, "what",
                             v->what, "kind", v->key->kind, "scope", v->key->scope, "identifier",
                             v->key->id, "name", v->name != NULL ? v->name : "", "before",
                             revision(v->before), "after", revision(v->after), "force", v->force);
    char *text = line != NULL ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(line);
    return text;
}
