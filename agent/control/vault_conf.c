/*
 * A connector's spec, as registry/kind_connector.c describes it, in the words of vault/. Nothing is
 * read from files here: holdfast-vault does that. It is here because this is the lowest folder that
 * knows both registry/ and vault/.
 */
#include "control/control.h"

enum { MINUTE_S = 60 };

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static struct err *copy_texts(const json_t *array, size_t from, char ***ret)
{
    AUTO(text_list_free) char **list = NULL;

    for (size_t i = from; i < json_array_size(array); i++) {
        if (!text_list_add(&list, json_string_value(json_array_get(array, i)))) {
            return err_nomem();
        }
    }
    *ret = take(&list);
    return NULL;
}

static bool flag_of(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

void control_vault_defaults(struct vault_conf *c)
{
    if (c->login_mount == NULL) {
        c->login_mount = c->login == VAULT_LOGIN_TOKEN_KEY ? "jwt" : vault_login_name(c->login);
    }
}

static struct err *put_login(const json_t *login, struct vault_conf *c)
{
    if (!vault_login_find(text_of(login, "method"), &c->login)) {
        return err_new(ERR_UNSUPPORTED, "this agent knows no login method '%s'",
                       text_of(login, "method"));
    }
    c->login_mount = text_of(login, "mount");
    c->role = text_of(login, "role");
    c->token_file = text_of(login, "token_file");
    c->token_wrapped = flag_of(login, "token_wrapped");
    c->role_id_file = text_of(login, "role_id_file");
    c->secret_id_file = text_of(login, "secret_id_file");
    c->secret_id_wrapped = flag_of(login, "secret_id_wrapped");
    c->wrapping_path = text_of(login, "wrapping_path");
    c->jwt_file = text_of(login, "jwt_file");
    c->user = text_of(login, "user");
    c->password_file = text_of(login, "password_file");
    c->client_key = text_of(login, "key");
    c->pki_role = text_of(login, "pki_role");
    c->pki_mount = text_of(login, "pki_mount");
    c->pki_mount = c->pki_mount == NULL && c->pki_role != NULL ? "pki" : c->pki_mount;
    c->client_key_shared = flag_of(login, "share_with_ssh");
    c->jwt_audience = text_of(login, "audience");
    c->jwt_issuer = text_of(login, "issuer");
    c->jwt_subject = text_of(login, "subject");
    c->revoke_on_stop = flag_of(login, "revoke_on_stop");
    control_vault_defaults(c);
    return NULL;
}

struct err *control_vault_conf(const json_t *connector, const json_t *certificate,
                               const struct secret *token, struct vault_conf *ret, char ***ret_more)
{
    const json_t *addresses = json_object_get(connector, "addresses");
    const json_t *login = json_object_get(connector, "login");
    json_int_t minutes = json_integer_value(json_object_get(connector, "renewal_interval_minutes"));
    struct vault_conf c = {
        .name = "connector",
        .address = json_string_value(json_array_get(addresses, 0)),
        .server_name = text_of(connector, "server_name"),
        .namespace_ = text_of(connector, "namespace"),
        .ca_pem = text_of(certificate, "pem"),
        .token = token,
        .proxy = text_of(connector, "proxy"),
        .no_proxy = text_of(connector, "no_proxy"),
        .request_timeout_ms = json_integer_value(json_object_get(connector, "timeout_s")) * 1000,
        .renew_by_interval = true,
        .renew_interval_s = minutes * MINUTE_S,
    };

    if (text_of(login, "token_environment") != NULL && token == NULL) {
        return err_new(ERR_UNSUPPORTED, "the agent's environment has no variable %s",
                       text_of(login, "token_environment"));
    }
    struct err *e = put_login(login, &c);

    if (e == NULL) {
        e = copy_texts(addresses, 1, ret_more);
    }
    if (e == NULL) {
        c.addresses = *ret_more;
        *ret = c;
    }
    return e;
}
