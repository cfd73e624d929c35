/*
 * Finding an agent to talk to, or starting one for the length of a command.
 *
 * A private agent has its sockets in a folder of its own that nobody else may enter, and stops with
 * us. holdfast-agent alone reads the configuration, so it is also asked where sockets are.
 */
#include "cli/session.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/http.h"

enum { START_TIMEOUT_MS = 10 * 1000, SETTLE_S = 20 };

struct session {
    const struct cli *cli;
    struct http *http;
    pid_t agent;  /* a private agent; 0: none */
    char *folder; /* its sockets; NULL: none */
    FILE *log;    /* what it and its helpers say, where it is only to be shown after a failure */
};

void session_paths_deinit(struct session_paths *p)
{
    auto_free(&p->config);
    auto_free(&p->socket);
    auto_free(&p->control);
    auto_free(&p->state);
}

struct err *session_agent_path(char **ret)
{
    static const char *const places[] = {"", "../libexec/holdfast/", "../lib/holdfast/"};
    char own[4096];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);

    if (n < 0) {
        return err_sys(errno, "/proc/self/exe");
    }
    own[n] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        AUTO(auto_free) char *path = text_fmt("%s/%sholdfast-agent", own, places[i]);

        if (path != NULL && access(path, X_OK) == 0) {
            *ret = take(&path);
            return NULL;
        }
    }
    return err_new(ERR_NOT_FOUND, "no holdfast-agent beside %s or in ../libexec/holdfast", own);
}

/* Start @argv with @from as its descriptor @to, and standard error in @log or ours (NULL); all else is
 * close-on-exec. */
static struct err *spawn(char *const *argv, int from, int to, FILE *log, pid_t *ret)
{
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, from, to);
    if (log != NULL) {
        posix_spawn_file_actions_adddup2(&actions, fileno(log), STDERR_FILENO);
    }
    int code = posix_spawn(ret, argv[0], &actions, NULL, argv, environ);

    posix_spawn_file_actions_destroy(&actions);
    return code != 0 ? err_sys(code, "start %s", argv[0]) : NULL;
}

static void set_path(struct session_paths *p, char *line)
{
    static const char *const names[] = {"config=", "socket=", "control=", "state="};
    char **const members[] = {&p->config, &p->socket, &p->control, &p->state};

    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strncmp(line, names[i], strlen(names[i])) == 0) {
            auto_free(members[i]);
            *members[i] = strdup(line + strlen(names[i]));
        }
    }
}

static void read_paths(int fd, struct session_paths *p)
{
    FILE *in = fdopen(fd, "r");
    char line[8192];

    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        set_path(p, line);
    }
    if (in != NULL) {
        fclose(in);
    }
}

struct err *session_paths_get(const struct cli *c, struct session_paths *ret)
{
    AUTO(auto_free) char *agent = NULL;
    struct err *e = session_agent_path(&agent);
    int fds[2];
    pid_t pid = 0;
    int status = 0;

    *ret = (struct session_paths){0};
    if (e != NULL) {
        return e;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return err_sys(errno, "pipe");
    }
    char *argv[] = {agent, "--paths", c->config != NULL ? "--config" : NULL, (char *)c->config,
                    NULL};

    e = spawn(argv, fds[1], STDOUT_FILENO, NULL, &pid);
    close(fds[1]);
    read_paths(fds[0], ret);
    if (e != NULL) {
        return e;
    }
    waitpid(pid, &status, 0);
    if (ret->control == NULL) {
        session_paths_deinit(ret);
        return err_new(ERR_INPUT, "the configuration is not usable, as said above");
    }
    return NULL;
}

struct err *session_agent_do(const struct cli *c, const char *option, const char *value)
{
    AUTO(auto_free) char *agent = NULL;
    struct err *e = session_agent_path(&agent);
    char *argv[] = {agent,
                    (char *)option,
                    (char *)value,
                    c->config != NULL ? "--config" : NULL,
                    (char *)c->config,
                    NULL};
    pid_t pid = 0;
    int status = 0;

    e = e == NULL ? spawn(argv, STDOUT_FILENO, STDOUT_FILENO, NULL, &pid) : e;
    if (e != NULL) {
        return e;
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? NULL
               : err_new(ERR_GONE, "nothing was done, as said above");
}

/* Else errno says why not. */
static bool somebody_listens(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof sa.sun_path) {
        errno = EINVAL;
        return false;
    }
    memcpy(sa.sun_path, path, strlen(path) + 1);
    return connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0;
}

/* The agent says "ready" on its end of the pipe, or ends and closes it. */
static struct err *wait_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    if (poll(&p, 1, START_TIMEOUT_MS) <= 0) {
        return err_new(ERR_TIMEOUT, "the agent for this command did not start within %d s",
                       START_TIMEOUT_MS / 1000);
    }
    if (read(fd, &byte, 1) != 1) {
        return err_new(ERR_GONE, "the agent for this command did not start, as said above");
    }
    return NULL;
}

static struct err *start_private(struct session *s, const char *config, bool bare)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    AUTO(auto_free) char *agent = NULL;
    struct err *e = session_agent_path(&agent);
    int fds[2];

    s->folder = text_fmt("%s/holdfast-XXXXXX", base != NULL ? base : "/tmp");
    if (e == NULL && (s->folder == NULL || mkdtemp(s->folder) == NULL)) {
        e = err_sys(errno, "make a folder for the agent of this command");
    }
    AUTO(auto_free) char *socket = text_fmt("%s/agent.sock", s->folder);
    AUTO(auto_free) char *control = text_fmt("%s/control.sock", s->folder);

    if (e == NULL && pipe2(fds, O_CLOEXEC) < 0) {
        e = err_sys(errno, "pipe");
    }
    if (e != NULL) {
        return e;
    }
    char *argv[] = {agent,
                    "--log",
                    "error",
                    "--no-renewal",
                    "--ready-fd",
                    "3",
                    "--socket",
                    socket,
                    "--control",
                    control,
                    bare ? "--no-registry" : "--no-renewal",
                    config != NULL ? "--config" : NULL,
                    (char *)config,
                    NULL};

    e = spawn(argv, fds[1], 3, s->log, &s->agent);
    close(fds[1]);
    if (e == NULL) {
        e = wait_ready(fds[0]);
    }
    close(fds[0]);
    return e != NULL ? e : http_new(control, &s->http);
}

