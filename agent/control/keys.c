/*
 * Keys on tokens: list, find by whatever a person calls them, generate, delete, prove.
 *
 * A name that fits two keys is never decided by us: the answer names both. A key that an identity
 * uses goes only by force. Nothing here touches a private half: that is the token's.
 */
#include <event2/http.h>
#include <stdlib.h>

#include "control/resources.h"

enum {
    GENERATE_MS = 180 * 1000, /* RSA on a smart card */
    DELETE_MS = 30 * 1000,
    PROVE_MS = 30 * 1000,
    LABEL_MAX_BYTES = 255,
    ID_MAX_DIGITS = 510,
    RSA_BITS = 3072,
};

const struct control_member control_key_generate_body[] = {
    {"token", CONTROL_TEXT, false, 1, 1024},
    {"type", CONTROL_TEXT, true, 1, 16},
    {"bits", CONTROL_NUMBER, false, 2048, 4096},
    {"label", CONTROL_TEXT, true, 1, LABEL_MAX_BYTES},
    {"id", CONTROL_TEXT, false, 2, ID_MAX_DIGITS},
    {NULL, CONTROL_TEXT, false, 0, 0},
};
const char *const control_keys_list_query[] = {"token", NULL};
const char *const control_key_delete_query[] = {"force", NULL};

static bool uses(const struct identity *i, const struct remote_key *k)
{
    const struct ssh_key *public = identity_public(i);

    return identity_remote_key(i) == k ||
           (public != NULL && ssh_key_eq(public, remote_key_public(k)));
}

static json_t *users_of(const struct control_deps *d, const struct remote_key *k)
{
    json_t *names = json_array();

    for (size_t i = 0; i < identity_count(d->identities); i++) {
        const struct identity *id = identity_at(d->identities, i);

        if (uses(id, k)) {
            control_json_add(names, control_json_text(identity_name(id)));
        }
    }
    return names;
}

static bool is_used(const struct control_deps *d, const struct remote_key *k)
{
    for (size_t i = 0; i < identity_count(d->identities); i++) {
        if (uses(identity_at(d->identities, i), k)) {
            return true;
        }
    }
    return false;
}

static json_t *attributes_of(const struct remote_key_info *k)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b}", "sensitive", k->sensitive,
                     "always_sensitive", k->always_sensitive, "extractable", k->extractable,
                     "never_extractable", k->never_extractable, "local", k->local,
                     "always_authenticate", k->always_authenticate);
}

static json_t *key_json(const struct control_deps *d, const struct remote_key *k)
{
    const struct ssh_key *public = remote_key_public(k);
    char fingerprint[SSH_FINGERPRINT_BYTES];
    struct remote_key_info info;

    remote_key_info_get(k, &info);
    AUTO(auto_free) char *id = text_hex(info.id);
    AUTO(auto_free) char *line = ssh_key_line(public, info.label);

    return json_pack("{s:o, s:o, s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "id",
                     control_json_text(id), "label", control_json_text(info.label), "type",
                     ssh_key_type_word(ssh_key_type(public)), "bits",
                     (json_int_t)ssh_key_bits(public), "fingerprint",
                     ssh_key_fingerprint(public, fingerprint), "public", control_json_text(line),
                     "uri", control_json_text(info.uri), "token", control_json_text(info.token),
                     "token_serial", control_json_text(info.token_serial), "attributes",
                     attributes_of(&info), "proven", info.proven, "usable", remote_key_usable(k),
                     "problem", control_json_text(info.why_not), "identities", users_of(d, k));
}

static bool is_on(const struct remote_key *k, const struct remote_token *t)
{
    struct remote_key_info info;

    remote_key_info_get(k, &info);
    if (t->id.serial != NULL && info.token_serial != NULL &&
        !text_eq(t->id.serial, info.token_serial)) {
        return false;
    }
    return text_eq(info.token, t->name) || text_eq(info.token, t->id.label);
}

json_t *control_keys_json(const struct control_deps *d, const struct remote_token *of)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < remote_keys(d->remote); i++) {
        const struct remote_key *k = remote_key_at(d->remote, i);

        if (of == NULL || is_on(k, of)) {
            control_json_add(keys, key_json(d, k));
        }
    }
    return keys;
}

