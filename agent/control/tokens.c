/*
 * Tokens: what is known of them, and the one thing a person does to them here, unlock.
 *
 * A PIN passes through this file as a struct secret and is gone when the handler returns: remote/
 * keeps its own copy for as long as it needs one.
 */
#include "control/resources.h"

enum { UNLOCK_MS = 60 * 1000, PIN_MAX_BYTES = 255 };

const struct control_member control_token_unlock_body[] = {
    {"pin", CONTROL_TEXT, false, 1, PIN_MAX_BYTES},
    {"last_try", CONTROL_BOOL, false, 0, 0},
    {NULL, CONTROL_TEXT, false, 0, 0},
};

/* Spec: PKCS#11 v3.1, 3.2.2 CK_TOKEN_INFO, table 11 */
enum {
    CKF_PIN_COUNT_LOW = 0x10000,
    CKF_PIN_FINAL_TRY = 0x20000,
    CKF_PIN_LOCKED = 0x40000,
};
static const struct {
    unsigned long flag;
    const char *name;
} flag_names[] = {
    {0x1, "CKF_RNG"},
    {0x2, "CKF_WRITE_PROTECTED"},
    {0x4, "CKF_LOGIN_REQUIRED"},
    {0x8, "CKF_USER_PIN_INITIALIZED"},
    {0x20, "CKF_RESTORE_KEY_NOT_NEEDED"},
    {0x40, "CKF_CLOCK_ON_TOKEN"},
    {0x100, "CKF_PROTECTED_AUTHENTICATION_PATH"},
    {0x200, "CKF_DUAL_CRYPTO_OPERATIONS"},
    {0x400, "CKF_TOKEN_INITIALIZED"},
    {0x800, "CKF_SECONDARY_AUTHENTICATION"},
    {CKF_PIN_COUNT_LOW, "CKF_USER_PIN_COUNT_LOW"},
    {CKF_PIN_FINAL_TRY, "CKF_USER_PIN_FINAL_TRY"},
    {CKF_PIN_LOCKED, "CKF_USER_PIN_LOCKED"},
    {0x80000, "CKF_USER_PIN_TO_BE_CHANGED"},
    {0x100000, "CKF_SO_PIN_COUNT_LOW"},
    {0x200000, "CKF_SO_PIN_FINAL_TRY"},
    {0x400000, "CKF_SO_PIN_LOCKED"},
    {0x800000, "CKF_SO_PIN_TO_BE_CHANGED"},
    {0x1000000, "CKF_ERROR_STATE"},
};

static const char *state_name(enum remote_token_state s)
{
    static const char *const names[] = {
        [REMOTE_TOKEN_ABSENT] = "absent", [REMOTE_TOKEN_UNUSED] = "unused",
        [REMOTE_TOKEN_LOCKED] = "locked", [REMOTE_TOKEN_READY] = "ready",
        [REMOTE_TOKEN_FAILED] = "failed",
    };

    return names[s];
}

const char *control_token_name(const struct remote_token *t)
{
    const char *label = t->id.label != NULL ? t->id.label : t->id.serial;
    const char *name = t->name != NULL ? t->name : label;

    return name != NULL ? name : "?";
}

static json_t *flags_of(const struct remote_token *t)
{
    json_t *flags = json_array();

    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
        if ((t->flags & flag_names[i].flag) != 0) {
            control_json_add(flags, json_string(flag_names[i].name));
        }
    }
    return flags;
}

static json_t *pin_of(const struct remote_token *t)
{
    return json_pack("{s:b, s:b, s:b, s:b}", "count_low", (t->flags & CKF_PIN_COUNT_LOW) != 0,
                     "final_try", (t->flags & CKF_PIN_FINAL_TRY) != 0, "locked",
                     (t->flags & CKF_PIN_LOCKED) != 0, "refused", t->pin_refused);
}

static json_t *version_of(unsigned major, unsigned minor)
{
    AUTO(auto_free) char *text = text_fmt("%u.%u", major, minor);

    return control_json_text(text);
}

static json_t *token_json(const struct remote_token *t)
{
    bool present = t->state != REMOTE_TOKEN_ABSENT;
    json_t *v = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "name",
                          control_json_text(t->name), "label", control_json_text(t->id.label),
                          "serial", control_json_text(t->id.serial), "manufacturer",
                          control_json_text(t->id.manufacturer), "model",
                          control_json_text(t->id.model), "module", control_json_text(t->module),
                          "module_path", control_json_text(t->module_path), "uri",
                          control_json_text(t->uri), "state", state_name(t->state));
    json_t *rest = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "slot",
        control_json_int_or_null(present, (int64_t)t->slot_id), "flags", flags_of(t), "hardware",
        version_of(t->hardware_major, t->hardware_minor), "firmware",
        version_of(t->firmware_major, t->firmware_minor), "sessions_max",
        control_json_int_or_null(t->sessions_max > 0, (int64_t)t->sessions_max), "workers",
        (json_int_t)t->workers, "pin", pin_of(t), "error", control_fault(t->error));

    return control_json_join(v, rest);
}

