#ifndef CONTROL_FAKE_ENROLL_H
#define CONTROL_FAKE_ENROLL_H

/* Part of fake_parts.h: an enrolling, whose steps a test tells. */
#include "enroll/enroll.h"

struct enroll {
    int nothing;
};

static struct {
    unsigned news, starts, frees;
    struct enroll enroll;
    char server[64], mount[64], role[64], common_name[64], alt_name[64], one_time[64], path[64];
    enum ssh_key_type key_type;
    unsigned key_bits;
    bool certifies, allow_extractable, renew, refuse;
    int64_t ttl_s;
    enroll_step_fn *on_step;
    enroll_end_fn *on_end;
    void *arg;
    struct vault_conf login; /* what vault_conf_of() gives; .name NULL: nothing */
} en;

static inline void en_text(char *to, const char *from)
{
    snprintf(to, 64, "%s", from != NULL ? from : "");
}

const struct vault_conf *vault_conf_of(const struct vault *v, const char *name)
{
    (void)v;
    return en.login.name != NULL && strcmp(en.login.name, name) == 0 ? &en.login : NULL;
}

struct err *enroll_new(const struct enroll_conf *conf, enroll_step_fn *on_step,
                       enroll_end_fn *on_end, void *arg, struct enroll **ret)
{
    en.news++;
    en_text(en.server, conf->server);
    en_text(en.mount, conf->mount);
    en_text(en.role, conf->role);
    en_text(en.common_name, conf->subject.common_name);
    en_text(en.alt_name, conf->subject.alt_names != NULL ? conf->subject.alt_names[0] : NULL);
    en_text(en.one_time, conf->one_time != NULL ? secret_text(conf->one_time) : NULL);
    en_text(en.path, conf->wrapping_path);
    en.key_type = conf->key_type;
    en.key_bits = conf->key_bits;
    en.certifies = conf->key != NULL;
    en.allow_extractable = conf->allow_extractable;
    en.renew = conf->renew;
    en.ttl_s = conf->ttl_s;
    en.on_step = on_step;
    en.on_end = on_end;
    en.arg = arg;
    if (en.refuse) {
        return err_new(ERR_INPUT, "no such signer");
    }
    *ret = &en.enroll;
    return NULL;
}

void enroll_start(struct enroll *e)
{
    assert_ptr_equal(e, &en.enroll);
    en.starts++;
}

void enroll_keep_warnings(const struct enroll_keep *k, void (*say)(void *arg, const char *text),
                          void *arg)
{
    if (k != NULL) {
        say(arg, "its login certificate ends");
    }
}

void enroll_free(struct enroll **e)
{
    en.frees += *e != NULL;
    *e = NULL;
}

#endif
