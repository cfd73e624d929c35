#ifndef HF_CONNECT_CONNECT_H
#define HF_CONNECT_CONNECT_H

#include "io/io.h"
#include "ssh/ssh.h"

/** The steps of a connection test, in order. A run that fails at one ends there. */
enum connect_step {
    CONNECT_RESOLVE = 1,
    CONNECT_TCP,
    CONNECT_KEX,      /* versions and key exchange */
    CONNECT_HOST_KEY, /* known_hosts, @revoked, @cert-authority */
    CONNECT_IDENTITY, /* what the agent offers for this run */
    CONNECT_AUTH,     /* certificate (or key) offered, accepted or refused and why */
    CONNECT_SESSION,  /* a channel, and the command where one is given */
    CONNECT_STEPS,
};
const char *connect_step_name(enum connect_step s);
/** connect_step_exit() - the exit code of a run that failed at this step: 10 + step; 0 when it did
 * not fail */
int connect_step_exit(enum connect_step s);

struct connect_conf {
    const char *helper_path;  /* of holdfast-connect */
    const char *agent_socket; /* it signs there, like any client */
    const char *user, *host;
    unsigned port;
    char *const
        *known_hosts; /* files, NULL-terminated; NULL: ~/.ssh/known_hosts, ~/.ssh/known_hosts2,
                                 /etc/ssh/ssh_known_hosts of the agent's user */
    const char *known_hosts_text; /* further lines, beside the files; NULL: none */
    struct view only_key;    /* offer only this key or certificate blob; empty: all the agent shows,
                                 certificates first, at most 6 */
    const char *command;     /* NULL: log in, open a session, leave */
    int64_t step_timeout_ms; /* 0: 10 s */
};

/** What happened. Strings are borrowed during the call. */
struct connect_event {
    enum connect_step step;
    bool ok;
    int64_t took_ms;
    const char *text;      /* "ed25519 SHA256:... known as @cert-authority in FILE:LINE" */
    const struct err *err; /* when not ok */
    struct view output;    /* CONNECT_SESSION: a piece of the command's output */
    bool is_stderr;
};

/** The end: @e (taken) is NULL after a login that worked; @failed is the step, @exit_status the
 * command's (0 without one). */
typedef void connect_done_fn(void *arg, struct err *e, enum connect_step failed, int exit_status);

struct connect_run;
/** connect_start() - one holdfast-connect for one run; callbacks on the loop */
struct err *connect_start(struct io_loop *l, const struct connect_conf *conf, struct mono deadline,
                          void (*on_event)(void *arg, const struct connect_event *event),
                          connect_done_fn *on_done, void *arg, struct connect_run **ret) MUST_CHECK;
/** connect_free() - stops a run that goes on; on_done will not run */
void connect_free(struct connect_run **c);

#endif
