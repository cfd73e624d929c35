/*
 * Transactions that are told in order: a thread each, blocking. The login is what every ssh client
 * does on a connection of its own. The probe asks for a list now and then, beside another load: it
 * shows what somebody who lists has to wait for those who sign.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "load.h"
#include "message.h"

struct crew;

struct thread {
    pthread_t id;
    struct crew *crew;
    struct stats stats;
    struct buf bind, list, sign, answer;
    int fd; /* the probe's one connection */
};

struct crew {
    const struct load *load;
    bool (*transaction)(struct thread *);
    atomic_bool measuring, stop;
    struct thread *threads; /* owned */
};

static bool exchange(struct thread *t, int fd, const struct buf *request, uint8_t wanted)
{
    client_exchange(fd, buf_view(request), &t->answer);
    return client_answer_is(&t->answer, wanted);
}

static bool login(struct thread *t)
{
    int fd = client_open(t->crew->load->socket);
    bool ok = exchange(t, fd, &t->bind, AGENT_SUCCESS);

    ok = exchange(t, fd, &t->list, AGENT_LIST_ANSWER) && ok;
    ok = exchange(t, fd, &t->sign, AGENT_SIGN_ANSWER) && ok;
    close(fd);
    return ok;
}

static bool probe(struct thread *t)
{
    return exchange(t, t->fd, &t->list, AGENT_LIST_ANSWER);
}

static void rest(unsigned us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};

    nanosleep(&t, NULL);
}

static void *work(void *arg)
{
    struct thread *t = arg;
    struct crew *crew = t->crew;

    while (!atomic_load(&crew->stop)) {
        uint64_t start = now_ns();
        bool ok = crew->transaction(t);

        if (!ok) {
            t->stats.refused++;
        } else if (atomic_load(&crew->measuring)) {
            stats_add(&t->stats, now_ns() - start);
        }
        if (crew->load->pause_us > 0) {
            rest(crew->load->pause_us);
        }
    }
    return NULL;
}

static void thread_init(struct thread *t, struct crew *crew)
{
    uint8_t bytes[SESSION_ID_BYTES];
    struct view session_id = view_of(bytes, sizeof bytes);

    t->crew = crew;
    t->fd = -1;
    buf_init(&t->bind, 0);
    buf_init(&t->list, 0);
    buf_init(&t->sign, 0);
    buf_init(&t->answer, 0);
    message_list(&t->list);
    if (crew->transaction == login) {
        message_session_id(bytes);
        message_bind(session_id, &t->bind);
        message_sign(buf_view(&crew->load->key_blob), session_id, &t->sign);
    } else {
        t->fd = client_open(crew->load->socket);
    }
}

static void thread_deinit(struct thread *t)
{
    auto_close(&t->fd);
    buf_deinit(&t->bind);
    buf_deinit(&t->list);
    buf_deinit(&t->sign);
    buf_deinit(&t->answer);
    stats_deinit(&t->stats);
}

static void rest_ns(uint64_t ns)
{
    rest((unsigned)(ns / 1000));
}

static int run(const struct load *l, bool (*transaction)(struct thread *))
{
    struct crew crew = {.load = l, .transaction = transaction};
    struct stats all = {0};

    crew.threads = calloc(l->connections, sizeof *crew.threads);
    must(crew.threads == NULL ? err_nomem() : NULL);
    for (unsigned i = 0; i < l->connections; i++) {
        thread_init(&crew.threads[i], &crew);
        int failed = pthread_create(&crew.threads[i].id, NULL, work, &crew.threads[i]);

        must(failed != 0 ? err_sys(failed, "thread") : NULL);
    }
    rest_ns(l->warm_ns);
    uint64_t start = now_ns();

    atomic_store(&crew.measuring, true);
    rest_ns(l->measure_ns);
    atomic_store(&crew.measuring, false);
    uint64_t elapsed_ns = now_ns() - start;

    atomic_store(&crew.stop, true);
    for (unsigned i = 0; i < l->connections; i++) {
        pthread_join(crew.threads[i].id, NULL);
        stats_merge(&all, &crew.threads[i].stats);
        thread_deinit(&crew.threads[i]);
    }
    free(crew.threads);
    int status = stats_print(&all, elapsed_ns);

    stats_deinit(&all);
    return status;
}

int thread_login(const struct load *l)
{
    return run(l, login);
}

int thread_probe(const struct load *l)
{
    return run(l, probe);
}
