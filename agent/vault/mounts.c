/*
 * What engines there are to pick from. Who may list all mounts gets them from sys/mounts;
 * anybody else gets those that the token may use, from the path that Vault's own web interface takes
 * them from.
 */
#include <stdlib.h>

#include "vault/look_serve.h"

enum { NAMES_EVENT_BYTES = 64 * 1024 };

/* --- names in events ---------------------------------------------------------------------------- */

struct err *vault_send_names(struct ipc_request *request, const json_t *list)
{
    AUTO(buf_deinit) struct buf b;
    struct err *e = NULL;

    buf_init(&b, 0);
    for (size_t i = 0; e == NULL && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name != NULL) {
            buf_put_cstr(&b, name);
        }
        if (b.len >= NAMES_EVENT_BYTES) {
            e = ipc_request_event(request, buf_view(&b));
            buf_clear(&b);
        }
    }
    if (e == NULL) {
        e = buf_check(&b, "a list of names");
    }
    return e == NULL && b.len > 0 ? ipc_request_event(request, buf_view(&b)) : e;
}

/* --- mounts ------------------------------------------------------------------------------------- */

static struct err *get(struct vault_look *look, const char *path, const char *rest,
                       struct vault_api_answer *ret)
{
    const char *const parts[] = {path, rest, NULL};

    return vault_auth_do(
        look->auth, &look->api,
        &(struct vault_api_call){.method = "GET", .may_be_refused = true, .is_long = true}, parts,
        ret);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct vault_mount *)a)->path, ((const struct vault_mount *)b)->path);
}

static const char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static bool take_mount(const char *path, const json_t *mount, struct vault_mount *ret)
{
    size_t len = strlen(path);

    *ret = (struct vault_mount){
        .path = view_dup(view_of(path, len > 0 && path[len - 1] == '/' ? len - 1 : len)),
        .type = text_copy(text_in(mount, "type")),
        .description = text_copy(text_in(mount, "description")),
    };
    return ret->path != NULL && ret->type != NULL && ret->description != NULL;
}

/* @mounts: {"ssh/": {"type": "ssh", ...}, ...} */
static struct err *put_mounts(json_t *mounts, const char *type, struct buf *reply)
{
    size_t max = json_object_size(mounts), n = 0;
    struct vault_mount *list = calloc(max + 1, sizeof *list);
    bool whole = list != NULL;
    const char *path;
    json_t *mount;

    json_object_foreach(mounts, path, mount)
    {
        if (whole && json_is_object(mount) &&
            (type == NULL || text_eq(text_in(mount, "type"), type))) {
            whole = take_mount(path, mount, &list[n++]);
        }
    }
    if (whole) {
        qsort(list, n, sizeof *list, by_path);
        vault_mounts_put(reply, list, n);
    }
    vault_mounts_free(&list, n);
    return whole ? buf_check(reply, "the list of mounts") : err_nomem();
}

struct err *vault_serve_mounts(struct vault_look *look)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    const char *type = look->query->name;
    struct err *e = get(look, "sys/mounts", NULL, &answer);

    if (e == NULL) {
        return put_mounts(json_object_get(answer.root, "data"), type, look->request->reply);
    }
    if (!vault_api_is_forbidden(e)) {
        return err_add(e, "list the mounts");
    }
    err_free(&e);
    e = get(look, "sys/internal/ui/mounts", NULL, &answer);
    if (e != NULL) {
        return err_add(e, "list the mounts that the token may use");
    }
    const json_t *data = json_object_get(answer.root, "data");

    return put_mounts(json_object_get(data, "secret"), type, look->request->reply);
}

struct err *vault_mount_type(struct vault_look *look, const char *mount, char **ret)
{
    AUTO(vault_api_answer_deinit) struct vault_api_answer answer = {0};
    struct err *e = get(look, "sys/internal/ui/mounts", mount, &answer);

    if (vault_api_is_forbidden(e) || err_is(e, ERR_NOT_FOUND)) {
        err_free(&e);
        return NULL;
    }
    const char *type =
        json_string_value(json_object_get(json_object_get(answer.root, "data"), "type"));

    if (e == NULL && type != NULL && (*ret = text_copy(type)) == NULL) {
        e = err_nomem();
    }
    return e;
}
