/*
 * holdfast.yaml: a whole file is read as it stands; each thing that can be wrong is told with line
 * and key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"

static const char whole[] = "agent: {socket: /run/x/agent.sock, log: info}\n"        /* 1 */
                            "modules:\n"                                             /* 2 */
                            "  - {name: soft, path: /usr/lib/soft.so}\n"             /* 3 */
                            "tokens:\n"                                              /* 4 */
                            "  - name: mine\n"                                       /* 5 */
                            "    uri: pkcs11:token=mine\n"                           /* 6 */
                            "    pin:\n"                                             /* 7 */
                            "      - file: /etc/pin\n"                               /* 8 */
                            "      - askpass: yes\n"                                 /* 9 */
                            "signers:\n"                                             /* 10 */
                            "  - name: vault\n"                                      /* 11 */
                            "    vault:\n"                                           /* 12 */
                            "      address: https://vault:8200\n"                    /* 13 */
                            "      login: {method: token, token-file: /etc/token}\n" /* 14 */
                            "  - name: lab\n"                                        /* 15 */
                            "    ca:\n"                                              /* 16 */
                            "      key: pkcs11:object=ca\n"                          /* 17 */
                            "      roles: [{name: users, principals: [alice]}]\n"    /* 18 */
                            "identities:\n"                                          /* 19 */
                            "  - name: web\n"                                        /* 20 */
                            "    key: pkcs11:object=web\n"                           /* 21 */
                            "    offer: both\n"                                      /* 22 */
                            "    certificates:\n"                                    /* 23 */
                            "      - signer: vault\n"                                /* 24 */
                            "        mount: ssh\n"                                   /* 25 */
                            "        role: users\n"                                  /* 26 */
                            "        principals: [alice, bob]\n"                     /* 27 */
                            "        ttl: 5m\n"                                      /* 28 */
                            "        extensions: [permit-pty]\n"                     /* 29 */
                            "sockets:\n"                                             /* 30 */
                            "  - path: /run/x/web.sock\n"                            /* 31 */
                            "    scope: org/acme/project/web\n"                      /* 32 */
                            "    tags: [prod]\n"                                     /* 33 */
                            "    users: [root, 4711]\n"                              /* 34 */
                            "registry:\n"                                            /* 35 */
                            "  store: vault-kv\n"                                    /* 36 */
                            "  vault-kv: {signer: vault, mount: secret}\n"           /* 37 */
                            "grants:\n"                                              /* 38 */
                            "  - {user: root, scope: account, right: operator}\n"    /* 39 */
                            "  - gid: 4711\n"                                        /* 40 */
                            "    scope: org/acme\n"                                  /* 41 */
                            "    right: viewer\n";                                   /* 42 */

/* Load @text from a file; the error, or NULL with the configuration. */
static struct err *load(const char *text, struct config **ret)
{
    char path[] = "/tmp/hf-config-XXXXXX";
    AUTO(auto_close) int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    struct err *e = config_load(path, ret);

    unlink(path);
    return e;
}

static void test_whole_file(void **state)
{
    AUTO(config_free) struct config *c = NULL;
    AUTO(err_free) struct err *e = load(whole, &c);

    (void)state;
    assert_string_equal(err_text(e), "");
    assert_string_equal(c->agent.socket, "/run/x/agent.sock");
    assert_non_null(c->agent.control);
    assert_int_equal(c->tokens[0].pin_count, 2);
    assert_true(c->tokens[0].pin[1].askpass);
    assert_string_equal(c->signers[0].vault->timeout, "10s");
    assert_string_equal(c->signers[1].ca->roles[0].principals[0], "alice");
    assert_int_equal(c->identities[0].offer, CONFIG_OFFER_BOTH);
    assert_int_equal(c->identities[0].certificates[0].principals_count, 2);
    assert_string_equal(c->sockets[0].scope, "org/acme/project/web");
    assert_string_equal(c->sockets[0].tags[0], "prod");
    assert_string_equal(c->sockets[0].users[1], "4711");
    assert_false(c->registry.disabled);
    assert_non_null(strstr(c->registry.path, "/registry-copy.sqlite3"));
    assert_int_equal(c->registry.store, CONFIG_STORE_VAULT_KV);
    assert_string_equal(c->registry.kv->prefix, "holdfast");
    assert_int_equal(c->grants_count, 2);
    assert_false(c->grants[0].is_group);
    assert_int_equal(c->grants[0].id, 0);
    assert_int_equal(c->grants[0].right, CONFIG_RIGHT_OPERATOR);
    assert_true(c->grants[1].is_group);
    assert_int_equal(c->grants[1].id, 4711);
}

