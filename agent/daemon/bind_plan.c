/*
 * From the registry's SSH keys, and its logins by certificate, to what the agent should have: Vault
 * servers, tokens, identities. It is pure, JSON in and JSON out, so that what is to be done is the
 * difference of two values.
 *
 * Nothing that is declared at run time may take the name of something in holdfast.yaml, or name places
 * of secrets that its scope was not given.
 */
#include "daemon/bind_plan.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 64, HASH_DIGITS = 16 };

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */

    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3U;
    }
    return hash;
}

/* @long_name is taken. */
static char *shorten(char *long_name)
{
    if (long_name == NULL || strlen(long_name) <= NAME_MAX_BYTES) {
        return long_name;
    }
    char *name = text_fmt("%.*s.%016llx", NAME_MAX_BYTES - HASH_DIGITS - 1, long_name,
                          (unsigned long long)hash_of(long_name));

    free(long_name);
    return name;
}

char *bind_plan_name(const char *scope, const char *id, char *const *taken)
{
    const char *org = strncmp(scope, "org/", 4) == 0 ? scope + 4 : "";
    const char *project = strstr(org, "/project/");
    int org_len = (int)(project != NULL ? (size_t)(project - org) : strlen(org));
    const char *tail = project != NULL ? project + strlen("/project/") : "";
    char *name = shorten(text_fmt("%.*s%s%s%s%s", org_len, org, org_len > 0 ? "." : "", tail,
                                  tail[0] != '\0' ? "." : "", id));

    while (name != NULL && text_list_has(taken, name)) {
        char *other = shorten(text_fmt("registry.%s", name));

        free(name);
        name = other;
    }
    return name;
}

/* --- URIs: which attributes name a token, which a key on it (Spec: RFC 7512, 2.3) --- */

static bool is_of_key(const char *attribute)
{
    static const char *const names[] = {"object=", "id=", "type="};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strncmp(attribute, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The attributes of one sort, joined (caller owns; NULL: no memory). */
static char *attributes(const char *uri, bool of_key)
{
    AUTO(buf_deinit) struct buf out;
    const char *p = strncmp(uri, "pkcs11:", 7) == 0 ? uri + 7 : uri;

    buf_init(&out, 0);
    while (*p != '\0' && *p != '?') {
        size_t n = strcspn(p, ";?");

        if (n > 0 && is_of_key(p) == of_key) {
            buf_put(&out, ";", out.len > 0 ? 1 : 0);
            buf_put(&out, p, n);
        }
        p += n + (p[n] == ';' ? 1 : 0);
    }
    return out.failed ? NULL : view_dup(buf_view(&out));
}

/* A key's URI that names its token too, where it alone does not. */
static char *key_uri(const char *key, const char *token)
{
    AUTO(auto_free) char *of_key = attributes(key, true);
    AUTO(auto_free) char *of_token = attributes(key, false);
    AUTO(auto_free) char *other = token != NULL ? attributes(token, false) : NULL;

    if (of_key == NULL || of_token == NULL || other == NULL || of_token[0] != '\0' ||
        other[0] == '\0') {
        return text_copy(key);
    }
    return text_fmt("pkcs11:%s;%s", other, of_key);
}

/* The token that a URI names, NULL where it names none. */
static char *token_uri(const char *uri)
{
    AUTO(auto_free) char *of_token = attributes(uri, false);

    return of_token != NULL && of_token[0] != '\0' ? text_fmt("pkcs11:%s", of_token) : NULL;
}

/* --- parts of the plan --- */

struct plan {
    const struct bind_taken *taken;
    json_t *vaults, *tokens, *identities, *problems; /* borrowed from the result */
};

static struct err *set(json_t *object, const char *name, json_t *value)
{
    return value != NULL && json_object_set_new(object, name, value) == 0 ? NULL : err_nomem();
}

static bool has_uri(const json_t *tokens, const char *uri)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)tokens, name, value)
    {
        if (text_eq(json_string_value(value), uri)) {
            return true;
        }
    }
    return false;
}

/* The name says what it is to people and stays as long as the URI does. */
static struct err *add_token(struct plan *p, const char *uri, const json_t *pin)
{
    AUTO(auto_free) char *name = text_fmt("registry-%016llx", (unsigned long long)hash_of(uri));

    if (name == NULL) {
        return err_nomem();
    }
    if (has_uri(p->taken->tokens, uri)) {
        return NULL;
    }
    if (json_object_get(p->tokens, name) == NULL) {
        struct err *e = set(p->tokens, name, json_pack("{s:s, s:[]}", "uri", uri, "pins"));

        if (e != NULL) {
            return e;
        }
    }
    json_t *pins = json_object_get(json_object_get(p->tokens, name), "pins");

