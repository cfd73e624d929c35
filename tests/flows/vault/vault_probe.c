/*
 * vault_probe: the agent's Vault client in a program of its own, for the tests next to it.
 *
 * Each argument after the helper's path configures one server, as "name=web,address=https://...";
 * then each line of standard input is a command of such pairs, and is answered by one line of JSON:
 *   sign,server=0,mount=ssh,role=web,principals=a+b,key=FILE,n=1,...   n requests at once, and one
 *                   to another server with also=1; results come in the order of the answers
 *   cancel,...      as sign, but taken back at once
 *                   with then=put, or then=remove, that is done while they are under way
 *   put,name=...    add or replace a server, with the settings of an argument; remove,name=...
 *   status
 *   check, mounts, kv-...   see probe_look.c
 *   token, asked    see probe_key.h
 * A server is a place in the list, or a name. A token may be given as token_env=NAME, an environment variable that is emptied.
 */
#include "probe_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vault/conf.h"

enum { OPTIONS_MAX = 8, REQUESTS_MAX = 200 };

static struct fields cut(char *line)
{
    struct fields f = {0};

    for (char *p = strtok(line, ",\n"); p != NULL && f.n < FIELDS_MAX; p = strtok(NULL, ",\n")) {
        char *equals = strchr(p, '=');

        f.name[f.n] = p;
        f.value[f.n] = equals != NULL ? equals + 1 : "";
        if (equals != NULL) {
            *equals = '\0';
        }
        f.n++;
    }
    return f;
}

const char *probe_find(const struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->name[i], name) == 0) {
            return f->value[i];
        }
    }
    return NULL;
}

long probe_number(const struct fields *f, const char *name, long otherwise)
{
    const char *text = probe_find(f, name);

    return text != NULL ? strtol(text, NULL, 10) : otherwise;
}

static void die(struct err *e)
{
    fprintf(stderr, "vault_probe: %s\n", err_text(e));
    exit(2);
}

