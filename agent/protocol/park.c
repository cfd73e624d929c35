/*
 * Lists that wait. An identity that is renewed when used has no certificate while it sleeps; the list
 * that wakes it waits for what comes, at most as long as the identity says, and then is answered with
 * what is there. Nobody else waits: other connections, and other requests to the tokens, go on.
 *
 * A list that finds an identity of another kind without a valid certificate does not wait; but it has
 * it asked for.
 *
 * Each parked list is looked at again whenever something of the identities changes, and at its
 * deadline; one timer serves all of a socket's.
 */
#include "protocol/priv.h"

static bool is_shown(const struct policy_request *r, struct identity *i)
{
    const struct ssh_key *public = identity_public(i);
    const struct identity_offer_line line = {
        .identity = i,
        .blob = public != NULL ? ssh_key_blob(public) : view_of(NULL, 0),
        .comment = identity_name(i),
    };

    return policy_list(r, &line) == POLICY_ALLOW;
}

/* How long a list for this asker may wait for what is coming; 0: not at all. */
static int64_t patience_ms(const struct protocol_conn *c, const struct policy_request *r, bool wake)
{
    const struct identity_set *set = c->socket->identities;
    int64_t ms = 0;

    for (size_t k = 0; k < identity_count(set); k++) {
        struct identity *i = identity_at(set, k);

        if (identity_renewal_of(i) != IDENTITY_RENEWAL_WHEN_USED || !is_shown(r, i)) {
            continue;
        }
        if (wake) {
            identity_used(i);
        }
        if (identity_is_coming(i) && identity_wait_ms(i) > ms) {
            ms = identity_wait_ms(i);
        }
    }
    return ms;
}

void protocol_need(struct protocol_conn *c, const struct policy_request *r)
{
    const struct identity_set *set = c->socket->identities;

    for (size_t k = 0; k < identity_count(set); k++) {
        struct identity *i = identity_at(set, k);

        if (identity_is_missed(i) && is_shown(r, i)) {
            identity_needed(i);
        }
    }
}

static void arm(struct protocol_socket *s)
{
    const struct protocol_answer *a;
    struct mono first = {INT64_MAX};

    TAILQ_FOREACH(a, &s->parked, next_parked)
    {
        first = a->until.ms < first.ms ? a->until : first;
    }
    if (TAILQ_EMPTY(&s->parked)) {
        io_timer_clear(s->patience);
    } else {
        io_timer_set(s->patience, first);
    }
}

static void answer(struct protocol_answer *a, const struct policy_request *r)
{
    static const uint8_t failure = MSG_FAILURE;
    const struct buf *list = protocol_list_for(a->conn, r);

    protocol_unpark(a);
    protocol_answer(a, list != NULL ? buf_view(list) : view_of(&failure, 1));
}

static void look(void *arg)
{
    struct protocol_socket *s = arg;
    struct protocol_answer *a, *next;

    for (a = TAILQ_FIRST(&s->parked); a != NULL; a = next) {
        const struct policy_request r = protocol_request(a->conn, NULL);

        next = TAILQ_NEXT(a, next_parked);
        if (!mono_passed(a->until) && patience_ms(a->conn, &r, false) > 0) {
            continue;
        }
        answer(a, &r); /* may drop the connection, and with it others that are parked */
        next = TAILQ_FIRST(&s->parked);
    }
    arm(s);
}

bool protocol_park(struct protocol_conn *c, const struct policy_request *r)
{
    int64_t ms = patience_ms(c, r, true);
    struct protocol_answer *a = ms > 0 ? protocol_later(c) : NULL;

    if (ms == 0) {
        return false;
    }
    if (a != NULL) { /* else the connection is gone, and needs no answer */
        a->is_parked = true;
        a->until = mono_in(ms);
        TAILQ_INSERT_TAIL(&c->socket->parked, a, next_parked);
        arm(c->socket);
    }
    return true;
}

void protocol_unpark(struct protocol_answer *a)
{
    if (a->is_parked) {
        a->is_parked = false;
        TAILQ_REMOVE(&a->conn->socket->parked, a, next_parked);
    }
}

struct err *protocol_park_init(struct protocol_socket *s)
{
    s->patience = io_timer_new(s->loop, look, s);
    if (s->patience == NULL) {
        return err_nomem();
    }
    s->watch = (struct identity_watch){.on_change = look, .arg = s};
    identity_set_watch(s->identities, &s->watch);
    return NULL;
}

void protocol_park_deinit(struct protocol_socket *s)
{
    if (s->patience != NULL) {
        identity_set_unwatch(s->identities, &s->watch);
    }
    io_timer_free(&s->patience);
}
