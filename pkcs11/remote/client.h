#ifndef HF_PKCS11_REMOTE_CLIENT_H
#define HF_PKCS11_REMOTE_CLIENT_H

#include <sys/queue.h>

#include "pkcs11/remote/ops.h"
#include "pkcs11/remote/remote.h"

/* For the files of the agent's side only. Who calls whom:
 *
 *   remote --> module --> match --> slot --> pin --> refusal
 *        `---> change ----'
 *                                    |  `--> listing --> key
 *                                   sign, manage, certs
 *
 * remote_poke() asks for remote's tick in the next round of the loop, which does what has to be
 * done once per change and not in the middle of one. */

enum {
    LOAD_MS = 30 * 1000,
    LIST_MS = 30 * 1000, /* tokens, opening, CK_TOKEN_INFO */
    KEYS_MS = 120 * 1000,
    POLL_MS = 5 * 1000, /* between looks for an absent token */
    RETRY_MAX_MS = 300 * 1000,
    PIN_COMMAND_MS = 60 * 1000,
    ASKPASS_MS = 180 * 1000,
    CACHE_MAX_BYTES = 4 * 1024 * 1024,
};

struct slot;
struct module;
struct sign;
struct job;
TAILQ_HEAD(sign_list, sign);
TAILQ_HEAD(job_list, job);

struct remote_key {
    struct remote *r; /* NULL once the remote is gone */
    size_t index;     /* in r->all */
    unsigned refs;
    struct slot *slot; /* where it was last seen */
    bool present;      /* on its token, as far as we know */
    struct ops_name name;
    char *serial, *uri;
    struct token_key k;
};

/** A token that a module listed. */
struct present {
    struct token_info info;
    char *uri;         /* finds exactly this one */
    struct slot *slot; /* it was opened as; NULL: not */
};

struct module {
    struct remote *r;
    char *name, *path;
    struct profile_load load;
    struct profile_why why;
    bool matched; /* load and why are there */
    struct io_helper *helper;
    bool up;       /* loaded, in this life of the helper */
    bool ready;    /* io_helper_ready() was called in this life */
    bool answered; /* it listed its tokens, or failed, at least once */
    bool failed;   /* it cannot be loaded; see error */
    uint64_t poll; /* listing in flight; also what starts the helper */
    struct ops_library library;
    struct err *error;
    struct present *present;
    size_t present_n;
    unsigned workers;
    struct mono retry_at;
    int64_t retry_ms;
};

enum slot_phase {
    SLOT_ABSENT,
    SLOT_DOWN, /* its helper is to come back */
    SLOT_OPENING,
    SLOT_PIN,   /* a PIN is being fetched */
    SLOT_LOGIN, /* the token has it */
    SLOT_KEYS,  /* first listing after login */
    SLOT_READY,
    SLOT_LOCKED,
    SLOT_FAILED,
};

struct source {
    enum remote_pin_kind kind;
    char *text;
    char **argv;
    struct secret *value;
    bool tried; /* in this insertion, and it did not log in */
};

/** What a slot remembers of PINs that a token refused. */
struct refusals {
    char **lines;         /* as on disk */
    struct secret **pins; /* of this insertion */
    size_t pins_n;
};

/** What is configured of a token. */
struct slot_conf {
    char *name, *uri_text;
    struct p11_uri *uri;
    struct source *sources;
    size_t sources_n;
};

/** One configured token. It keeps its lane for good. */
struct slot {
    struct remote *r;
    uint32_t lane;
    unsigned born; /* 0: at the start */
    char *name, *uri_text;
    struct p11_uri *uri;
    struct source *sources;
    size_t sources_n;
    struct slot_conf *next; /* to be applied when no PIN is at work */
    bool leaving;           /* to be removed then */

    enum slot_phase phase;
    struct module *module; /* NULL: never seen */
    struct token_info info;
    struct profile_token profile;
    struct profile_why why;
    bool matched; /* profile and why are there */
    unsigned sessions;
    bool close;   /* tell the helper to close the lane with the next listing */
    bool suspect; /* a request said GONE: look whether the token is still there */
    bool relogin; /* a sign request said that nobody is logged in */
    bool stayed;  /* absent only for a look: found again, it is the same insertion */
    struct err *error;
    unsigned failures;
    struct mono retry_at; /* of a failed one */
    uint64_t call;        /* in flight for the phase */

    /* pin.c */
    struct refusals refused;
    bool pin_refused;
    unsigned login_errors; /* of the device, in this insertion */
    size_t source;         /* the one at work */
    bool typed;            /* the PIN at work was given by a person */
    bool no_pin;           /* the protected path was tried in this round */
    bool last_try;         /* a person allowed the last try */
    struct secret *pin;
    struct io_command *command;
    remote_done_fn *on_unlocked;
    void *unlock_arg;

