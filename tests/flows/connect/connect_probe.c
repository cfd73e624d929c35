/*
 * connect_probe: the agent's client of holdfast-connect in a program of its own, for the tests next
 * to it.
 *
 *   connect_probe HELPER name=value...
 *     agent, user, host, port     as in struct connect_conf
 *     known=FILE                  again for more; none: the usual files
 *     only=FILE                   offer only the key or certificate in this .pub file
 *     command, step_ms, total_ms
 *     free_after=STEP             connect_free() at that step's event, and leave
 *
 * Prints a line of JSON for each event and one for the end.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "connect/connect.h"

struct probe {
    struct io_loop *loop;
    struct connect_run *run;
    const char *free_after;
};

static void print(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

static void die(struct err *e)
{
    fprintf(stderr, "connect_probe: %s\n", err_text(e));
    err_free(&e);
    exit(EXIT_FAILURE);
}

static void on_event(void *arg, const struct connect_event *event)
{
    struct probe *p = arg;
    AUTO(auto_free) char *output = text_base64(event->output);

    print(json_pack("{ss sb sI ss ss ss sb}", "step", connect_step_name(event->step), "ok",
                    event->ok, "ms", (json_int_t)event->took_ms, "text", event->text, "error",
                    err_text(event->err), "output", output, "stderr", event->is_stderr));
    if (text_eq(p->free_after, connect_step_name(event->step))) {
        struct mono before = mono_now();
        connect_free(&p->run);
        print(json_pack("{sb sI}", "freed", 1, "ms", (json_int_t)(mono_now().ms - before.ms)));
        io_loop_stop(p->loop);
    }
}

static void on_done(void *arg, struct err *e, enum connect_step failed, int exit_status)
{
    struct probe *p = arg;

    print(json_pack("{sb ss ss ss si si}", "done", 1, "failed",
                    failed ? connect_step_name(failed) : "", "error", err_text(e), "code",
                    e ? err_code_name(err_code(e)) : "", "exit", connect_step_exit(failed),
                    "status", exit_status));
    err_free(&e);
    connect_free(&p->run);
    io_loop_stop(p->loop);
}

static struct err *read_key(const char *path, struct buf *ret)
{
    struct buf text;
    AUTO(ssh_key_free) struct ssh_key *key = NULL;
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    struct err *e;

    buf_init(&text, 0);
    e = file_read(path, SSH_BLOB_MAX_BYTES, &text);
    AUTO(auto_free) char *line = view_dup(buf_view(&text));
    buf_deinit(&text);
    if (e) {
        return e;
    }
    if (strstr(line, "-cert-v01@openssh.com ")) {
        e = ssh_cert_from_line(line, &cert);
    } else {
        e = ssh_key_from_line(line, &key);
    }
    if (!e) {
        struct view blob = cert ? ssh_cert_blob(cert) : ssh_key_blob(key);
        buf_put(ret, blob.p, blob.len);
    }
    return e;
}

struct settings {
    struct connect_conf conf;
    char **known;
    struct buf only;
    int64_t total_ms;
};

static void set(struct settings *s, struct probe *p, const char *name, const char *value)
{
    struct connect_conf *conf = &s->conf;

    if (text_eq(name, "agent")) {
        conf->agent_socket = value;
    } else if (text_eq(name, "user")) {
        conf->user = value;
    } else if (text_eq(name, "host")) {
        conf->host = value;
    } else if (text_eq(name, "port")) {
        conf->port = (unsigned)strtoul(value, NULL, 10);
    } else if (text_eq(name, "known")) {
        text_list_add(&s->known, value);
    } else if (text_eq(name, "command")) {
        conf->command = value;
    } else if (text_eq(name, "step_ms")) {
        conf->step_timeout_ms = strtoll(value, NULL, 10);
    } else if (text_eq(name, "total_ms")) {
        s->total_ms = strtoll(value, NULL, 10);
    } else if (text_eq(name, "free_after")) {
        p->free_after = value;
    } else if (text_eq(name, "only")) {
        struct err *e = read_key(value, &s->only);
        if (e) {
            die(e);
        }
    } else {
        die(err_new(ERR_INPUT, "no setting is called %s", name));
    }
}

int main(int argc, char **argv)
{
    struct probe p = {0};
    struct settings s = {.total_ms = 60000};
    struct err *e;

    if (argc < 2) {
        die(err_new(ERR_INPUT, "no helper given"));
    }
    buf_init(&s.only, 0);
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals) {
            die(err_new(ERR_INPUT, "%s is no setting", argv[i]));
        }
        *equals = '\0';
        set(&s, &p, argv[i], equals + 1);
    }
    s.conf.helper_path = argv[1];
    s.conf.known_hosts = s.known;
    s.conf.only_key = buf_view(&s.only);
    e = io_loop_new(&p.loop);
    if (!e) {
        e = connect_start(p.loop, &s.conf, mono_in(s.total_ms), on_event, on_done, &p, &p.run);
    }
    if (!e) {
        e = io_loop_run(p.loop);
    }
    if (e) {
        die(e);
    }
    io_loop_free(&p.loop);
    buf_deinit(&s.only);
    text_list_free(&s.known);
    return EXIT_SUCCESS;
}