struct err *control_keys_list(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    const char *name = control_query(r, "token");
    struct remote_token t;
    size_t i;

    if (name != NULL) {
        struct err *e = remote_token_find(d->remote, name, &i);

        if (e != NULL) {
            return e;
        }
        remote_token_get(d->remote, i, &t);
    }
    control_answer(r, 200,
                   json_pack("{s:o}", "keys", control_keys_json(d, name != NULL ? &t : NULL)));
    return NULL;
}

static bool is_called(const struct remote_key *k, const char *what)
{
    char fingerprint[SSH_FINGERPRINT_BYTES];
    struct remote_key_info info;

    remote_key_info_get(k, &info);
    AUTO(auto_free) char *id = text_hex(info.id);

    return text_eq(info.label, what) || (id != NULL && strcasecmp(id, what) == 0) ||
           text_eq(ssh_key_fingerprint(remote_key_public(k), fingerprint), what);
}

static struct err *find_by_uri(struct remote *remote, const char *uri, struct remote_key **ret)
{
    struct p11_uri *parsed = NULL;
    struct err *e = p11_uri_parse(uri, &parsed);

    if (e != NULL) {
        return e;
    }
    p11_uri_free(&parsed);
    e = remote_key_find(remote, uri, ret);
    return err_is(e, ERR_INPUT) ? err_recode(e, ERR_EXISTS) : e; /* it fits more than one */
}

struct err *control_key_find(struct control_request *r, struct remote_key **ret)
{
    struct remote *remote = control_deps_of(r)->remote;
    const char *what = control_param(r, "key");
    AUTO(auto_free) char *candidates = NULL;
    size_t n = 0;

    if (strncmp(what, "pkcs11:", 7) == 0) {
        return find_by_uri(remote, what, ret);
    }
    for (size_t i = 0; i < remote_keys(remote); i++) {
        struct remote_key *k = remote_key_at(remote, i);
        AUTO(auto_free) char *before = NULL;
        struct remote_key_info info;

        if (!is_called(k, what)) {
            continue;
        }
        remote_key_info_get(k, &info);
        before = take(&candidates);
        candidates = text_fmt("%s%s%s", before != NULL ? before : "", n > 0 ? ", " : "", info.uri);
        *ret = k;
        n++;
    }
    if (n == 0) {
        return err_new(ERR_NOT_FOUND, "no key with the label, id or fingerprint %s", what);
    }
    return n == 1 ? NULL
                  : err_new(ERR_EXISTS, "%s fits %zu keys: %s", what, n,
                            candidates != NULL ? candidates : "");
}

struct err *control_key_get(struct control_request *r)
{
    struct remote_key *k = NULL;
    struct err *e = control_key_find(r, &k);

    if (e == NULL) {
        control_answer(r, 200, key_json(control_deps_of(r), k));
    }
    return e;
}

/* The token to generate on where the request names none: the only one that is ready. */
static struct err *only_token(struct remote *remote, size_t *ret_i)
{
    AUTO(auto_free) char *names = NULL;
    size_t n = 0;

    for (size_t i = 0; i < remote_tokens(remote); i++) {
        AUTO(auto_free) char *before = NULL;
        struct remote_token t;

        remote_token_get(remote, i, &t);
        if (t.state != REMOTE_TOKEN_READY) {
            continue;
        }
        before = take(&names);
        names = text_fmt("%s%s%s", before != NULL ? before : "", n > 0 ? ", " : "",
                         control_token_name(&t));
        *ret_i = i;
        n++;
    }
    if (n == 0) {
        return err_new(ERR_NOT_FOUND, "no token is ready to make a key on: `holdfast token list` "
                                      "shows their state, `holdfast token unlock` unlocks one");
    }
    return n == 1 ? NULL
                  : err_new(ERR_INPUT, "/token is missing, and there are %s",
                            names != NULL ? names : "several");
}

static struct err *read_spec(struct control_request *r, struct remote_key_spec *spec,
                             struct buf *id)
{
    const char *hex = control_text(r, "id");
    int64_t bits = control_number(r, "bits", 0);

    spec->label = control_text(r, "label");
    if (!ssh_key_type_find(control_text(r, "type"), &spec->type)) {
        return err_new(ERR_INPUT, "/type has to be rsa, p256, p384, p521 or ed25519");
    }
    if (bits != 0 && spec->type != SSH_KEY_RSA) {
        return err_new(ERR_INPUT, "/bits is for rsa only");
    }
    if (bits != 0 && bits % 1024 != 0) {
        return err_new(ERR_INPUT, "/bits has to be 2048, 3072 or 4096");
    }
    if (spec->type == SSH_KEY_RSA) {
        spec->bits = bits != 0 ? (unsigned)bits : RSA_BITS;
    }
    if (hex != NULL) {
        struct err *e = text_unhex(hex, id);

        if (e != NULL) {
            return err_add(e, "/id");
        }
        spec->id = buf_view(id);
    }
    return NULL;
}

