/*
 * Logging in: which PIN, from where, and when not. The rules that this file keeps:
 *
 * - A source is tried once per insertion. It counts as tried from the moment its PIN is sent: if
 *   the helper dies then, nobody knows whether a try was spent. A login that worked makes it fresh.
 * - A PIN that was refused is not tried again, whatever source it comes from; a source that gave
 *   one is left alone, across restarts too, until it changes or a person says so (refusal.c).
 * - The last try is a person's: one who saw in the prompt that it is the last, or said so.
 * - A device error is not a wrong PIN: the source is not blamed.
 * - Askpass runs only while a signature waits; everybody waits for the same one.
 *
 * A round goes over the sources in order, PIN -> LOGIN -> (refused: PIN ...), and ends in KEYS, LOCKED
 * or FAILED. Commands are run by the loop; files are small and read at once.
 */
#include <p11-kit/pkcs11.h>
#include <stdlib.h>

#include "pkcs11/remote/client.h"

static void next_source(struct slot *s);

static void end_locked(struct slot *s, struct err *e)
{
    secret_free(&s->pin);
    s->last_try = false;
    s->typed = false;
    if (e == NULL && s->error == NULL) {
        e = err_new(ERR_PIN, "token %s is locked and needs a PIN", s->name);
    } else if (e == NULL && !err_is(s->error, ERR_PIN)) { /* why there is none any more */
        e = err_recode(err_add(take(&s->error), "token %s is locked", s->name), ERR_PIN);
    }
    slot_set_locked(s, e);
}

static struct source *source_at_work(struct slot *s)
{
    return !s->typed && s->source < s->sources_n ? &s->sources[s->source] : NULL;
}

/* After a refused PIN: the next source, or the end if a person gave it. */
static void on_flags_after_refusal(void *arg, struct err *failed, struct rd *reply)
{
    AUTO(err_free) struct err *e = failed;
    struct slot *s = arg;

    s->call = 0;
    if (e == NULL) {
        e = ops_info_get(reply, &s->info);
    }
    if (err_is(e, ERR_GONE)) {
        s->suspect = true;
    }
    if (s->typed) {
        end_locked(s, NULL);
    } else {
        s->source++;
        next_source(s);
    }
}

static void ask_flags(struct slot *s, io_reply_fn *on_reply)
{
    AUTO(buf_deinit) struct buf body;

    buf_init(&body, 0);
    ops_lane_put(&body, s->lane);
    slot_call(s, &(struct slot_request){OPS_REFRESH, &body, LIST_MS, on_reply, s}, &s->call);
}

static void take_refusal(struct slot *s, struct err *e)
{
    struct source *source = source_at_work(s);

    refusal_add(s, source, s->pin);
    s->pin_refused = s->pin_refused || source != NULL;
    secret_free(&s->pin);
    slot_set_error(s, e);
    s->phase = SLOT_PIN;
    ask_flags(s, on_flags_after_refusal);
}

static void take_login(struct slot *s)
{
    struct source *source = source_at_work(s);

    if (source != NULL) {
        source->tried = false;
    } else if (s->on_unlocked != NULL) {
        refusal_clear(s);
        s->pin_refused = false;
    }
    secret_free(&s->pin);
    s->typed = false;
    s->last_try = false;
    s->login_errors = 0;
    slot_logged_in(s);
}

/* Did the token compare the PIN, and say no? Other errors of a login say nothing about the PIN. */
static bool is_refusal(const struct err *e)
{
    if (!err_is(e, ERR_PIN) || err_domain(e) != ERR_DOMAIN_PKCS11) {
        return false;
    }
    switch (err_native_code(e)) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
        return true;
    default:
        return false;
    }
}

/* The device failed, or the helper did. Once in an insertion, the same PIN may be sent to a token that
 * was opened anew; after the death of a helper nobody knows whether a try was spent. */
static void take_device_error(struct slot *s, struct err *e)
{
    struct source *source = source_at_work(s);
    bool again = err_domain(e) == ERR_DOMAIN_PKCS11 && s->login_errors++ == 0;

    if (source != NULL && again) {
        source->tried = false;
    }
    end_locked(s, e);
    s->suspect = true;
}

static void on_login(void *arg, struct err *e, struct rd *reply)
{
    struct slot *s = arg;
    struct source *source = source_at_work(s);

    s->call = 0;
    if (e == NULL) {
        e = ops_info_get(reply, &s->info);
    }
    if (e == NULL) {
        take_login(s);
        return;
    }
    enum err_code code = err_code(e);
    bool refused = s->pin != NULL && is_refusal(e);

    e = err_add(e, "token %s", s->name);
    if (refused) {
        take_refusal(s, e);
    } else if (code == ERR_PIN || code == ERR_PIN_LOCKED) {
        if (source != NULL) {
            source->tried = code == ERR_PIN_LOCKED;
        }
        end_locked(s, e);
    } else {
        take_device_error(s, e);
    }
}

