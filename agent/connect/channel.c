/*
 * The session channel of a connection: open, run a command, read what it prints, learn how it
 * ended. Data is handed on as it comes; nothing is collected here, so output has no limit but the
 * run's deadline.
 */
#include <stdlib.h>

#include "connect/session_impl.h"

static struct err *open_channel(struct connect_session *s, enum connect_progress *ret_progress)
{
    s->channel = libssh2_channel_open_session(s->ssh);
    if (s->channel) {
        *ret_progress = CONNECT_FINISHED;
        return NULL;
    }
    int rc = libssh2_session_last_errno(s->ssh);
    *ret_progress = CONNECT_AGAIN;
    return rc == LIBSSH2_ERROR_EAGAIN ? NULL : connect_session_failed(s, rc, "open a session");
}

struct err *connect_session_open(struct connect_session *s, const char *command,
                                 enum connect_progress *ret_progress)
{
    if (!s->channel) {
        struct err *e = open_channel(s, ret_progress);
        if (e || !s->channel) {
            return e;
        }
    }
    *ret_progress = CONNECT_FINISHED;
    if (!command || s->requested) {
        return NULL;
    }
    int rc = libssh2_channel_exec(s->channel, command);
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        *ret_progress = CONNECT_AGAIN;
        return NULL;
    }
    s->requested = rc == 0;
    return rc == 0 ? NULL : connect_session_failed(s, rc, "run the command");
}

struct err *connect_session_read(struct connect_session *s, uint8_t *into, size_t size,
                                 size_t *ret_len, bool *ret_is_stderr,
                                 enum connect_progress *ret_progress)
{
    static const int streams[] = {0, SSH_EXTENDED_DATA_STDERR};

    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        ssize_t n = libssh2_channel_read_ex(s->channel, streams[i], (char *)into, size);
        if (n > 0) {
            *ret_len = (size_t)n;
            *ret_is_stderr = streams[i] != 0;
            *ret_progress = CONNECT_FINISHED;
            return NULL;
        }
        if (n < 0 && n != LIBSSH2_ERROR_EAGAIN) {
            return connect_session_failed(s, (int)n, "read the command's output");
        }
    }
    *ret_len = 0;
    *ret_progress = libssh2_channel_eof(s->channel) == 1 ? CONNECT_FINISHED : CONNECT_AGAIN;
    return NULL;
}

static struct err *learn_end(struct connect_session *s, int *ret_status, char **ret_signal)
{
    char *name = NULL;

    if (libssh2_channel_get_exit_signal(s->channel, &name, NULL, NULL, NULL, NULL, NULL) == 0 &&
        name) {
        *ret_signal = text_safe(view_cstr(name));
        libssh2_free(s->ssh, name);
        *ret_status = 255; /* as ssh exits when its command was ended by a signal */
        return *ret_signal ? NULL : err_nomem();
    }
    *ret_signal = NULL;
    *ret_status = libssh2_channel_get_exit_status(s->channel);
    return NULL;
}

struct err *connect_session_close(struct connect_session *s, int *ret_status, char **ret_signal,
                                  enum connect_progress *ret_progress)
{
    /* A command may close its output long before it ends: its status comes with the host's close,
     * and a close of ours before that would lose it. */
    int rc = s->requested ? libssh2_channel_wait_closed(s->channel) : 0;

    if (rc == 0) {
        rc = libssh2_channel_close(s->channel);
    }
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        *ret_progress = CONNECT_AGAIN;
        return NULL;
    }
    if (rc != 0) {
        return connect_session_failed(s, rc, "close the session");
    }
    *ret_progress = CONNECT_FINISHED;
    return learn_end(s, ret_status, ret_signal);
}
