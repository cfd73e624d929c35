#ifndef CONTROL_FAKE_VAULT_H
#define CONTROL_FAKE_VAULT_H

/* Part of fake_parts.h: a look at a Vault server, whose steps a test tells. */
static struct {
    unsigned checks, lists, cancelled;
    unsigned keys;
    char target[64], principals[64], issuer[64];
    char address[64], second[64], ca_pem[64], namespace_[64], token[64], mount[64], role[64];
    enum vault_login login;
    int64_t renew_interval_s, timeout_ms;
    bool renew_by_interval, refuse;
    vault_step_fn *on_step;
    vault_done_fn *on_done;
    vault_mounts_fn *on_mounts;
    vault_ca_key_fn *on_ca_key;
    void *arg;
} look;

static inline void look_text(char *to, const char *from)
{
    snprintf(to, 64, "%s", from != NULL ? from : "");
}

static inline void look_at(const struct vault_target *t)
{
    const struct vault_conf *c = t->conf;

    look_text(look.target, t->name);
    if (t->name != NULL) {
        return;
    }
    assert_non_null(c);
    look_text(look.address, c->address);
    look_text(look.second, c->addresses != NULL ? c->addresses[0] : NULL);
    look_text(look.ca_pem, c->ca_pem);
    look_text(look.namespace_, c->namespace_);
    look_text(look.token, c->token != NULL ? secret_text(c->token) : c->token_file);
    look.login = c->login;
    look.renew_by_interval = c->renew_by_interval;
    look.renew_interval_s = c->renew_interval_s;
    look.timeout_ms = c->request_timeout_ms;
}

uint64_t vault_check(struct vault *v, const struct vault_check *check, vault_step_fn *on_step,
                     vault_done_fn *on_done, void *arg)
{
    (void)v;
    look_at(&check->target);
    look_text(look.mount, check->mount);
    look_text(look.role, check->role);
    look_text(look.principals, check->principals);
    look.on_step = on_step;
    look.on_done = on_done;
    look.arg = arg;
    look.checks++;
    if (look.refuse) {
        on_done(arg, err_new(ERR_INPUT, "two kinds of CA"));
        return 0;
    }
    return 7;
}

uint64_t vault_mounts(struct vault *v, const struct vault_target *target, const char *type,
                      struct mono deadline, vault_mounts_fn *on_done, void *arg)
{
    (void)v;
    (void)deadline;
    assert_string_equal(type, "ssh");
    look_at(target);
    look.on_mounts = on_done;
    look.arg = arg;
    look.lists++;
    return 7;
}

uint64_t vault_ca_key(struct vault *v, const struct vault_target *target, const char *mount,
                      const char *issuer, struct mono deadline, vault_ca_key_fn *on_done, void *arg)
{
    (void)v;
    (void)deadline;
    look_at(target);
    look_text(look.mount, mount);
    look_text(look.issuer, issuer);
    look.on_ca_key = on_done;
    look.arg = arg;
    look.keys++;
    return 7;
}

void vault_cancel(struct vault *v, uint64_t handle)
{
    (void)v;
    assert_int_equal(handle, 7);
    look.cancelled++;
}

const char *vault_step_name(enum vault_step_kind kind)
{
    return kind == VAULT_STEP_REACH ? "reach" : "tls";
}

const char *vault_step_state_name(enum vault_step_state state)
{
    return state == VAULT_STEP_OK ? "ok" : "failed";
}

#endif