static void send_login(struct slot *s)
{
    AUTO(buf_deinit) struct buf body;
    struct source *source = source_at_work(s);
    struct view pin = s->pin != NULL ? secret_view(s->pin) : (struct view){NULL, 0};

    buf_init(&body, 0);
    body.secret = true;
    ops_login_put(&body, &(struct ops_login){.lane = s->lane,
                                             .force = s->last_try ? TOKEN_LOGIN_USE_LAST_TRY
                                                                  : TOKEN_LOGIN_KEEP_LAST_TRY,
                                             .has_pin = s->pin != NULL,
                                             .pin = pin});
    if (source != NULL) {
        source->tried = true;
    }
    s->phase = SLOT_LOGIN;
    slot_call(s, &(struct slot_request){OPS_LOGIN, &body, s->profile.login_timeout_ms, on_login, s},
              &s->call);
}

/* @pin is taken. False: it was refused before, and is not sent. */
static bool try_pin(struct slot *s, struct secret *pin)
{
    secret_free(&s->pin);
    s->pin = pin;
    if (refusal_has_pin(s, pin)) {
        secret_free(&s->pin);
        slot_set_error(
            s,
            err_new(ERR_PIN, "token %s refused this PIN before; it is not tried again", s->name));
        return false;
    }
    send_login(s);
    return true;
}

static void source_failed(struct slot *s, struct err *e)
{
    AUTO(auto_free) char *text = source_text(&s->sources[s->source]);

    slot_set_error(s, err_recode(err_add(e, "token %s: %s", s->name, text), ERR_PIN));
}

static void on_command(void *arg, struct err *e, struct secret *output)
{
    struct slot *s = arg;

    io_command_free(&s->command);
    if (e != NULL) {
        source_failed(s, e);
    } else if (try_pin(s, output)) {
        return;
    }
    s->source++;
    next_source(s);
}

static struct err *run_command(struct slot *s, const struct source *source)
{
    return io_command_run(s->r->loop, (const char *const *)source->argv, NULL,
                          mono_in(PIN_COMMAND_MS), on_command, s, &s->command);
}

/* Return: the source is at work; false: it has nothing to try. */
static bool try_source(struct slot *s, const struct source *source)
{
    struct secret *pin = NULL;
    struct err *e = NULL;

    if (source->kind == REMOTE_PIN_ASKPASS || source->tried) {
        return false;
    }
    if (refusal_has_source(s, source)) {
        AUTO(auto_free) char *text = source_text(source);

        s->pin_refused = true;
        slot_set_error(s, err_new(ERR_PIN,
                                  "token %s refused the PIN of %s; it is not tried again before "
                                  "it changes",
                                  s->name, text));
        return false;
    }
    if (source->kind == REMOTE_PIN_COMMAND) {
        e = run_command(s, source);
    } else {
        e = source_read(source, &pin);
    }
    if (e != NULL) {
        source_failed(s, e);
        return false;
    }
    return pin == NULL || try_pin(s, pin);
}

static void on_askpass(void *arg, struct err *e, struct secret *output)
{
    struct slot *s = arg;

    io_command_free(&s->command);
    if (e != NULL) {
        end_locked(s, err_recode(err_add(e, "token %s: askpass", s->name), ERR_PIN));
    } else if (!try_pin(s, output)) {
        end_locked(s, NULL);
    }
}

static const char *askpass_program(const struct slot *s)
{
    for (size_t i = 0; i < s->sources_n; i++) {
        if (s->sources[i].kind == REMOTE_PIN_ASKPASS) {
            return s->sources[i].text != NULL ? s->sources[i].text : getenv("SSH_ASKPASS");
        }
    }
    return NULL;
}

/* Spec: ssh(1), SSH_ASKPASS_REQUIRE; an agent has no terminal to prefer. */
static bool has_askpass(const struct slot *s)
{
    const char *require = getenv("SSH_ASKPASS_REQUIRE");

    if (askpass_program(s) == NULL || text_eq(require, "never")) {
        return false;
    }
    return text_eq(require, "force") || getenv("DISPLAY") != NULL ||
           getenv("WAYLAND_DISPLAY") != NULL;
}

static struct err *run_askpass(struct slot *s)
{
    bool last = (s->info.flags & CKF_USER_PIN_FINAL_TRY) != 0;
    AUTO(auto_free) char *label = text_safe(view_cstr(s->info.label));
    AUTO(auto_free) char *serial = text_safe(view_cstr(s->info.serial));
    AUTO(auto_free) char *prompt = text_fmt("%sEnter PIN for token %s (serial %s): ",
                                            last ? "This is the LAST try before the token locks. "
                                            : (s->info.flags & CKF_USER_PIN_COUNT_LOW) != 0
                                                ? "A wrong PIN was entered before. "
                                                : "",
                                            label, serial);
    const char *const argv[] = {askpass_program(s), prompt, NULL};

