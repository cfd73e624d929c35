/*
 * The agent put together: every folder is made here, in the order of the layers, and taken apart in
 * the reverse order. News travels one way: tokens change -> identities look for their keys ->
 * the renewal clock thinks again.
 *
 * Nothing here may block: helpers load modules and talk to networks, this process only waits.
 */
#include "daemon/app.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ca/ca.h"
#include "control/control.h"
#include "daemon/bind_login.h"
#include "daemon/news.h"
#include "daemon/parts.h"
#include "enroll/enroll.h"
#include "protocol/protocol.h"
#include "renew/renew.h"

struct app {
    struct config *config;
    bool no_renewal;
    struct parts_paths paths;
    struct profile_set *profiles;
    struct io_loop *loop;
    struct audit *audit;
    struct remote *remote;
    struct parts_signers signers;
    struct identity_set *identities;
    struct renew *renew;
    struct parts_sockets sockets;
    struct parts_registry registry;
    struct control_grant *grants;
    struct control *control;
    struct bind_registry *binder;
    struct bind_login *logins; /* NULL: there is no Vault */
    struct enroll_keep *keep;  /* likewise; or nothing is renewed */
    struct news *news;
    struct io_step *step;
    struct event *on_signal[3];
    bool on_terminal; /* which may close */
};

static void on_renewed(void *arg, struct err *e)
{
    (void)arg; /* an error is the certificate's, and shown there */
    err_free(&e);
}

static bool waits_for(const struct identity_cert *c, const char *signer)
{
    return identity_cert_error(c) != NULL && text_eq(identity_cert_want(c)->signer->name, signer);
}

/* What failed for want of a key, a Vault login's or a CA's, does not wait for its time to come round. */
static void on_signer_ready(void *arg, const char *signer)
{
    struct app *a = arg;

    for (size_t i = 0; a->renew != NULL && !a->no_renewal && i < identity_count(a->identities);
         i++) {
        struct identity *identity = identity_at(a->identities, i);
        bool waits = false;

        for (size_t k = 0; k < identity_certs(identity); k++) {
            waits = waits || waits_for(identity_cert_at(identity, k), signer);
        }
        if (waits) {
            renew_now(a->renew, identity, on_renewed, NULL);
        }
    }
}

static void look_at_cas(struct app *a)
{
    for (size_t i = 0; i < a->signers.cas_n; i++) {
        if (ca_look(ca_of(&a->signers.cas[i]))) {
            on_signer_ready(a, a->signers.cas[i].name);
        }
    }
}

static void on_remote_change(void *arg)
{
    struct app *a = arg;

    news_tokens(a->news, a->remote);
    if (a->logins != NULL) { /* before the identities, which may want to log in at once */
        bind_login_tokens(a->logins);
    }
    if (a->identities != NULL) {
        identity_set_refresh(a->identities);
    }
    look_at_cas(a);
    if (a->binder != NULL) {
        bind_registry_tokens(a->binder);
    }
    enroll_keep_wake(a->keep);
}

static void on_identity_change(void *arg)
{
    struct app *a = arg;

    news_identities(a->news, a->identities);
    if (a->logins != NULL) {
        bind_login_look(a->logins);
    }
    if (a->renew != NULL && !a->no_renewal) {
        renew_reconsider(a->renew);
    }
    enroll_keep_wake(a->keep);
}

/* The clock was set, or the machine slept: what ended or fell due meanwhile is seen to at once. */
static void on_step(void *arg)
{
    struct app *a = arg;

    identity_set_look(a->identities);
    enroll_keep_wake(a->keep);
    if (!a->no_renewal) {
        renew_look(a->renew);
    }
}

static void on_counters(void *arg, struct control_counters *ret)
{
    const struct app *a = arg;
    struct protocol_stats s;

    parts_sockets_count(&a->sockets, &s);
    *ret = (struct control_counters){
        .connections = s.connections,
        .lists = s.lists,
        .signs = s.signs,
        .refused = s.refused,
        .failed = s.failed,
        .open = s.open,
    };
}

static void on_stop_signal(evutil_socket_t signum, short events, void *arg)
{
    struct app *a = arg;

    (void)events;
    log_line(LOG_NOTE, "stopping on signal %d", (int)signum);
    io_loop_stop(a->loop);
}

/* The terminal is gone: helpers and sockets must not be left as they are. */
static void on_hangup(evutil_socket_t signum, short events, void *arg)
{
    const struct app *a = arg;

    if (a->on_terminal) {
        on_stop_signal(signum, events, arg);
    } else {
        log_line(LOG_NOTE, "signal %d has no meaning here: start anew after a change of %s",
                 (int)signum, a->config->file);
    }
}