static void test_empty_file(void **state)
{
    AUTO(config_free) struct config *c = NULL;
    AUTO(err_free) struct err *e = load("# nothing yet\n", &c);

    (void)state;
    assert_string_equal(err_text(e), "");
    assert_int_equal(c->identities_count, 0);
    assert_string_equal(c->agent.log, "note");
    assert_false(c->registry.disabled);
    assert_int_equal(c->registry.store, CONFIG_STORE_SQLITE);
    assert_non_null(strstr(c->registry.path, "/registry.sqlite3"));
}

/* @from in the whole file becomes @to; the error must be on @line and have @words. */
static const struct wrong {
    const char *from, *to;
    unsigned line;
    const char *words;
} wrongs[] = {
    {"log: info", "log: loud", 1, "'loud'"},
    {"agent: {socket", "agnet: {socket", 1, "unknown key 'agnet'"},
    {"path: /usr", "path: usr", 3, "absolute"},
    {"{name: soft, path", "{name: -soft, path", 3, "no name"},
    {"    uri: pkcs11:token=mine\n", "", 5, "key 'uri' is missing in tokens[0]"},
    {"pkcs11:token=mine", "token=mine", 6, "tokens[0].uri"},
    {"pkcs11:token=mine", "pkcs11:token=mine?pin-value=1", 6, "pin-value"},
    {"    pin:\n", "    pni:\n", 7, "unknown key 'pni' in tokens[0]"},
    {"- file: /etc/pin", "- file: etc/pin", 8, "the PIN itself does not belong here"},
    {"- file: /etc/pin", "- {file: /etc/pin, askpass: yes}", 8, "exactly one"},
    {"askpass: yes", "askpass: maybe", 9, "askpass"},
    {"https://vault", "http://vault", 13, "https://"},
    {"method: token,", "method: magic,", 14, "magic"},
    {"token-file: /etc/token", "mount: x", 14, "no key of method token, but of approle, cert"},
    {"token-file: /etc/token", "token-file: hunter2", 14, "absolute path of a file that holds it"},
    {"token-file: /etc/token", "token: hunter2", 14,
     "no secret belongs in this file: token-file or"},
    {"token-file: /etc/token", "token-environment: hvs.x", 14, "name of a variable"},
    {"token-file: /etc/token", "token-file: /a, token-environment: A", 14, "exclude each other"},
    {"token-file: /etc/token", "wrapping-path: a/b", 14, "needs token-wrapped"},
    {"method: token, token-file: /etc/token", "method: jwt, role: r", 14, "needs jwt-file"},
    {"method: token, token-file: /etc/token", "method: jwt, role: r, jwt: x", 14,
     "jwt-file says where"},
    {"method: token, token-file: /etc/token", "method: kubernetes", 14, "kubernetes needs role"},
    {"method: token, token-file: /etc/token", "method: userpass, user: u", 14,
     "needs password-file"},
    {"method: token, token-file: /etc/token", "method: cert", 14, "cert needs key"},
    {"method: token, token-file: /etc/token", "method: cert, key: k", 14, "vault.login.key"},
    {"method: token, token-file: /etc/token", "method: approle, role-id: x", 14,
     "role-id-file says where"},
    {"https://vault:8200\n", "https://vault:8200\n      proxy: http://u:p@x\n", 14, "proxy"},
    {"https://vault:8200\n", "https://vault:8200\n      addresses: [http://b]\n", 14, "https://"},
    {"name: lab", "name: vault", 15, "signers[0]"},
    {"principals: [alice]}", "ttl: 5m}", 18, "principals"},
    {"offer: both", "offer: all", 22, "offer"},
    {"    key: pkcs11:object=web\n", "    key: pkcs11:object=web\n    key: x\n", 22, "twice"},
    {"signer: vault", "signer: walt", 24, "no signer 'walt'"},
    {"        mount: ssh\n", "", 24, "mount"},
    {"        principals: [alice, bob]\n", "", 24, "principals"},
    {"[alice, bob]", "[\"alice,bob\"]", 27, "comma"},
    {"ttl: 5m\n", "ttl: soon\n", 28, "no duration"},
    {"ttl: 5m\n", "ttl: 0s\n", 28, "longer than 0"},
    {"extensions: [permit-pty]", "extensions: permit-pty", 29, "has to be a list"},
    {"extensions: [permit-pty]", "extensions: [permit-pty, role]", 29, "nothing can stand beside"},
    {"extensions: [permit-pty]", "extensions: []", 29, "extensions"},
    {"extensions: [permit-pty]", "extensions: [permit-pty", 30, "not YAML"},
    {"path: /run/x/web", "path: run/x/web", 31, "absolute"},
    {"path: /run/x/web.sock", "path: /run/x/agent.sock", 31, "also a socket of agent"},
    {"scope: org/acme/project/web", "scope: org/acme/web", 32, "sockets[0].scope"},
    {"tags: [prod]\n", "tags: [prod]\n  - path: /run/x/web.sock\n", 34, "also sockets[0]"},
    {"[root, 4711]", "[root, no-such-user-here]", 34, "no user 'no-such-user-here'"},
    {"[root, 4711]", "[]", 34, "users"},
    {"registry:\n", "registry:\n  enabled: perhaps\n", 36, "enabled"},
    {"registry:\n", "registry:\n  path: here\n", 36, "absolute"},
    {"store: vault-kv", "store: redis", 36, "store"},
    {"  store: vault-kv\n", "", 36, "go together"},
    {"  vault-kv: {signer: vault, mount: secret}\n", "", 36, "go together"},
    {"signer: vault, mount: secret", "signer: lab, mount: secret", 37, "no vault 'lab'"},
    {"signer: vault, mount: secret", "signer: vault", 37, "'mount' is missing"},
    {"registry:\n", "registry:\n  secret-folders: [{scope: org/x}]\n", 36, "'path' is missing"},
    {"registry:\n", "registry:\n  secret-folders: [{scope: x, path: /}]\n", 36, "folders[0].scope"},
    {"registry:\n", "registry:\n  secret-folders: [{scope: org/x, path: a}]\n", 36, "absolute"},
    {"registry:\n", "registry:\n  secret-folders: [{scope: org/x, path: /tmp}]\n", 36,
     "written to by others"},
    {"registry:\n", "registry:\n  login-keys: [{scope: org/x, key: x}]\n", 36, "login-keys[0].key"},
    {"user: root", "user: no-such-user-here", 39, "no user 'no-such-user-here'"},
    {"user: root", "group: no-such-group-here", 39, "no group 'no-such-group-here'"},
    {"user: root", "user: root, uid: 0", 39, "exactly one"},
    {"{user: root, scope", "{scope", 39, "exactly one"},
    {"user: root", "uid: -1", 39, "'-1' is no number"},
    {"right: operator", "right: owner", 39, "right"},
    {"gid: 4711", "gid: 4294967295", 40, "no number of a group"},
    {"scope: org/acme\n", "scope: org/Acme\n", 41, "grants[1].scope"},
};

