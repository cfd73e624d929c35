/*
 * What Vault's and OpenBao's answers mean: a JSON object, or a list of errors under an HTTP status.
 *
 * A refusal has to reach people in Vault's own words, because only they say what the role wants;
 * and it has to reach the agent as a code that says whether time will mend it. Both happen in one
 * place, vault_api_read(), which is pure.
 *
 * JSON holds tokens and secret ids: jansson gets memory that is wiped when it is freed. Nothing here may
 * put a body into an error or a log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vault/api.h"

enum { WORDS_MAX_BYTES = 500 };

#define SEALED "Vault is sealed"

/* --- JSON ------------------------------------------------------------------------------------- */

static void *wiped_malloc(size_t size)
{
    size_t *p = malloc(size + 2 * sizeof *p); /* two words keep the alignment of malloc() */

    if (p == NULL) {
        return NULL;
    }
    p[0] = size;
    return p + 2;
}

static void wiped_free(void *memory)
{
    if (memory != NULL) {
        size_t *p = (size_t *)memory - 2;

        explicit_bzero(memory, p[0]);
        free(p);
    }
}

void vault_api_init(void)
{
    json_set_alloc_funcs(wiped_malloc, wiped_free);
    json_object_seed(0);
}

void vault_json_free(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

struct err *vault_json_text(const json_t *object, const char *name, const char **ret)
{
    const char *text = json_string_value(json_object_get(object, name));

    if (text == NULL || *text == '\0') {
        return err_new(ERR_PROTOCOL, "Vault's answer has no \"%s\"", name);
    }
    *ret = text;
    return NULL;
}

void vault_api_answer_deinit(struct vault_api_answer *a)
{
    vault_json_free(&a->root);
}

/* --- what an answer means ----------------------------------------------------------------------- */

/* White space of any kind becomes one space, so that words over several lines stay one clause. */
static void add_words(char *words, const char *text)
{
    size_t len = strlen(words);
    bool gap = len > 0;

    if (gap && len + 2 < WORDS_MAX_BYTES) {
        words[len++] = ';';
    }
    for (; *text != '\0' && len + 2 < WORDS_MAX_BYTES; text++) {
        if (strchr(" \t\r\n", *text) != NULL) {
            gap = len > 0;
            continue;
        }
        if (gap) {
            words[len++] = ' ';
        }
        gap = false;
        words[len++] = *text;
    }
    words[len] = '\0';
}

/* {"errors": ["...", ...]}; some answers carry data and warnings instead, which say nothing. */
static void words_at(const json_t *root, const char *name, char words[WORDS_MAX_BYTES])
{
    const json_t *list = json_object_get(root, name);

    words[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text != NULL) {
            add_words(words, text);
        }
    }
}

static void words_of(struct view body, char words[WORDS_MAX_BYTES])
{
    AUTO(vault_json_free) json_t *root = json_loadb((const char *)body.p, body.len, 0, NULL);

    words_at(root, "errors", words);
}

char *vault_api_warnings(const json_t *root)
{
    char words[WORDS_MAX_BYTES];

    words_at(root, "warnings", words);
    return words[0] != '\0' ? text_safe(view_cstr(words)) : NULL;
}

static enum err_code code_of(unsigned status, const char *words)
{
    switch (status) {
    case 400: /* OpenBao 2.7 and Vault have no 404 for a role */
        return strncasecmp(words, "unknown role", 12) == 0 ? ERR_NOT_FOUND : ERR_DENIED;
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 405:
        return ERR_UNSUPPORTED;
    case 412: /* Vault Enterprise: this node has not seen the state yet */
    case 429:
        return ERR_BUSY;
    default:
        return ERR_REMOTE;
    }
}

static struct err *refusal(unsigned status, struct view body)
{
    char words[WORDS_MAX_BYTES];
    char name[16];

    words_of(body, words);
    snprintf(name, sizeof name, "HTTP %u", status);
    if (status == 503 && strstr(words, "sealed") != NULL) {
        return err_native(ERR_REMOTE, ERR_DOMAIN_HTTP, status, name, SEALED);
    }
    if (words[0] != '\0') {
        return err_native(code_of(status, words), ERR_DOMAIN_HTTP, status, name, "Vault says: %s",
                          words);
    }
    bool page = body.len > 0 && body.p[0] == '<';

    return err_native(code_of(status, words), ERR_DOMAIN_HTTP, status, name,
                      page ? "the answer is a page for people, with status %u: that is not Vault, "
                             "but perhaps a proxy in front of it"
                           : "Vault answers with status %u and no reason",
                      status);
}

struct err *vault_api_read(unsigned status, struct view body, json_t **ret)
{
    json_error_t why;

    if (status < 200 || status > 299) {
        return refusal(status, body);
    }
    if (body.len == 0) {
        *ret = NULL;
        return NULL;
    }
    json_t *root = json_loadb((const char *)body.p, body.len, JSON_REJECT_DUPLICATES, &why);

    if (!json_is_object(root)) {
        json_decref(root);
        return err_native(ERR_PROTOCOL, ERR_DOMAIN_HTTP, status, NULL,
                          "the answer is not a JSON object: is this the address of a Vault?");
    }
    *ret = root;
    return NULL;
}

bool vault_api_is_status(const struct err *e, unsigned status)
{
    return e != NULL && err_domain(e) == ERR_DOMAIN_HTTP && err_native_code(e) == status;
}

bool vault_api_is_forbidden(const struct err *e)
{
    return vault_api_is_status(e, 403);
}

bool vault_api_is_sealed(const struct err *e)
{
    return vault_api_is_status(e, 503) && strstr(err_text(e), SEALED) != NULL;
}
