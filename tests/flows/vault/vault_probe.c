/*
 * vault_probe: the agent's Vault client in a program of its own, for the tests next to it.
 *
 * Each argument after the helper's path configures one server, as "name=web,address=https://...";
 * then each line of standard input is a command of such pairs, and is answered by one line of JSON:
 *   sign,server=0,mount=ssh,role=web,principals=a+b,key=FILE,n=1,...   n requests at once, and one
 *                   to another server with also=1; results come in the order of the answers
 *   cancel,...      as sign, but taken back at once
 *   status
 * A token may be given as token_env=NAME, an environment variable that is emptied.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vault/vault.h"

enum { FIELDS_MAX = 32, OPTIONS_MAX = 8, REQUESTS_MAX = 200 };

/* A line cut into pairs; the strings live in the line. */
struct fields {
    size_t n;
    char *name[FIELDS_MAX], *value[FIELDS_MAX];
};

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

static const char *find(const struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->name[i], name) == 0) {
            return f->value[i];
        }
    }
    return NULL;
}

static long number(const struct fields *f, const char *name, long otherwise)
{
    const char *text = find(f, name);

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

struct probe {
    struct io_loop *loop;
    struct vault *vault;
    struct signer *signers;
    size_t servers;
    json_t *results;
    long open;
};

static json_t *error_json(const struct err *e)
{
    json_t *clauses = json_array();

    for (size_t i = 0; i < err_clauses(e); i++) {
        json_array_append_new(clauses, json_string(err_clause(e, i)));
    }
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "code", err_code_name(err_code(e)), "domain",
                     err_domain_name(err_domain(e)), "native", (int)err_native_code(e), "name",
                     err_native_name(e), "text", err_text(e), "clauses", clauses);
}

static void on_reply(void *arg, struct err *e, const struct signer_answer *answer)
{
    struct probe *p = arg;
    json_t *result =
        e != NULL ? json_pack("{s:o}", "error", error_json(e))
                  : json_pack("{s:s%, s:s, s:I, s:b}", "cert", answer->cert_line.p,
                              answer->cert_line.len, "request_id", answer->request_id, "skew_s",
                              (json_int_t)answer->skew_s, "has_skew", answer->has_skew);

    err_free(&e);
    json_array_append_new(p->results, result);
    if (--p->open == 0) {
        io_loop_stop(p->loop);
    }
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

static void send_all(struct probe *p, const struct fields *f, const struct signer_request *request)
{
    const struct signer *signer = &p->signers[number(f, "server", 0)];
    uint64_t handle[REQUESTS_MAX] = {0};
    long n = number(f, "n", 1);
    bool cancel = strcmp(f->name[0], "cancel") == 0;

    p->open = n;
    for (long i = 0; i < n && i < REQUESTS_MAX; i++) {
        handle[i] = signer->ops->sign(signer->self, request,
                                      mono_in(number(f, "deadline_ms", 20000)), on_reply, p);
    }
    if (find(f, "also") != NULL) {
        signer = &p->signers[number(f, "also", 0)];
        p->open++;
        signer->ops->sign(signer->self, request, mono_in(number(f, "deadline_ms", 20000)), on_reply,
                          p);
    }
    for (long i = 0; cancel && i < n && i < REQUESTS_MAX; i++) {
        signer->ops->cancel(signer->self, handle[i]);
        p->open -= handle[i] != 0;
    }
    if (p->open > 0) {
        must(io_loop_run(p->loop));
    }
}

static void sign(struct probe *p, const struct fields *f)
{
    struct ssh_cert_option critical[OPTIONS_MAX + 1] = {0}, extensions[OPTIONS_MAX + 1] = {0};
    char **critical_names = split(find(f, "critical"));
    char **extension_names = split(find(f, "extensions"));
    char **principals = split(find(f, "principals"));
    const char *kind = find(f, "kind");
    struct ssh_key *key = read_key(find(f, "key"));
    struct signer_request request = {
        .key = key,
        .kind = kind != NULL && strcmp(kind, "host") == 0 ? SSH_CERT_HOST : SSH_CERT_USER,
        .mount = find(f, "mount"),
        .role = find(f, "role"),
        .issuer_ref = find(f, "issuer_ref"),
        .key_id = find(f, "key_id"),
        .principals = principals,
        .ttl_s = number(f, "ttl", 0),
        .critical = find(f, "critical") != NULL ? options(critical_names, critical) : NULL,
        .extensions = find(f, "extensions") != NULL ? options(extension_names, extensions) : NULL,
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
                                  s.last_error != NULL ? error_json(s.last_error) : NULL, "has_ok",
                                  s.last_ok.s != 0, "has_skew", s.has_skew, "pid", (int)helper.pid,
                                  "restarts", (int)helper.restarts));
    }
}

static void obey(struct probe *p, char *line)
{
    struct fields f = cut(line);

    p->results = json_array();
    if (f.n > 0 && strcmp(f.name[0], "status") == 0) {
        status(p);
    } else if (f.n > 0) {
        sign(p, &f);
    }
    json_dumpf(p->results, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(p->results);
}

/* --- configuration ------------------------------------------------------------------------------ */

static struct vault_conf read_conf(char *argument)
{
    struct fields f = cut(argument);
    const char *login = find(&f, "login");
    struct secret *token = NULL;

    if (find(&f, "token_env") != NULL) {
        must(secret_from_env(find(&f, "token_env"), &token));
    }
    return (struct vault_conf){
        .name = find(&f, "name"),
        .address = find(&f, "address"),
        .namespace_ = find(&f, "namespace"),
        .ca_bundle = find(&f, "ca"),
        .login = login != NULL && strcmp(login, "approle") == 0 ? VAULT_LOGIN_APPROLE
                                                                : VAULT_LOGIN_TOKEN,
        .login_mount = find(&f, "login_mount") != NULL ? find(&f, "login_mount") : "approle",
        .token_file = find(&f, "token_file"),
        .token = token,
        .role_id_file = find(&f, "role_id_file"),
        .secret_id_file = find(&f, "secret_id_file"),
        .secret_id_wrapped = find(&f, "wrapped") != NULL,
        .wrapping_path = find(&f, "wrapping_path"),
        .request_timeout_ms = number(&f, "request_timeout_ms", 0),
    };
}

int main(int argc, char **argv)
{
    struct probe p = {.servers = (size_t)argc - 2};
    struct vault_conf *conf = calloc(p.servers + 1, sizeof *conf);
    char line[8192];

    if (argc < 3 || conf == NULL) {
        return 2;
    }
    secret_heap_init();
    log_init("vault_probe", LOG_INFO);
    for (size_t i = 0; i < p.servers; i++) {
        conf[i] = read_conf(argv[i + 2]);
    }
    must(io_loop_new(&p.loop));
    must(vault_new(p.loop, argv[1], conf, p.servers, &p.vault, &p.signers));
    for (size_t i = 0; i < p.servers; i++) {
        secret_free((struct secret **)&conf[i].token);
    }
    free(conf);
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(&p, line);
    }
    vault_free(&p.vault);
    io_loop_free(&p.loop);
    return 0;
}