    for (size_t i = 0; i < json_array_size(pins); i++) {
        if (json_equal(json_array_get(pins, i), pin)) {
            return NULL;
        }
    }
    return pin == NULL || json_array_append(pins, (json_t *)(uintptr_t)pin) == 0 ? NULL
                                                                                 : err_nomem();
}

/* @ret_key: the key's URI with its token (caller owns). DENIED, NOT_FOUND: what is wrong with it */
static struct err *plan_token(struct plan *p, const json_t *key, char **ret_key)
{
    const json_t *spec = json_object_get(key, "spec");
    const json_t *pin = json_object_get(spec, "pin");
    const char *token = text_of(spec, "token");
    bool by_name = token != NULL && strncmp(token, "pkcs11:", 7) != 0;
    struct err *e =
        registry_allowed_check(&p->taken->allowed, REGISTRY_SSH_KEY, text_of(key, "scope"), spec);

    if (e != NULL) {
        return e;
    }
    if (by_name) {
        token = json_string_value(json_object_get(p->taken->tokens, token));
        if (token == NULL) {
            return err_new(ERR_NOT_FOUND, "no token '%s' in holdfast.yaml", text_of(spec, "token"));
        }
    }
    *ret_key = key_uri(text_of(spec, "key"), token);
    AUTO(auto_free) char *uri = *ret_key != NULL && !by_name ? token_uri(*ret_key) : NULL;

    if (*ret_key == NULL) {
        return err_nomem();
    }
    return uri != NULL ? add_token(p, uri, pin) : NULL;
}

static json_t *or_null(const json_t *o, const char *name)
{
    json_t *value = json_object_get(o, name);

    return value != NULL ? json_incref(value) : json_null();
}

static json_t *principals_of(const json_t *spec, const json_t *credentials)
{
    json_t *given = json_object_get(credentials, "principals");

    return given != NULL ? json_incref(given) : json_pack("[s]", text_of(spec, "user_name"));
}

static struct err *plan_vault(struct plan *p, const json_t *item, char **ret_name)
{
    const json_t *connector = json_object_get(item, "connector");
    struct err *e =
        registry_allowed_check(&p->taken->allowed, REGISTRY_CONNECTOR, text_of(connector, "scope"),
                               json_object_get(connector, "spec"));

    if (e != NULL) {
        return err_add(e, "its connector %s of %s", text_of(connector, "identifier"),
                       text_of(connector, "scope"));
    }
    *ret_name = bind_plan_name(text_of(connector, "scope"), text_of(connector, "identifier"),
                               p->taken->signers);
    if (*ret_name == NULL) {
        return err_nomem();
    }
    if (json_object_get(p->vaults, *ret_name) != NULL) {
        return NULL;
    }
    return set(p->vaults, *ret_name,
               json_pack("{s:o, s:o}", "connector", or_null(connector, "spec"), "certificate",
                         or_null(json_object_get(item, "certificate"), "spec")));
}

/* What a certificate of the key is asked for with; new reference, or null. */
static struct err *plan_want(struct plan *p, const json_t *item, json_t **ret_want,
                             json_t **ret_place)
{
    const json_t *spec = json_object_get(json_object_get(item, "ssh_key"), "spec");
    const json_t *c = json_object_get(spec, "credentials");
    const json_t *manager = json_object_get(json_object_get(item, "secrets_manager"), "spec");
    const json_t *connector = json_object_get(json_object_get(item, "connector"), "spec");
    const char *role = text_of(c, "role");
    AUTO(auto_free) char *vault = NULL;

    *ret_want = json_null();
    *ret_place = json_null();
    if (!text_eq(text_of(c, "type"), "vault-ssh")) {
        return NULL;
    }
    role = role != NULL ? role : text_of(manager, "default_role");
    if (role == NULL) {
        return err_new(ERR_INPUT, "it names no role, and its secrets manager no default_role");
    }
    struct err *e = plan_vault(p, item, &vault);

    if (e != NULL) {
        return e;
    }
    *ret_place = json_pack("{s:o, s:o}", "addresses", or_null(connector, "addresses"), "namespace",
                           or_null(connector, "namespace"));
    *ret_want =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "vault", vault, "mount",
                  text_of(manager, "mount"), "role", role, "issuer", or_null(c, "issuer"),
                  "principals", principals_of(spec, c), "ttl", or_null(c, "ttl"), "extensions",
                  or_null(c, "extensions"), "critical_options", or_null(c, "critical_options"));
    return *ret_want != NULL && *ret_place != NULL ? NULL : err_nomem();
}

static const char *offer_of(const json_t *spec)
{
    const char *offer = text_of(spec, "offer");
    const char *type = text_of(json_object_get(spec, "credentials"), "type");

    return offer != NULL ? offer : text_eq(type, "key") ? "key" : "certificate";
}