    if (label == NULL || serial == NULL || prompt == NULL || argv[0] == NULL) {
        return err_nomem();
    }
    s->last_try = last;
    return io_command_run(s->r->loop, argv, NULL, mono_in(ASKPASS_MS), on_askpass, s, &s->command);
}

static void on_flags_before_askpass(void *arg, struct err *e, struct rd *reply)
{
    struct slot *s = arg;

    s->call = 0;
    if (e == NULL) {
        e = ops_info_get(reply, &s->info);
    }
    if (e == NULL) {
        e = run_askpass(s);
    }
    if (e != NULL) {
        s->suspect = err_is(e, ERR_GONE);
        end_locked(s, err_add(e, "token %s: askpass", s->name));
    }
}

/* No source is left. A person may be asked if somebody waits for it. */
static void sources_exhausted(struct slot *s)
{
    bool has_path = (s->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0 && !s->no_pin;

    if (has_path && (!TAILQ_EMPTY(&s->waiting) || s->on_unlocked != NULL)) {
        s->no_pin = true;
        s->typed = true; /* on the device */
        send_login(s);
    } else if (!TAILQ_EMPTY(&s->waiting) && has_askpass(s)) {
        s->typed = true;
        ask_flags(s, on_flags_before_askpass);
    } else {
        end_locked(s, NULL);
    }
}

static void next_source(struct slot *s)
{
    s->phase = SLOT_PIN;
    while (s->source < s->sources_n) {
        if (try_source(s, &s->sources[s->source])) {
            return;
        }
        s->source++;
    }
    sources_exhausted(s);
}

static void begin_round(struct slot *s, bool typed, bool last_try)
{
    s->phase = SLOT_PIN;
    s->source = 0;
    s->typed = typed;
    s->no_pin = false;
    s->last_try = last_try;
}

void pin_start(struct slot *s)
{
    begin_round(s, false, false);
    s->pin_refused = false;
    next_source(s);
}

void pin_stop(struct slot *s, const struct err *why)
{
    remote_done_fn *on_unlocked = s->on_unlocked;

    io_command_free(&s->command);
    secret_free(&s->pin);
    s->typed = false;
    s->last_try = false;
    s->on_unlocked = NULL;
    if (on_unlocked != NULL) {
        on_unlocked(s->unlock_arg, err_copy(why));
    }
}

void pin_new_insertion(struct slot *s)
{
    for (size_t i = 0; i < s->sources_n; i++) {
        s->sources[i].tried = false;
    }
    s->pin_refused = false;
    s->login_errors = 0;
    s->failures = 0;
    refusal_new_insertion(s);
    refusal_load(s);
}

void pin_deinit(struct slot *s)
{
    refusal_deinit(s);
}

/* Why a slot in this state cannot be unlocked now; NULL when it can. */
static struct err *why_no_unlock(const struct slot *s)
{
    switch (s->phase) {
    case SLOT_ABSENT:
        return err_new(ERR_GONE, "token %s is not present", s->name);
    case SLOT_FAILED:
        return err_copy(s->error);
    case SLOT_DOWN:
    case SLOT_OPENING:
    case SLOT_LOGIN:
    case SLOT_KEYS:
        return err_new(ERR_BUSY, "token %s is being opened", s->name);
    case SLOT_PIN: /* an askpass dialogue gives way to the person who brings the PIN */
        return s->typed && s->command != NULL && s->on_unlocked == NULL
                   ? NULL
                   : err_new(ERR_BUSY, "token %s is being unlocked", s->name);
    case SLOT_LOCKED:
    case SLOT_READY:
        return NULL;
    }
    return err_new(ERR_BUG, "token %s is in no state", s->name);
}

static void run_sources_again(struct slot *s, bool last_try)
{
    for (size_t i = 0; i < s->sources_n; i++) {
        s->sources[i].tried = false;
    }
    refusal_clear(s);
    s->pin_refused = false;
    begin_round(s, false, last_try);
    next_source(s);
}

void remote_unlock(struct remote *r, size_t token, const struct secret *pin, bool last_try,
                   remote_done_fn *on_done, void *arg)
{
    if (token >= r->slots_n) {
        on_done(arg, err_new(ERR_INPUT, "this token is not configured, so it is not opened"));
        return;
    }
    struct slot *s = r->slots[token];
    struct secret *copy = pin != NULL ? secret_copy(pin) : NULL;
    struct err *e = pin != NULL && copy == NULL ? err_nomem() : why_no_unlock(s);

    if (e != NULL || s->phase == SLOT_READY) {
        secret_free(&copy);
        on_done(arg, e);
        return;
    }
    io_command_free(&s->command);
    s->on_unlocked = on_done;
    s->unlock_arg = arg;
    remote_poke(r);
    if (copy == NULL) {
        run_sources_again(s, last_try);
        return;
    }
    begin_round(s, true, last_try);
    if (!try_pin(s, copy)) {
        end_locked(s, NULL);
    }
}