static char *replaced(const struct wrong *w)
{
    const char *at = strstr(whole, w->from);

    assert_non_null(at);
    return text_fmt("%.*s%s%s", (int)(at - whole), whole, w->to, at + strlen(w->from));
}

static void test_each_wrong_thing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        AUTO(auto_free) char *text = replaced(&wrongs[i]);
        AUTO(auto_free) char *line = text_fmt(":%u: ", wrongs[i].line);
        AUTO(config_free) struct config *c = NULL;
        AUTO(err_free) struct err *e = load(text, &c);

        if (!err_is(e, ERR_INPUT) || strstr(err_text(e), line) == NULL ||
            strstr(err_text(e), wrongs[i].words) == NULL) {
            fail_msg("'%s': wanted%s'%s', got: %s", wrongs[i].to, line, wrongs[i].words,
                     err_text(e));
        }
    }
}

static void test_each_login_method(void **state)
{
    static const char *const logins[] = {
        "method: token",
        "method: token, token-file: /w, token-wrapped: yes, wrapping-path: auth/token/create",
        "method: token, token-environment: VAULT_TOKEN",
        "method: approle, role-id-file: /r, secret-id-file: /s, revoke-on-stop: yes",
        "method: cert, key: \"pkcs11:object=login\", role: machines, share-with-ssh: yes",
        "method: jwt, role: r, jwt-file: /j, mount: oidc",
        "method: kubernetes, role: r",
        "method: userpass, user: u, password-file: /p",
        "method: token-key, role: r, key: \"pkcs11:object=login\", audience: a, issuer: i, "
        "subject: s",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
        const struct wrong w = {.from = "method: token, token-file: /etc/token", .to = logins[i]};
        AUTO(auto_free) char *text = replaced(&w);
        AUTO(config_free) struct config *c = NULL;
        AUTO(err_free) struct err *e = load(text, &c);

        assert_string_equal(err_text(e), "");
    }
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(whole); len++) {
        AUTO(auto_free) char *text = strndup(whole, len);
        AUTO(config_free) struct config *c = NULL;
        AUTO(err_free) struct err *e = load(text, &c);

        assert_true(e != NULL ? err_is(e, ERR_INPUT) && c == NULL : c != NULL);
    }
}

static void test_missing_file_says_how_to_make_one(void **state)
{
    AUTO(config_free) struct config *c = NULL;
    AUTO(err_free) struct err *e = config_load("/nonexistent/holdfast.yaml", &c);

    (void)state;
    assert_true(err_is(e, ERR_NOT_FOUND));
    assert_non_null(strstr(err_text(e), "holdfast init"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_each_wrong_thing),
        cmocka_unit_test(test_each_login_method),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_missing_file_says_how_to_make_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