static struct err *plan_identity(struct plan *p, const json_t *item, const char *name)
{
    const json_t *key = json_object_get(item, "ssh_key");
    const json_t *spec = json_object_get(key, "spec");
    AUTO(auto_free) char *uri = NULL;
    json_t *want = NULL, *place = NULL;
    struct err *e = plan_token(p, key, &uri);

    if (e == NULL) {
        e = plan_want(p, item, &want, &place);
    }
    if (e != NULL) {
        json_decref(want);
        json_decref(place);
        return e;
    }
    return set(p->identities, name,
               json_pack("{s:s, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o}", "scope",
                         text_of(key, "scope"), "id", text_of(key, "identifier"), "tags",
                         or_null(key, "tags"), "key", uri, "public_key",
                         or_null(json_object_get(spec, "credentials"), "public_key"), "offer",
                         offer_of(spec), "renewal", or_null(spec, "renewal"), "place", place,
                         "want", want));
}

static struct err *plan_item(struct plan *p, const json_t *item)
{
    const json_t *key = json_object_get(item, "ssh_key");
    AUTO(auto_free) char *name =
        bind_plan_name(text_of(key, "scope"), text_of(key, "identifier"), p->taken->identities);
    AUTO(err_free) struct err *e = name != NULL ? plan_identity(p, item, name) : err_nomem();

    if (e == NULL || err_is(e, ERR_NOMEM)) {
        return take(&e);
    }
    return set(p->problems, name, json_string(err_text(e)));
}

char *bind_plan_login_name(const json_t *login, char *const *taken)
{
    const json_t *c = json_object_get(login, "connector");
    AUTO(auto_free) char *name =
        bind_plan_name(text_of(c, "scope"), text_of(c, "identifier"), taken);

    return name != NULL ? text_fmt("connector %s", name) : NULL;
}

static struct err *plan_login(struct plan *p, const json_t *login)
{
    AUTO(auto_free) char *vault = NULL;
    AUTO(err_free) struct err *e = plan_vault(p, login, &vault);
    AUTO(auto_free) char *name = bind_plan_login_name(login, p->taken->signers);

    if (e == NULL || err_is(e, ERR_NOMEM)) {
        return take(&e);
    }
    return name != NULL ? set(p->problems, name, json_string(err_text(e))) : err_nomem();
}

struct err *bind_plan_make(const json_t *items, const json_t *logins,
                           const struct bind_taken *taken, json_t **ret)
{
    json_t *made =
        json_pack("{s:{}, s:{}, s:{}, s:{}}", "vaults", "tokens", "identities", "problems");
    struct plan p = {.taken = taken,
                     .vaults = json_object_get(made, "vaults"),
                     .tokens = json_object_get(made, "tokens"),
                     .identities = json_object_get(made, "identities"),
                     .problems = json_object_get(made, "problems")};
    struct err *e = made != NULL ? NULL : err_nomem();

    for (size_t i = 0; e == NULL && i < json_array_size(items); i++) {
        e = plan_item(&p, json_array_get(items, i));
    }
    for (size_t i = 0; e == NULL && i < json_array_size(logins); i++) {
        e = plan_login(&p, json_array_get(logins, i));
    }
    if (e != NULL) {
        json_decref(made);
        return e;
    }
    *ret = made;
    return NULL;
}

/* --- what is to be done --- */

static char **names_where(const json_t *from, const json_t *to, const char *part, bool differs)
{
    json_t *list = json_object_get(from, part);
    const json_t *others = json_object_get(to, part);
    char **names = NULL;
    const char *name;
    json_t *value;

    json_object_foreach(list, name, value)
    {
        const json_t *other = json_object_get(others, name);

        if ((other == NULL || (differs && !json_equal(other, value))) &&
            !text_list_add(&names, name)) {
            text_list_free(&names);
            return NULL;
        }
    }
    return names;
}

char **bind_plan_put(const json_t *before, const json_t *after, const char *part)
{
    return names_where(after, before, part, true);
}

char **bind_plan_gone(const json_t *before, const json_t *after, const char *part)
{
    return names_where(before, after, part, false);
}

static bool shares_address(const json_t *a, const json_t *b)
{
    for (size_t i = 0; i < json_array_size(a); i++) {
        for (size_t k = 0; k < json_array_size(b); k++) {
            if (json_equal(json_array_get(a, i), json_array_get(b, k))) {
                return true;
            }
        }
    }
    return false;
}

bool bind_plan_is_elsewhere(const json_t *identity_before, const json_t *identity_after)
{
    const json_t *a = json_object_get(identity_before, "place");
    const json_t *b = json_object_get(identity_after, "place");

    if (!json_is_object(a) || !json_is_object(b)) {
        return false;
    }
    return !json_equal(json_object_get(a, "namespace"), json_object_get(b, "namespace")) ||
           !shares_address(json_object_get(a, "addresses"), json_object_get(b, "addresses"));
}
