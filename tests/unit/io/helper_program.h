#ifndef HF_TESTS_IO_HELPER_PROGRAM_H
#define HF_TESTS_IO_HELPER_PROGRAM_H

/* The helper that the tests start: the test program itself, with "helper" or another word as its
 * argument. It does on demand what helpers must not do. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "io/support.h"

enum program_op {
    OP_ECHO = 1,
    OP_GROW,    /* u32 workers */
    OP_SIGNAL,  /* u32 signal: dies of it */
    OP_EXIT,    /* u32 status */
    OP_HANG,    /* for good, deaf to the end of the stream */
    OP_HOLD,    /* until OP_RELEASE comes */
    OP_RELEASE, /* lets one go */
    OP_EVENTS,
    OP_GARBAGE,     /* u32 length of the garbage it sends instead of an answer */
    OP_UNASKED,     /* answers a request that nobody made */
    OP_LOOK,        /* what it inherited */
    OP_ASK,         /* u32 socket, u32 patience in ms, then the question: replies with its answer */
    OP_ASK_GARBAGE, /* sends a question of id 0 */
    OP_ASK_CLOSE,   /* closes its first socket for questions */
    OP_ASK_UNREAD, /* u32 n: asks n times, holds, and only then reads: replies with the last answer */
};

static pthread_mutex_t program_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t program_changed = PTHREAD_COND_INITIALIZER;
static unsigned program_released;

static inline void program_hold(void)
{
    pthread_mutex_lock(&program_lock);
    while (program_released == 0) {
        pthread_cond_wait(&program_changed, &program_lock);
    }
    program_released--;
    pthread_mutex_unlock(&program_lock);
}

static inline void program_release(void)
{
    pthread_mutex_lock(&program_lock);
    program_released++;
    pthread_cond_signal(&program_changed);
    pthread_mutex_unlock(&program_lock);
}

/* "A=b;fds 0 1 2 3;blocked 0" */
static inline void program_look(struct buf *reply)
{
    AUTO(auto_free) char *text = text_copy("");
    DIR *dir = opendir("/proc/self/fd");
    bool open_fd[64] = {false};
    const struct dirent *d;

    for (char **e = environ; *e != NULL; e++) {
        AUTO(auto_free) char *old = take(&text);

        text = text_fmt("%s%s;", old, *e);
    }
    while ((d = readdir(dir)) != NULL) {
        int fd = atoi(d->d_name);

        open_fd[fd % 64] |= d->d_name[0] != '.' && fd != dirfd(dir);
    }
    closedir(dir);
    for (int fd = 0; fd < 64; fd++) {
        AUTO(auto_free) char *old = take(&text);

        text = open_fd[fd] ? text_fmt("%s%d ", old, fd) : take(&old);
    }
    buf_put(reply, text, strlen(text));
    buf_put_bool(reply, isatty(0) == 0 && read(0, &open_fd, 1) == 0);
}

static inline struct err *program_events(struct ipc_request *r)
{
    struct err *e = ipc_request_event(r, view_cstr("half way"));

    buf_put(r->reply, "done", 4);
    return e;
}

static inline void program_send_garbage(size_t len)
{
    AUTO(auto_free) void *bytes = calloc(1, len);

    if (send(IPC_HELPER_FD, bytes, len, 0) < 0) {
        perror("garbage");
    }
    program_hold();
}

static inline struct err *program_unasked(void)
{
    AUTO(buf_deinit) struct buf b;
    enum ipc_result result;

    buf_init(&b, 0);
    struct err *e = ipc_frame_make(&b, 12345, IPC_REPLY_OK, view_of(NULL, 0));

    return e != NULL ? e : ipc_send(IPC_HELPER_FD, buf_view(&b), true, &result);
}

static inline struct err *program_ask(struct ipc_request *r)
{
    int fd = IPC_ASK_FD + (int)rd_u32(&r->body);
    struct mono deadline = mono_in(rd_u32(&r->body));

    return ipc_ask(fd, 7, rd_rest(&r->body), deadline, r->reply);
}

static inline struct err *program_ask_raw(uint32_t id)
{
    AUTO(buf_deinit) struct buf b;
    enum ipc_result result;

    buf_init(&b, 0);
    struct err *e = ipc_frame_make(&b, id, 7, view_cstr("large"));

    return e != NULL ? e : ipc_send(IPC_ASK_FD, buf_view(&b), true, &result);
}

static inline struct err *program_ask_unread(struct ipc_request *r)
{
    AUTO(buf_deinit) struct buf in;
    uint32_t n = rd_u32(&r->body);
    struct ipc_frame f = {0};
    struct err *e = NULL;

    buf_init(&in, 0);
    for (uint32_t i = 1; e == NULL && i <= n; i++) {
        e = program_ask_raw(i);
    }
    program_hold();
    while (e == NULL && f.id != n) {
        enum ipc_result result;

        e = ipc_recv(IPC_ASK_FD, &in, true, &result);
        if (e == NULL) {
            e = ipc_frame_read(buf_view(&in), &f);
        }
    }
    if (e == NULL) {
        buf_put(r->reply, f.body.p, f.body.left);
    }
    return e;
}

static inline struct err *program_serve(void *helper, void *worker, struct ipc_request *r)
{
    (void)helper;
    (void)worker;
    switch ((enum program_op)r->op) {
    case OP_ECHO:
        buf_put(r->reply, r->body.p, r->body.left);
        return NULL;
    case OP_GROW:
        return ipc_server_grow(r->server, rd_u32(&r->body));
    case OP_SIGNAL: {
        int number = (int)rd_u32(&r->body);

        signal(number, SIG_DFL);
        kill(getpid(), number);
        program_hold();
        return NULL;
    }
    case OP_EXIT:
        _exit((int)rd_u32(&r->body));
    case OP_HANG:
        for (;;) {
            pause();
        }
    case OP_HOLD:
        program_hold();
        return NULL;
    case OP_RELEASE:
        program_release();
        return NULL;
    case OP_EVENTS:
        return program_events(r);
    case OP_GARBAGE:
        program_send_garbage(rd_u32(&r->body));
        return NULL;
    case OP_UNASKED:
        return program_unasked();
    case OP_LOOK:
        program_look(r->reply);
        return NULL;
    case OP_ASK:
        return program_ask(r);
    case OP_ASK_GARBAGE:
        return program_ask_raw(0);
    case OP_ASK_CLOSE:
        return close(IPC_ASK_FD) == 0 ? NULL : err_sys(errno, "close");
    case OP_ASK_UNREAD:
        return program_ask_unread(r);
    }
    return err_new(ERR_UNSUPPORTED, "no operation %u", r->op);
}

/** program_main() - the helper, if the arguments say so; -1 when this is the test itself */
static inline int program_main(int argc, char **argv)
{
    static const struct ipc_server_ops ops = {.serve = program_serve};

    if (argc < 2) {
        return -1;
    }
    if (strcmp(argv[1], "exit") == 0) {
        return atoi(argv[2]);
    }
    AUTO(err_free) struct err *e = ipc_serve(IPC_HELPER_FD, &ops, NULL);

    return e != NULL ? 1 : 0;
}

#endif