json_t *control_tokens_json(const struct control_deps *d)
{
    json_t *tokens = json_array();

    for (size_t i = 0; i < remote_tokens(d->remote); i++) {
        struct remote_token t;

        remote_token_get(d->remote, i, &t);
        control_json_add(tokens, token_json(&t));
    }
    return tokens;
}

struct err *control_tokens_list(struct control_request *r)
{
    control_answer(r, 200, json_pack("{s:o}", "tokens", control_tokens_json(control_deps_of(r))));
    return NULL;
}

static void add_files(json_t *files, const struct profile_why *why)
{
    for (size_t i = 0; why != NULL && i < text_list_len(why->files); i++) {
        json_t *known;
        size_t k;
        bool listed = false;

        json_array_foreach(files, k, known)
        {
            listed = listed || text_eq(json_string_value(known), why->files[i]);
        }
        if (!listed) {
            control_json_add(files, control_json_text(why->files[i]));
        }
    }
}

static json_t *reasons_of(const struct profile_why *why)
{
    json_t *reasons = json_array();

    for (size_t i = 0; why != NULL && i < why->n; i++) {
        const struct profile_reason *p = &why->reasons[i];

        control_json_add(reasons,
                         json_pack("{s:o, s:o, s:o, s:I}", "key", control_json_text(p->key),
                                   "value", control_json_text(p->value), "file",
                                   control_json_text(p->file), "line", (json_int_t)p->line));
    }
    return reasons;
}

static json_t *profile_of(const struct remote_token *t)
{
    json_t *files = json_array();

    add_files(files, t->why_load);
    add_files(files, t->why_token);
    return json_pack("{s:o, s:o, s:o}", "files", files, "load", reasons_of(t->why_load), "token",
                     reasons_of(t->why_token));
}

struct err *control_token_get(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    struct remote_token t;
    size_t i;
    struct err *e = remote_token_find(d->remote, control_param(r, "token"), &i);

    if (e != NULL) {
        return e;
    }
    remote_token_get(d->remote, i, &t);
    control_answer(
        r, 200, control_json_join(token_json(&t), json_pack("{s:o}", "profile", profile_of(&t))));
    return NULL;
}

static void on_unlocked(void *arg, struct err *e)
{
    struct control_request *r = arg;
    struct remote_token t;
    size_t i;

    if (!control_resume(r)) {
        err_free(&e);
        return;
    }
    if (e == NULL) { /* by name again: tokens may have come and gone since */
        e = remote_token_find(control_deps_of(r)->remote, control_param(r, "token"), &i);
    }
    if (e != NULL) {
        control_fail(r, e);
        return;
    }
    remote_token_get(control_deps_of(r)->remote, i, &t);
    control_answer(r, 200, token_json(&t));
}

struct err *control_token_unlock(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    const char *text = control_text(r, "pin");
    AUTO(auto_free) char *what = text_fmt("unlock token %s", control_param(r, "token"));
    AUTO(secret_free) struct secret *pin = NULL;
    size_t i;
    struct err *e = remote_token_find(d->remote, control_param(r, "token"), &i);

    if (e == NULL && text != NULL) {
        e = secret_new(view_cstr(text), &pin);
    }
    bool last_try = control_bool(r, "last_try");

    control_forget_body(r);
    if (e == NULL) {
        e = control_wait(r, UNLOCK_MS, what, NULL, NULL);
    }
    if (e == NULL) {
        remote_unlock(d->remote, i, pin, last_try, on_unlocked, r);
    }
    return e;
}

void control_token_warnings(const struct control_deps *d, json_t *warnings)
{
    for (size_t i = 0; i < remote_tokens(d->remote); i++) {
        struct remote_token t;

        remote_token_get(d->remote, i, &t);
        const char *name = control_token_name(&t);

        if (t.state == REMOTE_TOKEN_ABSENT || t.state == REMOTE_TOKEN_UNUSED) {
            continue;
        }
        if ((t.flags & CKF_PIN_LOCKED) != 0) {
            control_warn(warnings, "token %s locked its PIN", name);
        } else if ((t.flags & CKF_PIN_FINAL_TRY) != 0) {
            control_warn(warnings, "token %s: one more wrong PIN locks it", name);
        } else if ((t.flags & CKF_PIN_COUNT_LOW) != 0) {
            control_warn(warnings, "token %s was given a wrong PIN", name);
        }
        if (t.pin_refused) {
            control_warn(warnings, "token %s refused the configured PIN: unlock it by hand", name);
        }
    }
}
