#ifndef RENEW_FIXTURE_H
#define RENEW_FIXTURE_H

/* A renewal clock over the identities' fixture, with a signer that does as the test says. */
#include "base/patience.h"
#include "identity/fixture.h"
#include "renew/renew.h"

enum { SIGNER_CALLS_MAX = 512 };

static unsigned audit_notes; /* instead of audit/audit.h's trail */

void audit_note(struct audit *a, const char *event, const struct audit_fact *facts)
{
    (void)a;
    assert_string_equal(event, "certificate-received");
    assert_string_equal(facts[0].name, "identity");
    assert_non_null(facts[0].value);
    audit_notes++;
}

struct fake_signer {
    struct fixture *f;
    int64_t ttl_s;
    enum err_code fails; /* 0: it signs */
    int64_t patience_s;  /* that a failure asks for */
    bool hold;           /* answers wait for signer_answer() */
    bool wrong_ca;
    int64_t skew_s;
    /* what was asked */
    unsigned calls, cancelled;
    struct wall at[SIGNER_CALLS_MAX];
    size_t waiting_n;
    struct {
        signer_reply_fn *on_reply;
        void *arg;
        const struct ssh_key *key;
        uint64_t handle;
        int64_t deadline_ms;
    } waiting[64];
};

struct setting {
    struct fixture f;
    struct fake_signer signer;
    struct renew *renew;
    unsigned done;
    enum err_code done_code;
};

static inline void signer_reply(struct fake_signer *s, const struct ssh_key *key,
                                signer_reply_fn *on_reply, void *arg)
{
    if (s->fails != 0) {
        on_reply(arg, err_set_patience(err_new(s->fails, "fake signer"), s->patience_s), NULL);
        return;
    }
    struct fake_cert c = fixture_issue(s->f, s->ttl_s);

    c.key = key;
    c.ca = s->wrong_ca ? s->f->other_ca : s->f->ca;
    AUTO(auto_free) char *line = fake_cert_line(&c);
    const struct signer_answer answer = {.cert_line = view_cstr(line),
                                         .request_id = "",
                                         .skew_s = s->skew_s,
                                         .has_skew = s->skew_s != 0};

    on_reply(arg, NULL, &answer);
}

static inline uint64_t signer_sign(void *self, const struct signer_request *q, struct mono deadline,
                                   signer_reply_fn *on_reply, void *arg)
{
    struct fake_signer *s = self;

    assert_in_range(s->calls, 0, SIGNER_CALLS_MAX - 1);
    s->at[s->calls++] = wall_now();
    if (!s->hold) {
        signer_reply(s, q->key, on_reply, arg);
        return 0;
    }
    s->waiting[s->waiting_n].on_reply = on_reply;
    s->waiting[s->waiting_n].arg = arg;
    s->waiting[s->waiting_n].key = q->key;
    s->waiting[s->waiting_n].handle = s->calls;
    s->waiting[s->waiting_n].deadline_ms = mono_left_ms(deadline);
    s->waiting_n++;
    return s->calls;
}

static inline void signer_cancel(void *self, uint64_t handle)
{
    struct fake_signer *s = self;

    for (size_t i = 0; i < s->waiting_n; i++) {
        if (s->waiting[i].handle == handle) {
            s->waiting[i] = s->waiting[--s->waiting_n];
            s->cancelled++;
            return;
        }
    }
    fail();
}

/* signer_answer() - the request that waits longest gets its answer */
static inline void signer_answer(struct fake_signer *s)
{
    assert_in_range(s->waiting_n, 1, 64);
    signer_reply_fn *on_reply = s->waiting[0].on_reply;
    void *arg = s->waiting[0].arg;
    const struct ssh_key *key = s->waiting[0].key;

    memmove(&s->waiting[0], &s->waiting[1], --s->waiting_n * sizeof s->waiting[0]);
    signer_reply(s, key, on_reply, arg);
}

static inline int setting_init(void **state)
{
    static const struct signer_ops ops = {.sign = signer_sign, .cancel = signer_cancel};
    static struct setting s;

    memset(&s, 0, sizeof s);
    fixture_init(&s.f);
    s.signer = (struct fake_signer){.f = &s.f, .ttl_s = 3600};
    s.f.signer.ops = &ops;
    s.f.signer.self = &s.signer;
    fake_fires = 0;
    *state = &s;
    return 0;
}

static inline void setting_start(struct setting *s)
{
    fixture_start(&s->f);
    fake_ok(renew_new(NULL, s->f.set, 42, NULL, &s->renew));
}

static inline int setting_deinit(void **state)
{
    struct setting *s = *state;

    renew_free(&s->renew);
    fixture_deinit(&s->f);
    return 0;
}

static inline void setting_on_done(void *arg, struct err *e)
{
    struct setting *s = arg;

    s->done++;
    s->done_code = e != NULL ? err_code(e) : 0;
    err_free(&e);
}

/* setting_calls_in() - requests in the last @s seconds */
static inline unsigned setting_calls_in(const struct setting *s, int64_t seconds)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->signer.calls; i++) {
        n += s->signer.at[i].s > wall_now().s - seconds;
    }
    return n;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setting_init, setting_deinit)

#endif
