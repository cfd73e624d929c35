#ifndef HF_CLI_SESSION_H
#define HF_CLI_SESSION_H

#include <jansson.h>

#include "cli/cli.h"

/**
 * A session with an agent's control API. Where no agent runs, one is started on private sockets for
 * this command, and stopped with it.
 */
struct session;

enum session_need {
    SESSION_RUNNING, /* only an agent that runs already will do */
    SESSION_TOKENS,  /* a private one may be started; it renews nothing by itself */
    SESSION_BARE,    /* likewise, and the registry is not needed: a private one opens none */
};

/** session_open() - into c->session; waits until the tokens are settled
 * Errors: NOT_FOUND (no agent runs, and how to start one), INPUT (configuration), GONE */
struct err *session_open(struct cli *c, enum session_need need) MUST_CHECK;
/** session_open_with() - a private agent with this configuration file, whatever else runs; what it and
 * vendor libraries say is shown only when it fails */
struct err *session_open_with(struct cli *c, const char *config) MUST_CHECK;
/** session_close() - ends the private agent, if there is one */
void session_close(struct session **s);
/** session_is_private() - it was started for this command */
bool session_is_private(const struct session *s);

/**
 * session_call() - one request
 * @method: "GET", "POST", "PUT", "DELETE"
 * @path:   below /v1, already percent-encoded: "/keys"
 * @body:   NULL for none (taken)
 * @ret:    the answer's JSON, NULL for an empty one; caller owns
 * Errors: the agent's own chain, from its problem+json, where a member of the body is the option that
 * was given for it; GONE when it does not answer
 */
struct err *session_call(struct session *s, const char *method, const char *path, json_t *body,
                         json_t **ret) MUST_CHECK;
/** session_change() - the same for a resource that has to be still at @etag; BUSY with the native
 * name STALE when it is not */
struct err *session_change(struct session *s, const char *method, const char *path,
                           const char *etag, json_t *body, json_t **ret) MUST_CHECK;
/** session_stream() - one request whose answer is JSON lines; @on_line borrows each */
struct err *session_stream(struct session *s, const char *path, json_t *body,
                           void (*on_line)(void *arg, json_t *line), void *arg) MUST_CHECK;
/** session_escape() - percent-encode one path segment (caller owns) */
char *session_escape(const char *text);

/** Places that holdfast-agent --paths prints. */
struct session_paths {
    char *config, *socket, *control, *state;
};
struct err *session_paths_get(const struct cli *c, struct session_paths *ret) MUST_CHECK;
void session_paths_deinit(struct session_paths *p);
/** session_agent_do() - run holdfast-agent with this option for one task, and wait
 * Errors: GONE (it failed, and said why on standard error) */
struct err *session_agent_do(const struct cli *c, const char *option, const char *value) MUST_CHECK;
/** session_agent_path() - holdfast-agent: beside us, or in libexec (caller owns) */
struct err *session_agent_path(char **ret) MUST_CHECK;

#endif