    /* listing.c */
    bool listing_now;
    uint64_t list_call;
    struct token_key *page; /* what has come so far */
    size_t page_n;
    struct job_list asked, listing; /* jobs that wait for the next listing, for this one */
    struct remote_key **keys;       /* present; references */
    size_t keys_n;

    struct sign_list waiting; /* until it is ready */
    struct io_timer *timer;   /* the first deadline of those: */
    struct mono first_deadline;
};

struct settled {
    struct remote *r;
    remote_done_fn *on_done;
    void *arg;
    struct io_timer *timer;
    TAILQ_ENTRY(settled) next;
};

struct remote {
    struct io_loop *loop;
    struct io_writer *writer; /* of the files in state_dir */
    const struct profile_set *profiles;
    char *helper_path, *state_dir;
    remote_change_fn *on_change;
    void *arg;
    struct module *modules;
    size_t modules_n;
    struct slot **slots; /* the configured tokens */
    size_t slots_n;
    struct slot **idle; /* emptied, with a lane of their own: the next token takes one */
    size_t idle_n;
    unsigned births;
    struct remote_key **all; /* every key that somebody holds; no references */
    size_t all_n, all_cap;
    struct sign **signs; /* sign.c's table */
    uint32_t signs_n, free_sign;
    struct buf scratch;
    struct io_timer *tick, *poll;
    bool started, ending, changed;
    TAILQ_HEAD(, settled) settled;
};

/* remote.c */
/** remote_poke() - something changed: have the tick in the next round, and on_change with it */
void remote_poke(struct remote *r);
/** remote_again() - have the tick in the next round */
void remote_again(struct remote *r);

/* module.c */
struct err *module_init(struct module *m, struct remote *r, const struct remote_module_conf *conf)
    MUST_CHECK;
void module_deinit(struct module *m);
/** module_look() - have it list its tokens; starts its helper */
void module_look(struct module *m);
/** module_check() - in the tick: ready when all of its slots are through; restarted when down */
void module_check(struct module *m);
/** module_limits() - hand the helper's limits to the queue, after a token was opened */
void module_limits(struct module *m, unsigned workers);

/* find.c */
/** slot_why_not() - why the slot's keys cannot be used now; NULL when it is ready */
struct err *slot_why_not(const struct slot *s) MUST_CHECK;

/* match.c */
/** match_tokens() - give present tokens to configured ones, open what can be opened */
void match_tokens(struct remote *r);

/* change.c */
/** change_add() - a slot for a token, as in the start */
struct err *change_add(struct remote *r, const struct remote_token_conf *conf) MUST_CHECK;
/** change_check() - in the tick: do what waited for a login to be over. True when the slot left the
 * list of slots */
bool change_check(struct slot *s);

/* slot_conf.c */
struct err *slot_conf_new(const struct remote_token_conf *conf, struct slot_conf **ret) MUST_CHECK;
void slot_conf_free(struct slot_conf **c);
void slot_conf_deinit(struct slot_conf *c);
/** slot_conf_is() - is the slot configured exactly so */
bool slot_conf_is(const struct slot *s, const struct slot_conf *c);
/** slot_conf_swap() - the slot is configured as @c now, which gets what it was before. A source that
 * was there before stays tried */
void slot_conf_swap(struct slot *s, struct slot_conf *c);

/* slot.c */
/** slot_new() - without configuration */
struct slot *slot_new(struct remote *r, uint32_t lane);
void slot_free(struct slot **s);
/** slot_forget_profile() - it has to be matched anew */
void slot_forget_profile(struct slot *s);
/** slot_is_named() - does this URI name the token that the slot has, or had last */
bool slot_is_named(const struct slot *s, const struct p11_uri *uri);
/** slot_open() - @info was listed by @m */
void slot_open(struct slot *s, struct module *m, const struct token_info *info);
/** slot_set_absent() - its token is not there (any more) */
void slot_set_absent(struct slot *s);
/** slot_set_down() - its helper died; @why is borrowed */
void slot_set_down(struct slot *s, const struct err *why);
/** slot_fail() - @e is taken. @retry: another look may help */
void slot_fail(struct slot *s, struct err *e, bool retry);
/** slot_check() - in the tick: follow up what requests found out */
void slot_check(struct slot *s);
/** slot_is_moving() - between two states that last */
bool slot_is_moving(const struct slot *s);
/** slot_call() - a request about this token. @body is checked first. The handle is stored in
 * *@handle unless @on_reply ran already */