static struct err *watch_signals(struct app *a)
{
    static const struct {
        int number;
        void (*on_signal)(evutil_socket_t signum, short events, void *arg);
    } signals[] = {{SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_hangup}};

    signal(SIGPIPE, SIG_IGN);
    a->on_terminal = isatty(STDIN_FILENO) == 1;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        a->on_signal[i] =
            evsignal_new(io_loop_base(a->loop), signals[i].number, signals[i].on_signal, a);
        if (a->on_signal[i] == NULL || evsignal_add(a->on_signal[i], NULL) < 0) {
            return err_new(ERR_NOMEM, "watch signal %d", signals[i].number);
        }
    }
    return NULL;
}

/* Thousands of clients are normal: take all the descriptors we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            log_line(LOG_WARN, "the descriptor limit stays as it is: %s", strerror(errno));
        }
    }
}

static struct err *make_audit(struct app *a)
{
    AUTO(auto_free) char *path = text_fmt("%s/audit.jsonl", a->config->agent.state);
    struct err *e = file_make_folder(a->config->agent.state, 0700);

    if (e == NULL && path == NULL) {
        e = err_nomem();
    }
    return e != NULL ? e : audit_new(a->loop, path, &a->audit);
}

static struct err *make_identities(struct app *a)
{
    uint64_t seed = 0;
    struct err *e =
        parts_signers_new(a->config, a->loop, &a->paths, a->remote, a->audit, &a->signers);

    if (e == NULL) {
        e = parts_identities(a->config, a->loop, a->remote, &a->signers, on_identity_change, a,
                             &a->identities);
    }
    if (e == NULL && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        e = err_sys(errno, "getrandom");
    }
    return e != NULL ? e : renew_new(a->loop, a->identities, seed, a->audit, &a->renew);
}

static void on_certificates(void *arg)
{
    struct app *a = arg;

    if (a->logins != NULL) {
        bind_login_tokens(a->logins);
    }
}

static struct err *make_keep(struct app *a)
{
    const struct enroll_keep_conf conf = {.loop = a->loop,
                                          .remote = a->remote,
                                          .vault = a->signers.vault,
                                          .audit = a->audit,
                                          .on_changed = on_certificates,
                                          .arg = a};

    return conf.vault != NULL && !a->no_renewal ? enroll_keep_new(&conf, &a->keep) : NULL;
}

static struct err *make_logins(struct app *a)
{
    const struct bind_login_deps deps = {.remote = a->remote,
                                         .vault = a->signers.vault,
                                         .identities = a->identities,
                                         .audit = a->audit,
                                         .on_ready = on_signer_ready,
                                         .arg = a};

    return deps.vault != NULL ? bind_login_new(&deps, &a->logins) : NULL;
}

static struct identity *identity_of(void *arg, const char *scope, const char *id)
{
    const struct app *a = arg;

    return a->binder != NULL ? bind_registry_identity(a->binder, scope, id) : NULL;
}

static const struct secret *secret_of(void *arg, const char *variable)
{
    const struct app *a = arg;

    return a->binder != NULL ? bind_registry_secret(a->binder, variable) : NULL;
}

static char *vault_of(void *arg, const char *scope, const char *id)
{
    const struct app *a = arg;

    return a->binder != NULL ? bind_registry_vault(a->binder, scope, id) : NULL;
}

static json_t *registry_problems(void *arg)
{
    const struct app *a = arg;

    return a->binder != NULL ? bind_registry_problems(a->binder) : NULL;
}

static bool registry_is_busy(void *arg)
{
    const struct app *a = arg;

    return a->binder != NULL && bind_registry_is_busy(a->binder);
}

static bool login_of(void *arg, struct vault_conf *conf)
{
    const struct app *a = arg;

    return a->logins != NULL && bind_login_fill(a->logins, conf);
}

static struct err *listen_control(struct app *a, const char *path, const char *agent_socket)
{
    int fd = -1;
    struct err *e = io_listen_bind(path, &fd);
    struct control_deps deps = {
        .loop = a->loop,
        .remote = a->remote,
        .identities = a->identities,
        .renew = a->renew,
        .vault = a->signers.vault,
        .signers = (const struct signer *const *)a->signers.all,
        .signers_n = a->signers.n,
        .registry = a->registry.registry,
        .audit = a->audit,
        .grants_n = a->config->grants_count,
        .identity_of = identity_of,
        .secret_of = secret_of,
        .login_of = login_of,
        .vault_of = vault_of,
        .registry_problems = registry_problems,
        .registry_is_busy = registry_is_busy,
        .agent_socket = agent_socket,
        .config_file = a->config->file,
        .connect_helper = a->paths.connect_helper,
        .counters = on_counters,
        .on_certificates = on_certificates,
        .keep = a->keep,
        .arg = a,
    };

    if (e == NULL) {
        e = parts_grants(a->config, &a->grants);
        deps.grants = a->grants;
    }
    if (e == NULL) {
        e = control_new(&deps, fd, path, &a->control);
    }
    return err_add(e, "control socket %s", path);
}

/* After control_new(), which says how the memory of JSON is freed. */
static struct err *bind_identities(struct app *a)
{
    struct bind_deps deps = {
        .loop = a->loop,
        .registry = a->registry.registry,
        .remote = a->remote,
        .identities = a->identities,
        .renew = a->renew,
        .logins = a->logins,
    };