static void must(struct err *e)
{
    if (e != NULL) {
        die(e);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

json_t *probe_error(const struct err *e)
{
    json_t *clauses = json_array();

    for (size_t i = 0; i < err_clauses(e); i++) {
        json_array_append_new(clauses, json_string(err_clause(e, i)));
    }
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "code", err_code_name(err_code(e)), "domain",
                     err_domain_name(err_domain(e)), "native", (int)err_native_code(e), "name",
                     err_native_name(e), "text", err_text(e), "clauses", clauses);
}

void probe_done(struct probe *p, json_t *result)
{
    json_array_append_new(p->results, result);
    if (--p->open == 0) {
        io_loop_stop(p->loop);
    }
}

void probe_wait(struct probe *p)
{
    if (p->open > 0) {
        must(io_loop_run(p->loop));
    }
}

static void on_reply(void *arg, struct err *e, const struct signer_answer *answer)
{
    struct probe *p = arg;
    json_t *result = e != NULL
                         ? json_pack("{s:o}", "error", probe_error(e))
                         : json_pack("{s:s%, s:s, s:I, s:b, s:b}", "cert", answer->cert_line.p,
                                     answer->cert_line.len, "request_id", answer->request_id,
                                     "skew_s", (json_int_t)answer->skew_s, "has_skew",
                                     answer->has_skew, "role_chose", answer->role_chose);

    err_free(&e);
    probe_done(p, result);
}

static char **split(const char *text)
{
    char **list = NULL;
    char *copy = text_copy(text != NULL ? text : "");

    for (char *s = strtok(copy, "+"); s != NULL; s = strtok(NULL, "+")) {
        text_list_add(&list, s);
    }
    free(copy);
    return list;
}

/* "permit-pty+force-command:ls"; NULL for NULL; names and values live in @names */
static struct ssh_cert_option *options(char **names, struct ssh_cert_option *list)
{
    for (size_t i = 0; names != NULL && names[i] != NULL && i < OPTIONS_MAX; i++) {
        char *colon = strchr(names[i], ':');

        list[i].name = names[i];
        list[i].value = colon != NULL ? colon + 1 : "";
        if (colon != NULL) {
            *colon = '\0';
        }
    }
    return list;
}

static struct ssh_key *read_key(const char *path)
{
    struct buf text;
    struct ssh_key *key = NULL;

    buf_init(&text, 0);
    must(file_read(path, 16384, &text));
    buf_put_u8(&text, 0);
    text.data[strcspn((char *)text.data, "\n")] = '\0';
    must(ssh_key_from_line((char *)text.data, &key));
    buf_deinit(&text);
    return key;
}

/* A place in the list, or a name; NULL: the first. */
static const struct signer *find_signer(const struct probe *p, const char *text)
{
    size_t i = text != NULL ? strtoul(text, NULL, 10) : 0;

    if (text != NULL && strspn(text, "0123456789") < strlen(text)) {
        for (i = 0; i < SIGNERS_MAX; i++) {
            if (p->signers[i] != NULL && strcmp(p->signers[i]->name, text) == 0) {
                break;
            }
        }
    }
    if (i >= SIGNERS_MAX || p->signers[i] == NULL) {
        die(err_new(ERR_INPUT, "no server %s", text != NULL ? text : "0"));
    }
    return p->signers[i];
}

static struct err *put(struct probe *p, const struct fields *f)
{
    struct vault_conf conf = probe_conf(f);
    const struct signer *signer = NULL;
    struct err *e = vault_put(p->vault, &conf, &signer);
    size_t i = 0;

    while (e == NULL && p->signers[i] != NULL && p->signers[i]->self != signer->self) {
        i++;
    }
    if (e == NULL) {
        p->signers[i] = signer;
    }
    probe_conf_deinit(&conf);
    return e;
}

static void forget(struct probe *p, const char *name)
{
    size_t i = 0;

    while (p->signers[i] != find_signer(p, name)) {
        i++;
    }
    vault_remove(p->vault, name);
    for (; p->signers[i] != NULL; i++) {
        p->signers[i] = p->signers[i + 1];
    }
}

static void change(struct probe *p, const struct fields *f, const char *how)
{
    if (strcmp(how, "remove") == 0) {
        forget(p, probe_find(f, "name"));
    } else {
        must(put(p, f));
    }
}

static void send_all(struct probe *p, const struct fields *f, const struct signer_request *request)
{
    const struct signer *signer = find_signer(p, probe_find(f, "server"));
    uint64_t handle[REQUESTS_MAX] = {0};
    long n = probe_number(f, "n", 1);
    bool cancel = strcmp(f->name[0], "cancel") == 0;

    p->open = n;
    for (long i = 0; i < n && i < REQUESTS_MAX; i++) {
        handle[i] = signer->ops->sign(signer->self, request,
                                      mono_in(probe_number(f, "deadline_ms", 20000)), on_reply, p);
    }
    if (probe_find(f, "also") != NULL) {
        signer = find_signer(p, probe_find(f, "also"));
        p->open++;
        signer->ops->sign(signer->self, request, mono_in(probe_number(f, "deadline_ms", 20000)),
                          on_reply, p);
    }
    for (long i = 0; cancel && i < n && i < REQUESTS_MAX; i++) {
        signer->ops->cancel(signer->self, handle[i]);
        p->open -= handle[i] != 0;
    }
    if (probe_find(f, "then") != NULL) {
        change(p, f, probe_find(f, "then"));
    }
    probe_wait(p);
}

static void sign(struct probe *p, const struct fields *f)
{
    struct ssh_cert_option critical[OPTIONS_MAX + 1] = {0}, extensions[OPTIONS_MAX + 1] = {0};
    char **critical_names = split(probe_find(f, "critical"));
    char **extension_names = split(probe_find(f, "extensions"));
    char **principals = split(probe_find(f, "principals"));
    const char *kind = probe_find(f, "kind");
    struct ssh_key *key = read_key(probe_find(f, "key"));
    struct signer_request request = {
        .key = key,
        .kind = kind != NULL && strcmp(kind, "host") == 0 ? SSH_CERT_HOST : SSH_CERT_USER,
        .mount = probe_find(f, "mount"),
        .role = probe_find(f, "role"),
        .issuer_ref = probe_find(f, "issuer_ref"),
        .key_id = probe_find(f, "key_id"),
        .principals = principals,
        .ttl_s = probe_number(f, "ttl", 0),
        .critical = probe_find(f, "critical") != NULL ? options(critical_names, critical) : NULL,
        .extensions =
            probe_find(f, "extensions") != NULL ? options(extension_names, extensions) : NULL,
        .role_may_choose = probe_find(f, "role_may_choose") != NULL,
    };

    send_all(p, f, &request);
    text_list_free(&critical_names);
    text_list_free(&extension_names);
    text_list_free(&principals);
    ssh_key_free(&key);
}

static void status(struct probe *p)
{
    static const char *const states[] = {"never-used", "ok", "failing"};
    struct io_helper_status helper;

    vault_helper_status(p->vault, &helper);
    for (size_t i = 0; i < vault_count(p->vault); i++) {
        struct vault_status s;

        vault_status(p->vault, i, &s);
        json_array_append_new(
            p->results, json_pack("{s:s, s:s, s:s, s:o?, s:b, s:b, s:i, s:i}", "name", s.name,
                                  "address", s.address, "state", states[s.state], "last_error",
                                  s.last_error != NULL ? probe_error(s.last_error) : NULL, "has_ok",
                                  s.last_ok.s != 0, "has_skew", s.has_skew, "pid", (int)helper.pid,
                                  "restarts", (int)helper.restarts));
    }
}

/* put and remove answer with the list of names, or an error. */
static void administer(struct probe *p, const struct fields *f)
{
    struct err *e = NULL;

    if (strcmp(f->name[0], "remove") == 0) {
        forget(p, probe_find(f, "name"));
    } else {
        e = put(p, f);
    }
    if (e != NULL) {
        json_array_append_new(p->results, json_pack("{s:o}", "error", probe_error(e)));
        err_free(&e);
    }
    for (size_t i = 0; i < vault_count(p->vault); i++) {
        struct vault_status s;

        vault_status(p->vault, i, &s);
        json_array_append_new(p->results, json_string(s.name));
    }
}

static void obey(struct probe *p, char *line)
{
    struct fields f = cut(line);
    const char *command = f.n > 0 ? f.name[0] : "";

    p->results = json_array();
    if (strcmp(command, "status") == 0) {
        status(p);
    } else if (strcmp(command, "put") == 0 || strcmp(command, "remove") == 0) {
        administer(p, &f);
    } else if (f.n > 0 && !probe_key(p, &f) && !probe_look(p, &f)) {
        sign(p, &f);
    }
    json_dumpf(p->results, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(p->results);
}

/* --- configuration ------------------------------------------------------------------------------ */

static char *read_pem(const char *path)
{
    struct buf text;

    if (path == NULL) {
        return NULL;
    }
    buf_init(&text, 0);
    must(file_read(path, 200000, &text));
    buf_put_u8(&text, 0);
    return (char *)text.data; /* moved */
}

static const char *default_mount(enum vault_login login)
{
    return login == VAULT_LOGIN_TOKEN_KEY ? "jwt" : vault_login_name(login);
}

struct vault_conf probe_conf(const struct fields *f)
{
    const char *login = probe_find(f, "login"), *mount = probe_find(f, "login_mount");
    enum vault_login method = VAULT_LOGIN_TOKEN;
    struct secret *token = NULL;
    char **more = probe_find(f, "more") != NULL ? split(probe_find(f, "more")) : NULL;
    char *pem = read_pem(probe_find(f, "ca_pem"));
    struct probe_key_texts texts = {0};

    if (probe_find(f, "token_env") != NULL) {
        must(secret_from_env(probe_find(f, "token_env"), &token));
    }
    if (login != NULL && !vault_login_find(login, &method)) {
        die(err_new(ERR_INPUT, "no login %s", login));
    }
    struct vault_conf owned = {0},
                      conf = {
                          .name = probe_find(f, "name"),
                          .address = probe_find(f, "address"),
                          .addresses = more,
                          .server_name = probe_find(f, "server_name"),
                          .namespace_ = probe_find(f, "namespace"),
                          .ca_bundle = probe_find(f, "ca"),
                          .ca_pem = pem,
                          .login = method,
                          .login_mount = mount != NULL ? mount : default_mount(method),
                          .token_wrapped = probe_find(f, "token_wrapped") != NULL,
                          .role = probe_find(f, "login_role"),
                          .jwt_file = probe_find(f, "jwt_file"),
                          .user = probe_find(f, "user"),
                          .password_file = probe_find(f, "password_file"),
                          .jwt_issuer = probe_find(f, "issuer"),
                          .jwt_subject = probe_find(f, "subject"),
                          .jwt_audience = probe_find(f, "audience"),
                          .revoke_on_stop = probe_find(f, "revoke_on_stop") != NULL,
                          .proxy = probe_find(f, "proxy"),
                          .no_proxy = probe_find(f, "no_proxy"),
                          .token_file = probe_find(f, "token_file"),
                          .token = token,
                          .role_id_file = probe_find(f, "role_id_file"),
                          .secret_id_file = probe_find(f, "secret_id_file"),
                          .secret_id_wrapped = probe_find(f, "wrapped") != NULL,
                          .wrapping_path = probe_find(f, "wrapping_path"),
                          .request_timeout_ms = probe_number(f, "request_timeout_ms", 0),
                          .renew_by_interval = probe_find(f, "renew_interval_s") != NULL,
                          .renew_interval_s = probe_number(f, "renew_interval_s", 0),
                      };

    probe_key_conf(f, &conf, &texts);
    must(vault_conf_copy(&conf, &owned));
    secret_free(&token);
    text_list_free(&more);
    free(pem);
    probe_key_texts_deinit(&texts);
    return owned;
}

void probe_conf_deinit(struct vault_conf *conf)
{
    vault_conf_deinit(conf);
}

int main(int argc, char **argv)
{
    struct probe p = {0};
    struct vault_conf conf[SIGNERS_MAX] = {{0}};
    size_t n = argc > 2 ? (size_t)argc - 2 : 0;
    struct signer *signers = NULL;
    char line[8192];

    if (argc < 2 || n >= SIGNERS_MAX) {
        return 2;
    }
    secret_heap_init();
    log_init("vault_probe", LOG_INFO);
    for (size_t i = 0; i < n; i++) {
        struct fields f = cut(argv[i + 2]);

        conf[i] = probe_conf(&f);
    }
    must(io_loop_new(&p.loop));
    must(vault_new(p.loop, argv[1], conf, n, &p.vault, n > 0 ? &signers : NULL));
    probe_key_start(p.vault);
    for (size_t i = 0; i < n; i++) {
        p.signers[i] = &signers[i];
        probe_conf_deinit(&conf[i]);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(&p, line);
    }
    vault_kv_free(&p.kv);
    free(p.place);
    vault_free(&p.vault);
    probe_key_stop();
    io_loop_free(&p.loop);
    return 0;
}