struct slot_request {
    enum ops op;
    struct buf *body;
    int64_t timeout_ms;
    io_reply_fn *on_reply;
    void *arg;
};
void slot_call(struct slot *s, const struct slot_request *q, uint64_t *handle);
/** slot_logged_in() - from pin.c: list the keys */
void slot_logged_in(struct slot *s);
/** slot_set_locked() - from pin.c: @e (taken, may be NULL) says why */
void slot_set_locked(struct slot *s, struct err *e);
/** slot_set_ready() - from listing.c: the first listing is in */
void slot_set_ready(struct slot *s);
/** slot_set_error() - @e is taken, NULL clears */
void slot_set_error(struct slot *s, struct err *e);

/* pin.c */
/** pin_start() - log in with the sources that may be tried; asks a person only when a signature or
 * a person waits */
void pin_start(struct slot *s);
/** pin_stop() - drop what is under way (helper died, token gone); @why is borrowed */
void pin_stop(struct slot *s, const struct err *why);
/** pin_new_insertion() - sources may be tried again */
void pin_new_insertion(struct slot *s);
void pin_deinit(struct slot *s);

/* pin_source.c */
struct err *source_copy(struct source *to, const struct remote_pin_source *from) MUST_CHECK;
/** source_from_uri() - the file that a pin-source names: a path, or file: and a path
 * Spec: RFC 7512, 2.4 */
struct err *source_from_uri(struct source *to, const char *pin_source) MUST_CHECK;
void source_deinit(struct source *s);
/** source_read() - file, credential, environment. Others are commands: see pin.c */
struct err *source_read(const struct source *s, struct secret **ret) MUST_CHECK;
/** source_text() - "PIN file /etc/x": for messages (caller owns; NULL when out of memory) */
char *source_text(const struct source *s);
/** source_line() - what identifies the source and its present contents, without telling anything
 * about the PIN (caller owns; NULL when out of memory) */
char *source_line(const struct source *s);

/* refusal.c */
/** refusal_load() - what is on disk, or about to be, for the slot's token */
void refusal_load(struct slot *s);
bool refusal_has_source(const struct slot *s, const struct source *source);
bool refusal_has_pin(const struct slot *s, const struct secret *pin);
/** refusal_add() - @pin was refused; @source NULL when a person typed it, @pin NULL when it is not
 * known any more. Known from now on, and on
 * disk as soon as the disk gets there */
void refusal_add(struct slot *s, const struct source *source, const struct secret *pin);
/** refusal_clear() - forget all, on disk too. refusal_new_insertion() - forget PINs only */
void refusal_clear(struct slot *s);
void refusal_new_insertion(struct slot *s);
void refusal_deinit(struct slot *s);
/** refusal_path() - "STATE_DIR/KIND-SERIAL" (caller owns); NULL without a state directory */
char *refusal_path(const struct slot *s, const char *kind);

/* listing.c */
/** listing_start() - read the slot's keys; @job is told when a listing that begins from now on is
 * over (NULL: nobody is) */
void listing_start(struct slot *s, struct job *job);
void listing_stop(struct slot *s, const struct err *why);

/* keycache.c */
/** keycache_store() - remember the slot's keys on disk, if they changed */
void keycache_store(const struct slot *s, const struct token_key *keys, size_t n);
/** keycache_show() - a locked token shows the keys it had when it was last open */
void keycache_show(struct slot *s);

/* key.c */
/** key_merge() - these are the slot's keys now; @list is emptied into them */
struct err *key_merge(struct slot *s, struct token_key *list, size_t n) MUST_CHECK;
/** key_drop_all() - the slot's token is gone: its keys live on only with those who hold them */
void key_drop_all(struct slot *s);
/** key_disown() - the slot is no more: keys that are still held have none */
void key_disown(struct slot *s);
/** key_find_name() - on this slot; NULL when absent */
struct remote_key *key_find_name(const struct slot *s, const struct ops_name *name);
/** key_forget_remote() - at the end: keys that are still held stand alone */
void key_forget_remote(struct remote *r);

/* sign.c */
/** sign_flush() - the slot is ready: hand over those who wait */
void sign_flush(struct slot *s);
/** sign_fail_waiting() - @why is borrowed */
void sign_fail_waiting(struct slot *s, const struct err *why);
void sign_on_timer(void *slot);
void sign_deinit(struct remote *r);

/* manage.c */
/** What waits for a listing. */
struct job {
    TAILQ_ENTRY(job) next;
    void (*on_listed)(struct job *job, struct err *e); /* @e is taken; frees the job */
};
/** manage_learn() - a request ended so: where its token is gone, have somebody look */
void manage_learn(struct slot *s, const struct err *e);

#endif