    return deps.registry != NULL ? parts_binder(a->config, &a->signers, &deps, &a->binder) : NULL;
}

static struct err *build(struct app *a, const struct app_options *o)
{
    const char *socket = o->socket != NULL ? o->socket : a->config->agent.socket;
    const char *control = o->control != NULL ? o->control : a->config->agent.control;
    struct err *e = parts_paths_find(a->config, o->helpers, &a->paths);

    raise_descriptor_limit();
    if (e == NULL) {
        e = profile_set_load((const char *const *)a->paths.profiles, &a->profiles);
    }
    if (e == NULL) {
        e = io_loop_new(&a->loop);
    }
    if (e == NULL) {
        e = watch_signals(a);
    }
    if (e == NULL) {
        e = make_audit(a);
    }
    if (e == NULL) {
        e = parts_remote(a->config, a->loop, &a->paths, a->profiles, on_remote_change, a,
                         &a->remote);
    }
    if (e == NULL) {
        e = make_identities(a);
    }
    if (e == NULL) {
        e = make_logins(a);
    }
    if (e == NULL) {
        e = make_keep(a);
    }
    if (e == NULL) {
        e = parts_registry_new(a->config, a->loop, a->signers.vault, &a->registry);
    }
    if (e == NULL) {
        e = parts_sockets_new(a->config, socket, o->control != NULL, a->loop, a->identities,
                              a->remote, &a->sockets);
    }
    if (e == NULL) {
        e = listen_control(a, control, socket);
    }
    if (e == NULL) {
        e = bind_identities(a);
    }
    return e;
}

static void say_ready(int fd)
{
    static const char ready[] = "ready\n";

    if (fd >= 0 && write(fd, ready, strlen(ready)) < 0) {
        log_line(LOG_WARN, "nobody waits for us to be ready: %s", strerror(errno));
    }
    auto_close(&fd);
}

struct err *app_new(struct config *config, const struct app_options *options, struct app **ret)
{
    AUTO(app_free) struct app *a = calloc(1, sizeof *a);

    if (a == NULL) {
        config_free(&config);
        return err_nomem();
    }
    a->config = config;
    a->news = news_new();
    a->no_renewal = options->no_renewal;
    struct err *e = a->news != NULL ? build(a, options) : err_nomem();

    if (e != NULL) {
        return e;
    }
    remote_start(a->remote);
    a->step = io_step_new(a->loop, on_step, a);
    on_identity_change(a);
    say_ready(options->ready_fd);
    *ret = take(&a);
    return NULL;
}

struct err *app_run(struct app *a)
{
    return io_loop_run(a->loop);
}

void app_free(struct app **ap)
{
    struct app *a = take(ap);

    if (a == NULL) {
        return;
    }
    io_step_free(&a->step);
    control_free(&a->control);
    bind_registry_free(&a->binder);
    enroll_keep_free(&a->keep);
    bind_login_free(&a->logins);
    parts_registry_deinit(&a->registry);
    free(a->grants);
    parts_sockets_deinit(&a->sockets);
    renew_free(&a->renew);
    identity_set_free(&a->identities);
    parts_signers_deinit(&a->signers);
    remote_free(&a->remote);
    control_forget();
    audit_free(&a->audit);
    for (size_t i = 0; i < ARRAY_LEN(a->on_signal); i++) {
        if (a->on_signal[i] != NULL) {
            event_free(a->on_signal[i]);
        }
    }
    io_loop_free(&a->loop);
    news_free(&a->news);
    profile_set_free(&a->profiles);
    parts_paths_deinit(&a->paths);
    config_free(&a->config);
    free(a);
}
