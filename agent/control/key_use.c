/*
 * A key on a token has one use: it logs in to a Vault, or it is an SSH key, unless the login says that it
 * may be both. Who gives it the other use is told so at once; else only the login would fail, later, and
 * somebody else would wonder. What cannot be known now, as the key's token is away or another change is
 * just being applied, the login says still.
 */
#include "control/resources.h"

static const char *text_at(const json_t *body, const char *object, const char *member)
{
    const json_t *spec = json_object_get(body, "spec");

    return json_string_value(
        json_object_get(object != NULL ? json_object_get(spec, object) : spec, member));
}

/* By their keys, or where those are away, by their words. */
static bool same_key(const struct control_deps *d, const char *a, const char *b)
{
    struct remote_key *of_a = NULL, *of_b = NULL;
    AUTO(err_free) struct err *no_a = remote_key_find(d->remote, a, &of_a);
    AUTO(err_free) struct err *no_b = remote_key_find(d->remote, b, &of_b);

    return text_eq(a, b) || (no_a == NULL && no_b == NULL && of_a == of_b);
}

static struct err *check_ssh_key(const struct control_deps *d, const char *key)
{
    for (size_t i = 0; d->vault != NULL && i < vault_count(d->vault); i++) {
        struct vault_status s;

        vault_status(d->vault, i, &s);
        const struct vault_conf *c = vault_conf_of(d->vault, s.name);

        if (c != NULL && c->client_key != NULL && !c->client_key_shared &&
            same_key(d, key, c->client_key)) {
            return err_new(ERR_INPUT,
                           "/spec/key: %s logs in to Vault with this key, which then fails: name "
                           "another, or say there that it may be shared (share-with-ssh)",
                           s.name);
        }
    }
    return NULL;
}

static struct err *check_login_key(const struct control_deps *d, const char *uri)
{
    struct remote_key *key = NULL;
    AUTO(err_free) struct err *away = remote_key_find(d->remote, uri, &key);

    for (size_t i = 0; away == NULL && i < identity_count(d->identities); i++) {
        const struct identity *identity = identity_at(d->identities, i);

        if (identity_public(identity) != NULL &&
            ssh_key_eq(identity_public(identity), remote_key_public(key))) {
            return err_new(ERR_INPUT,
                           "/spec/login/key: it is SSH identity %s's key, and logs in to nothing "
                           "else: name another, or say that it may be shared (share_with_ssh)",
                           identity_name(identity));
        }
    }
    return NULL;
}

struct err *control_key_use(const struct control_deps *d, enum registry_kind kind,
                            const json_t *body)
{
    const json_t *login = json_object_get(json_object_get(body, "spec"), "login");
    const char *key = text_at(body, NULL, "key"), *login_key = text_at(body, "login", "key");

    if (d->registry_is_busy != NULL && d->registry_is_busy(d->arg)) {
        return NULL;
    }
    if (kind == REGISTRY_SSH_KEY && key != NULL) {
        return check_ssh_key(d, key);
    }
    if (kind == REGISTRY_CONNECTOR && login_key != NULL &&
        !json_is_true(json_object_get(login, "share_with_ssh"))) {
        return check_login_key(d, login_key);
    }
    return NULL;
}
