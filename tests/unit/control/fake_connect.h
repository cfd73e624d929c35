#ifndef CONTROL_FAKE_CONNECT_H
#define CONTROL_FAKE_CONNECT_H

/* Part of fake_parts.h: a run of holdfast-connect, whose events a test sends. */

static inline void fake_copy(const char *from, char *to, size_t size, const char **shown)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
    *shown = from != NULL ? to : NULL;
}

struct err *connect_start(struct io_loop *l, const struct connect_conf *conf, struct mono deadline,
                          void (*on_event)(void *arg, const struct connect_event *event),
                          connect_done_fn *on_done, void *arg, struct connect_run **ret)
{
    (void)l;
    (void)deadline;
    if (fake.no_connect != NULL) {
        return take(&fake.no_connect);
    }
    fake.connect = *conf;
    fake_copy(conf->user, fake.user, sizeof fake.user, &fake.connect.user);
    fake_copy(conf->host, fake.host, sizeof fake.host, &fake.connect.host);
    fake_copy(conf->command, fake.command, sizeof fake.command, &fake.connect.command);
    snprintf(fake.known_hosts, sizeof fake.known_hosts, "%s",
             conf->known_hosts != NULL && conf->known_hosts[0] != NULL ? conf->known_hosts[0] : "");
    assert_true(conf->only_key.len <= sizeof fake.only_key);
    if (conf->only_key.len > 0) {
        memcpy(fake.only_key, conf->only_key.p, conf->only_key.len);
    }
    fake.connect.only_key = view_of(fake.only_key, conf->only_key.len);
    fake.on_event = on_event;
    fake.on_end = on_done;
    fake.arg = arg;
    struct connect_run *run = calloc(1, sizeof *run);
    const char *text = conf->known_hosts_text;

    assert_non_null(run);
    *run = (struct connect_run){.on_event = on_event, .on_end = on_done, .arg = arg};
    run->port = conf->port;
    run->files = conf->known_hosts == NULL || conf->known_hosts[0] != NULL;
    snprintf(run->host, sizeof run->host, "%s", conf->host);
    snprintf(run->user, sizeof run->user, "%s", conf->user);
    snprintf(run->known_hosts_text, sizeof run->known_hosts_text, "%s", text != NULL ? text : "");
    assert_true(fake.connects < ARRAY_LEN(fake.runs));
    fake.runs[fake.connects++] = run;
    *ret = run;
    return NULL;
}

void connect_free(struct connect_run **c)
{
    for (size_t i = 0; *c != NULL && i < ARRAY_LEN(fake.runs); i++) {
        fake.runs[i] = fake.runs[i] != *c ? fake.runs[i] : NULL;
    }
    if (*c != NULL) {
        fake.connects_freed++;
        free(take(c));
    }
}

const char *connect_step_name(enum connect_step s)
{
    static const char *const names[CONNECT_STEPS] = {
        [CONNECT_TCP] = "tcp", [CONNECT_AUTH] = "authentication", [CONNECT_SESSION] = "session"};

    return s > 0 && s < CONNECT_STEPS && names[s] != NULL ? names[s] : "none";
}

int connect_step_exit(enum connect_step s)
{
    return s > 0 && s < CONNECT_STEPS ? 10 + (int)s : 0;
}

#endif