static void on_generated(void *arg, struct err *e, struct remote_key *k)
{
    struct control_request *r = arg;
    char fingerprint[SSH_FINGERPRINT_BYTES];

    if (!control_came(r, e)) {
        return;
    }
    char *name = evhttp_uriencode(ssh_key_fingerprint(remote_key_public(k), fingerprint), -1, 0);
    AUTO(auto_free) char *path = text_fmt("/v1/keys/%s", name != NULL ? name : "");

    if (path != NULL) {
        control_header(r, "Location", path);
    }
    free(name);
    control_answer(r, 201, key_json(control_deps_of(r), k));
}

struct err *control_key_generate(struct control_request *r)
{
    struct remote *remote = control_deps_of(r)->remote;
    const char *token = control_text(r, "token");
    struct remote_key_spec spec = {0};
    AUTO(buf_deinit) struct buf id;
    size_t i = 0;

    buf_init(&id, 0);
    struct err *e = read_spec(r, &spec, &id);

    if (e == NULL) {
        e = token != NULL ? remote_token_find(remote, token, &i) : only_token(remote, &i);
    }
    if (e == NULL) {
        e = control_wait(r, GENERATE_MS, "generate a key", NULL, NULL);
    }
    if (e == NULL) {
        remote_generate(remote, i, &spec, on_generated, r);
    }
    return e;
}

static struct err *may_delete(struct control_request *r, const struct remote_key *k)
{
    const struct control_deps *d = control_deps_of(r);
    bool force = false;
    struct err *e = control_query_flag(r, "force", &force);

    if (e != NULL) {
        return e;
    }
    for (size_t i = 0; i < identity_count(d->identities) && !force; i++) {
        const struct identity *id = identity_at(d->identities, i);

        if (uses(id, k)) {
            return err_new(ERR_BUSY, "identity %s uses this key", identity_name(id));
        }
    }
    return NULL;
}

struct err *control_key_delete(struct control_request *r)
{
    struct remote_key *k = NULL;
    struct err *e = control_key_find(r, &k);

    if (e == NULL) {
        e = may_delete(r, k);
    }
    if (e == NULL) {
        e = control_wait(r, DELETE_MS, "delete a key", NULL, NULL);
    }
    if (e == NULL) {
        remote_delete(control_deps_of(r)->remote, k, control_answer_done, r);
    }
    return e;
}

static json_t *lines_of(const char *text)
{
    json_t *lines = json_array();

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        AUTO(auto_free) char *line = view_dup(view_of(text, len));

        control_json_add(lines, line != NULL ? control_json_text(line) : NULL);
        text += len + (text[len] == '\n');
    }
    return lines;
}

static void on_proven(void *arg, struct err *e, const char *text)
{
    if (control_came(arg, e)) {
        control_answer(arg, 200, json_pack("{s:o}", "lines", lines_of(text)));
    }
}

struct err *control_key_prove(struct control_request *r)
{
    struct remote_key *k = NULL;
    struct err *e = control_key_find(r, &k);

    if (e == NULL) {
        e = control_wait(r, PROVE_MS, "try to export a key", NULL, NULL);
    }
    if (e == NULL) {
        remote_try_export(control_deps_of(r)->remote, k, on_proven, r);
    }
    return e;
}

void control_key_warnings(const struct control_deps *d, json_t *warnings)
{
    for (size_t i = 0; i < remote_keys(d->remote); i++) {
        const struct remote_key *k = remote_key_at(d->remote, i);
        struct remote_key_info info;

        remote_key_info_get(k, &info);
        if (info.extractable || !info.sensitive) {
            control_warn(warnings, "key %s on %s may leave the token: %s", info.label, info.token,
                         info.extractable ? "it is extractable" : "it is not sensitive");
        } else if (!info.local && !is_used(d, k)) { /* else its identity warns */
            control_warn(warnings, "key %s on %s was made off the token: copies may exist",
                         info.label, info.token);
        }
    }
}
