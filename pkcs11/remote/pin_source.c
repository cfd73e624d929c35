/*
 * Where PINs come from, one by one. Reading one never prompts, never waits, and never says anything
 * of what was read; a message names the source only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pkcs11/remote/client.h"

struct err *source_copy(struct source *to, const struct remote_pin_source *from)
{
    *to = (struct source){.kind = from->kind,
                          .text = text_copy(from->text),
                          .argv = text_list_copy(from->argv),
                          .value = from->value != NULL ? secret_copy(from->value) : NULL};
    if ((to->text == NULL && from->text != NULL) || (to->argv == NULL && from->argv != NULL) ||
        (to->value == NULL && from->value != NULL)) {
        return err_nomem();
    }
    bool complete = from->kind == REMOTE_PIN_ASKPASS ||
                    (from->kind == REMOTE_PIN_COMMAND ? to->argv != NULL && to->argv[0] != NULL
                                                      : to->text != NULL);

    return complete ? NULL : err_new(ERR_INPUT, "a PIN source says nothing of where the PIN is");
}

struct err *source_from_uri(struct source *to, const char *pin_source)
{
    const char *path = pin_source;

    if (strncmp(path, "file:", 5) == 0) {
        path += 5;
        path += strncmp(path, "///", 3) == 0 ? 2 : 0; /* an empty host */
    }
    if (*path != '/') {
        return err_new(ERR_INPUT, "pin-source '%s' is no absolute path: configure the PIN source",
                       pin_source);
    }
    const struct remote_pin_source file = {.kind = REMOTE_PIN_FILE,
                                           .text = (char *)(uintptr_t)path};

    return source_copy(to, &file);
}

void source_deinit(struct source *s)
{
    free(s->text);
    text_list_free(&s->argv);
    secret_free(&s->value);
}

/* The file of a file or credential source (caller owns); NULL when there is no such folder. */
static char *file_of(const struct source *s)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    if (s->kind == REMOTE_PIN_FILE) {
        return text_copy(s->text);
    }
    return folder != NULL ? text_fmt("%s/%s", folder, s->text) : NULL;
}

struct err *source_read(const struct source *s, struct secret **ret)
{
    if (s->kind == REMOTE_PIN_ENVIRONMENT) {
        if (s->value == NULL) {
            return err_new(ERR_NOT_FOUND, "the variable is not set");
        }
        *ret = secret_copy(s->value);
        return *ret != NULL ? NULL : err_nomem();
    }
    AUTO(auto_free) char *path = file_of(s);

    if (path == NULL) {
        return err_new(ERR_NOT_FOUND, "CREDENTIALS_DIRECTORY is not set");
    }
    return secret_from_file(path, ret);
}

char *source_text(const struct source *s)
{
    switch (s->kind) {
    case REMOTE_PIN_FILE:
        return text_fmt("PIN file %s", s->text);
    case REMOTE_PIN_ENVIRONMENT:
        return text_fmt("PIN variable %s", s->text);
    case REMOTE_PIN_COMMAND:
        return text_fmt("PIN command %s", s->argv[0]);
    case REMOTE_PIN_CREDENTIAL:
        return text_fmt("PIN credential %s", s->text);
    case REMOTE_PIN_ASKPASS:
        return text_fmt("askpass");
    }
    return NULL;
}

/* What tells one state of a file from the next. What has no file has no such thing. */
static void put_marker(struct buf *b, const struct source *s)
{
    AUTO(auto_free) char *path =
        s->kind == REMOTE_PIN_FILE || s->kind == REMOTE_PIN_CREDENTIAL ? file_of(s) : NULL;
    struct stat st;

    if (path == NULL || stat(path, &st) != 0) {
        return;
    }
    buf_put_u64(b, (uint64_t)st.st_dev);
    buf_put_u64(b, (uint64_t)st.st_ino);
    buf_put_u64(b, (uint64_t)st.st_size);
    buf_put_u64(b, (uint64_t)st.st_mtim.tv_sec);
    buf_put_u64(b, (uint64_t)st.st_mtim.tv_nsec);
    buf_put_u64(b, (uint64_t)st.st_ctim.tv_sec);
    buf_put_u64(b, (uint64_t)st.st_ctim.tv_nsec);
}

char *source_line(const struct source *s)
{
    AUTO(buf_deinit) struct buf who;
    AUTO(buf_deinit) struct buf state;

    buf_init(&who, 0);
    buf_init(&state, 0);
    buf_put_u8(&who, (uint8_t)s->kind);
    buf_put_cstr(&who, s->text);
    for (size_t i = 0; s->argv != NULL && s->argv[i] != NULL; i++) {
        buf_put_cstr(&who, s->argv[i]);
    }
    put_marker(&state, s);
    struct ops_name digest = ops_name_of(buf_view(&who), buf_view(&state));

    return text_hex(view_of(digest.bytes, sizeof digest.bytes));
}
