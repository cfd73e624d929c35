/*
 * Programs that print one secret: a PIN command, SSH_ASKPASS. Their first line of output is the
 * answer. It is gathered in a buffer that is wiped, and leaves as a secret.
 *
 * The exit decides: what the pipe holds by then is the output, even when a grandchild still has the
 * pipe open.
 */
#include "io/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/internal.h"
#include "io/process.h"

struct io_command {
    struct io_process *process;
    char *name;
    int fd; /* reading end */
    struct event readable;
    struct io_timer deadline;
    struct buf output;
    io_command_fn *on_done; /* NULL once it has run */
    void *arg;
};

static void stop(struct io_command *c)
{
    if (c->fd >= 0) {
        event_del(&c->readable);
        auto_close(&c->fd);
    }
    io_timer_clear(&c->deadline);
    io_process_free(&c->process);
}

/* The last thing done with @c: on_done may free it. */
static void done(struct io_command *c, struct err *e, struct secret *output)
{
    io_command_fn *on_done = take(&c->on_done);

    stop(c);
    buf_deinit(&c->output);
    on_done(c->arg, err_add(e, "%s", c->name), output);
}

static struct err *first_line(const struct buf *output, struct secret **ret)
{
    struct view v = buf_view(output);
    const uint8_t *end = v.len > 0 ? memchr(v.p, '\n', v.len) : NULL;

    if (end != NULL) {
        v.len = (size_t)(end - v.p);
    }
    if (v.len > 0 && v.p[v.len - 1] == '\r') {
        v.len--;
    }
    if (v.len == 0) {
        return err_new(ERR_INPUT, "printed nothing");
    }
    return view_has_nul(v) ? err_new(ERR_INPUT, "printed NUL bytes") : secret_new(v, ret);
}

/* True when there may be more; it stops one byte after the limit, for the limit to be noticed. */
static bool read_some(struct io_command *c)
{
    uint8_t chunk[1024];
    ssize_t n = read(c->fd, chunk, sizeof chunk);

    if (n > 0) {
        buf_put(&c->output, chunk, (size_t)n);
        explicit_bzero(chunk, sizeof chunk);
        return !c->output.failed;
    }
    return n < 0 && errno == EINTR;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct io_command *c = arg;

    (void)fd;
    (void)what;
    if (!read_some(c) && errno != EAGAIN) {
        event_del(&c->readable); /* its exit ends the story */
    }
    if (c->output.failed) {
        done(c, err_new(ERR_LIMIT, "printed more than %d bytes", SECRET_MAX_BYTES), NULL);
    }
}

static void on_exit_of(void *arg, int status)
{
    struct io_command *c = arg;
    struct secret *output = NULL;
    struct err *e = NULL;

    while (read_some(c)) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        e = err_new(ERR_DENIED, "exit status %d", WEXITSTATUS(status));
    } else if (status != 0) {
        e = io_process_reason(status);
    } else if (c->output.failed) {
        e = err_new(ERR_LIMIT, "printed more than %d bytes", SECRET_MAX_BYTES);
    } else {
        e = first_line(&c->output, &output);
    }
    done(c, e, output);
}

static void on_deadline(void *arg)
{
    done(arg, err_new(ERR_TIMEOUT, "did not answer in time and was killed"), NULL);
}

static struct err *launch(struct io_loop *l, struct io_command *c, const char *const *argv,
                          const char *const *env)
{
    AUTO(auto_close) int writing_end = -1;
    int fd[2];

    if (pipe2(fd, O_CLOEXEC) < 0) {
        return err_sys(errno, "pipe");
    }
    c->fd = fd[0];
    writing_end = fd[1];
    const struct io_process_conf conf = {
        .argv = (char *const *)argv,
        .env = (char *const *)env,
        .search_path = true,
        .fd = writing_end,
        .as_fd = STDOUT_FILENO,
        .on_exit = on_exit_of,
        .arg = c,
    };

    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    event_assign(&c->readable, l->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    struct err *e = io_process_new(l, &conf, &c->process);

    return e != NULL ? e : io_event_add(&c->readable);
}

struct err *io_command_run(struct io_loop *l, const char *const *argv, const char *const *env,
                           struct mono deadline, io_command_fn *on_done, void *arg,
                           struct io_command **ret)
{
    AUTO(io_command_free) struct io_command *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return err_nomem();
    }
    c->fd = -1;
    c->on_done = on_done;
    c->arg = arg;
    c->name = text_copy(argv[0]);
    buf_init(&c->output, SECRET_MAX_BYTES);
    c->output.secret = true;
    io_timer_init(&c->deadline, l, on_deadline, c);
    struct err *e = c->name != NULL ? launch(l, c, argv, env) : err_nomem();

    if (e != NULL) {
        return e;
    }
    io_timer_set(&c->deadline, deadline);
    *ret = take(&c);
    return NULL;
}

void io_command_free(struct io_command **cp)
{
    struct io_command *c = take(cp);

    if (c == NULL) {
        return;
    }
    stop(c);
    io_timer_deinit(&c->deadline);
    buf_deinit(&c->output);
    free(c->name);
    free(c);
}