static struct err *settle(struct session *s)
{
    AUTO(auto_free) char *path = text_fmt("/status?settle=%d", SETTLE_S);

    return path != NULL ? session_call(s, "GET", path, NULL, NULL) : err_nomem();
}

static void show_log(FILE *log)
{
    char line[1024];

    rewind(log);
    while (fgets(line, sizeof line, log) != NULL) {
        fputs(line, stderr);
    }
}

static struct err *open_private(struct cli *c, const char *config, bool bare, bool quiet)
{
    AUTO(session_close) struct session *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return err_nomem();
    }
    s->cli = c;
    s->log = quiet ? tmpfile() : NULL;
    struct err *e = start_private(s, config, bare);

    if (e == NULL) {
        e = settle(s);
    }
    if (e == NULL) {
        c->session = take(&s);
    } else if (s->log != NULL) {
        show_log(s->log);
    }
    return e;
}

struct err *session_open_with(struct cli *c, const char *config)
{
    return open_private(c, config, true, true);
}

static struct err *open_running(struct cli *c, const char *control)
{
    AUTO(session_close) struct session *s = calloc(1, sizeof *s);
    struct err *e = s != NULL ? http_new(control, &s->http) : err_nomem();

    if (e == NULL) {
        s->cli = c;
        c->session = take(&s);
    }
    return e;
}

struct err *session_open(struct cli *c, enum session_need need)
{
    const char *control = c->control != NULL ? c->control : getenv("HOLDFAST_CONTROL");
    AUTO(session_paths_deinit) struct session_paths paths = {0};

    if (control == NULL || control[0] == '\0') {
        struct err *e = session_paths_get(c, &paths);

        if (e != NULL) {
            return e;
        }
        control = paths.control;
    }
    if (somebody_listens(control)) {
        return open_running(c, control);
    }
    if (errno == EACCES) {
        return err_new(ERR_DENIED,
                       "uid %u may not use the agent on %s (grants: in holdfast.yaml); another is "
                       "named by --control",
                       (unsigned)getuid(), control);
    }
    if (need == SESSION_RUNNING || paths.control == NULL) {
        return err_new(ERR_NOT_FOUND, "no agent listens on %s; `holdfast agent` starts one",
                       control);
    }
    return open_private(c, c->config, need == SESSION_BARE, false);
}

void session_close(struct session **sp)
{
    static const char *const left[] = {"agent.sock.lock", "control.sock.lock", "agent.sock",
                                       "control.sock"};
    struct session *s = take(sp);

    if (s == NULL) {
        return;
    }
    http_free(&s->http);
    if (s->agent > 0) {
        kill(s->agent, SIGTERM);
        waitpid(s->agent, NULL, 0);
    }
    for (size_t i = 0; s->folder != NULL && i < ARRAY_LEN(left); i++) {
        AUTO(auto_free) char *path = text_fmt("%s/%s", s->folder, left[i]);

        if (path != NULL) {
            unlink(path);
        }
    }
    if (s->folder != NULL) {
        rmdir(s->folder);
    }
    if (s->log != NULL) {
        fclose(s->log);
    }
    free(s->folder);
    free(s);
}

bool session_is_private(const struct session *s)
{
    return s->agent > 0;
}

/* The agent names members of the body ("/key_type has to be ..."); people gave options. A member in
 * seconds has an option for a duration. @e is taken. */
static struct err *of_options(const struct cli *c, struct err *e)
{
    const char *text = err_text(e);
    size_t len = text[0] == '/' ? 1 + strcspn(text + 1, " :/") : 0;
    AUTO(auto_free) char *option = len > 1 && text[len] != '/' ? strndup(text + 1, len - 1) : NULL;

    for (char *p = option; p != NULL && *p != '\0'; p++) {
        *p = text_eq(p, "_s") ? '\0' : *p == '_' ? '-' : *p;
    }
    if (option == NULL || cli_option(c, option) == NULL) {
        return e;
    }
    struct err *told = err_new(err_code(e), "--%s%s", option, text + len);

    err_free(&e);
    return told;
}

struct err *session_change(struct session *s, const char *method, const char *path,
                           const char *etag, json_t *body, json_t **ret)
{
    struct http_request q = {.method = method, .path = path, .body = body, .etag = etag};
    struct err *e = http_call(s->http, &q, ret);

    json_decref(body);
    return of_options(s->cli, e);
}

struct err *session_call(struct session *s, const char *method, const char *path, json_t *body,
                         json_t **ret)
{
    return session_change(s, method, path, 0, body, ret);
}

struct err *session_stream(struct session *s, const char *path, json_t *body,
                           void (*on_line)(void *arg, json_t *line), void *arg)
{
    struct http_request q = {
        .method = "POST", .path = path, .body = body, .on_line = on_line, .arg = arg};
    struct err *e = http_call(s->http, &q, NULL);

    json_decref(body);
    return of_options(s->cli, e);
}

char *session_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *copy = text_copy(escaped);

    curl_free(escaped);
    return copy;
}
