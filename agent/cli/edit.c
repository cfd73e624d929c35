/*
 * A resource in the user's editor, as YAML. What a person typed is never lost: the file goes only
 * when the agent has taken the change or when there is none.
 */
#include "cli/edit.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/form.h"
#include "cli/session.h"
#include "cli/yaml_json.h"

/* The file that is edited, and what it held at first. */
struct sheet {
    char *path;
    struct buf first;
};

static void sheet_deinit(struct sheet *s)
{
    auto_free(&s->path);
    buf_deinit(&s->first);
}

static const char *set_or(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] != '\0' ? value : otherwise;
}

/* What is broken stands above the text, as a comment. */
static void put_broken(const json_t *old, struct buf *out)
{
    size_t i;
    const json_t *text;

    json_array_foreach(json_object_get(old, "broken"), i, text)
    {
        AUTO(auto_free) char *safe = text_safe(view_cstr(json_string_value(text)));
        AUTO(auto_free) char *line = text_fmt("# broken: %s\n", safe);

        buf_put(out, line != NULL ? line : "", line != NULL ? strlen(line) : 0);
    }
}

static struct err *sheet_init(struct sheet *s, const struct resource_kind *k, const json_t *old)
{
    AUTO(auto_free) char *head =
        text_fmt("# %s %s (%s) at %s, revision %llu. Save and leave to change it; an empty file\n"
                 "# changes nothing.\n",
                 k->title, json_string_value(json_object_get(old, "name")),
                 json_string_value(json_object_get(old, "identifier")),
                 json_string_value(json_object_get(old, "scope")),
                 (unsigned long long)resource_revision(old));
    json_t *form = form_of(old);

    *s = (struct sheet){0};
    buf_init(&s->first, YAML_JSON_MAX_BYTES);
    s->path = text_fmt("%s/holdfast-%s-XXXXXX.yaml", set_or("TMPDIR", "/tmp"), k->word);
    if (head != NULL) {
        buf_put(&s->first, head, strlen(head));
    }
    put_broken(old, &s->first);
    yaml_json_write(form, &s->first);
    json_decref(form);
    struct err *e = buf_check(&s->first, "the text to edit");

    if (e != NULL || s->path == NULL || head == NULL) {
        return e != NULL ? e : err_nomem();
    }
    AUTO(auto_close) int fd = mkstemps(s->path, 5); /* mode 0600 */

    if (fd < 0 || write(fd, s->first.data, s->first.len) != (ssize_t)s->first.len) {
        return err_sys(errno, "write %s", s->path);
    }
    return NULL;
}

/* The editor is a line for the shell: "code --wait". */
static struct err *run_editor(const char *path)
{
    const char *editor = set_or("VISUAL", set_or("EDITOR", "vi"));
    AUTO(auto_free) char *line = text_fmt("%s \"$1\"", editor);
    char *argv[] = {(char *)"sh", (char *)"-c", line, (char *)"sh", (char *)path, NULL};
    pid_t pid = 0;
    int status = 0;

    fflush(stdout);
    int code = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);

    if (code != 0) {
        return err_sys(code, "start %s", editor);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? NULL
               : err_new(ERR_INPUT, "the editor (%s) did not end well", editor);
}

/* What stands in the file now; NULL where it is what it was, or empty. */
static struct err *read_back(struct sheet *s, const struct resource_kind *k, json_t **ret)
{
    json_t *document = NULL;
    struct buf text;

    buf_init(&text, YAML_JSON_MAX_BYTES + 1);
    struct err *e = file_read(s->path, YAML_JSON_MAX_BYTES, &text);

    if (e == NULL && !view_eq(buf_view(&text), buf_view(&s->first))) {
        e = yaml_json_read(s->path, buf_view(&text), &document);
    }
    if (e == NULL && document != NULL && !json_is_null(document)) {
        e = form_from_document(k, document, ret);
    }
    json_decref(document);
    buf_deinit(&text);
    return e;
}

/* One round: the editor, then the agent. */
static struct err *round_of(struct cli *c, const struct resource_kind *k, const json_t *old,
                            struct sheet *s, json_t **ret)
{
    AUTO(auto_free) char *path = resource_path_of(k, old, "");
    AUTO(auto_free) char *etag = resource_etag(old);
    json_t *body = NULL;
    struct err *e = run_editor(s->path);

    if (e == NULL) {
        e = read_back(s, k, &body);
    }
    if (e == NULL && body != NULL) {
        e = form_explain(c, k, s->path, session_change(c->session, "PUT", path, etag, body, ret));
    }
    return e;
}

static bool again(const struct err *e)
{
    char answer[16] = "";

    if (text_eq(err_native_name(e), "STALE") || !isatty(STDIN_FILENO)) {
        return false;
    }
    fprintf(stderr, "holdfast: %s\nEdit again? [Y/n] ", err_text(e));
    return fgets(answer, sizeof answer, stdin) != NULL && answer[0] != 'n' && answer[0] != 'N';
}

struct err *edit_resource(struct cli *c, const struct resource_kind *k, const json_t *old,
                          json_t **ret)
{
    AUTO(sheet_deinit) struct sheet s;
    AUTO(err_free) struct err *e = sheet_init(&s, k, old);

    if (e != NULL) {
        return take(&e);
    }
    e = round_of(c, k, old, &s, ret);
    while (e != NULL && again(e)) {
        err_free(&e);
        e = round_of(c, k, old, &s, ret);
    }
    if (e == NULL) {
        unlink(s.path);
        return NULL;
    }
    return err_add(take(&e), "your text is kept in %s", s.path);
}
