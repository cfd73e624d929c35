#ifndef HF_PROTOCOL_PRIV_H
#define HF_PROTOCOL_PRIV_H

/* Between the files of protocol/ only. */
#include <sys/queue.h>

#include "protocol/protocol.h"

/** Message numbers of RFC 9987. */
enum {
    MSG_FAILURE = 5,
    MSG_SUCCESS = 6,
    MSG_REQUEST_IDENTITIES = 11,
    MSG_IDENTITIES_ANSWER = 12,
    MSG_SIGN_REQUEST = 13,
    MSG_SIGN_RESPONSE = 14,
    MSG_ADD_IDENTITY = 17,
    MSG_REMOVE_IDENTITY = 18,
    MSG_REMOVE_ALL_IDENTITIES = 19,
    MSG_ADD_SMARTCARD_KEY = 20,
    MSG_REMOVE_SMARTCARD_KEY = 21,
    MSG_LOCK = 22,
    MSG_UNLOCK = 23,
    MSG_ADD_ID_CONSTRAINED = 25,
    MSG_ADD_SMARTCARD_KEY_CONSTRAINED = 26,
    MSG_EXTENSION = 27,
    MSG_EXTENSION_FAILURE = 28,
    MSG_EXTENSION_RESPONSE = 29,
};

enum {
    PROTOCOL_PENDING_MAX = 64,      /* requests of one connection without an answer */
    PROTOCOL_FRAMES_PER_ROUND = 16, /* of one connection */
    PROTOCOL_OUT_MAX_BYTES = 512 * 1024,
    PROTOCOL_IDENTITIES_MAX = 2048, /* OpenSSH's clients refuse longer lists */
    PROTOCOL_LOG_MAX = 16,          /* refusals of one connection that are logged */
};

/** One request's answer, in the order of the requests: it waits for a token, or for others. */
struct protocol_answer {
    TAILQ_ENTRY(protocol_answer) next; /* conn's answers */
    struct protocol_conn *conn;
    bool ready;                               /* frame holds the answer */
    struct buf frame;                         /* only while others are before it */
    TAILQ_ENTRY(protocol_answer) next_parked; /* socket's parked */
    bool is_parked;                           /* a list that waits for certificates ... */
    struct mono until;                        /* ... not longer than this */
    uint64_t handle;                          /* of remote_sign(); 0 when none */
    enum ssh_alg alg;
    struct ssh_key *key;
};
TAILQ_HEAD(protocol_answers, protocol_answer);

struct protocol_conn {
    LIST_ENTRY(protocol_conn) next; /* socket's conns */
    struct protocol_socket *socket;
    struct io_conn *io;
    struct peer peer;
    struct protocol_answers answers;
    struct policy_binding *bindings;
    size_t bindings_n;
    bool bind_failed;
    unsigned logged;
};
LIST_HEAD(protocol_conns, protocol_conn);

struct protocol_socket {
    struct io_loop *loop;
    struct io_listen *listen;
    char *path;
    char *scope, **tags;
    struct policy_view view; /* of those two */
    struct identity_set *identities;
    struct remote *remote;
    struct protocol_conns conns;
    struct protocol_answers parked;
    struct io_timer *patience;   /* of the parked ones */
    struct identity_watch watch; /* certificates come */
    struct protocol_stats stats;
    struct buf reply;         /* reused for every answer that is made */
    struct buf list;          /* the kept list answer ... */
    uint64_t list_generation; /* ... of these offers; 0: none */
};

/* --- socket.c --- */
/** protocol_drop() - close the connection and free it, at once */
void protocol_drop(struct protocol_conn **c);
/** protocol_request() - what policy gets to see; @payload NULL for a list */
struct policy_request protocol_request(const struct protocol_conn *c,
                                       const struct ssh_payload *payload);

/* --- queue.c --- */
/** protocol_send() - answer the request at hand now; it goes out when those before it have. May
 * drop the connection (out of memory): nothing of it may be used after the call */
void protocol_send(struct protocol_conn *c, struct view frame);
/** protocol_send_byte() - the same with an answer of one byte */
void protocol_send_byte(struct protocol_conn *c, uint8_t type);
/** protocol_later() - a place for an answer that comes later; NULL: the connection was dropped */
struct protocol_answer *protocol_later(struct protocol_conn *c);
/** protocol_answer() - the answer is here: @a is freed when it went out */
void protocol_answer(struct protocol_answer *a, struct view frame);
/** protocol_cancel_all() - forget every answer that is to come, cancel its signature */
void protocol_cancel_all(struct protocol_conn *c);

/* --- park.c --- */
/** protocol_park_init() - NOMEM; protocol_park_deinit() - after the last connection */
struct err *protocol_park_init(struct protocol_socket *s) MUST_CHECK;
void protocol_park_deinit(struct protocol_socket *s);
/** protocol_park() - does a list for this asker have to wait? It wakes what sleeps, and if a
 * certificate then comes, keeps a place for the answer; false: answer now */
bool protocol_park(struct protocol_conn *c, const struct policy_request *r);
/** protocol_need() - what this asker would be shown, had it a valid certificate, is asked for */
void protocol_need(struct protocol_conn *c, const struct policy_request *r);
/** protocol_unpark() - the answer is not waited for any more */
void protocol_unpark(struct protocol_answer *a);

/* --- list.c --- */
/** protocol_list_for() - the list that this asker gets now; NULL: out of memory (borrowed) */
const struct buf *protocol_list_for(struct protocol_conn *c, const struct policy_request *r);

/* --- dispatch.c --- */
/** protocol_dispatch() - one frame, which is answered exactly once, now or later */
void protocol_dispatch(struct protocol_conn *c, struct view frame);
/** protocol_refuse() - count, log the reason, answer with @type (failure or extension failure) */
void protocol_refuse(struct protocol_conn *c, uint8_t type, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** protocol_log() - one line about this client, @e (may be NULL) at its end; bounded */
void protocol_log(struct protocol_conn *c, const struct err *e, const char *text);

/* --- one file a message family: @body is what follows the message number --- */
void protocol_list(struct protocol_conn *c, struct rd *body);
void protocol_sign(struct protocol_conn *c, struct rd *body);
void protocol_extension(struct protocol_conn *c, struct rd *body);

#endif
