/*
 * The keys of a profile: one table that reading, resolving and explaining all walk.
 *
 * A new value is one row here, one member in struct profile_load or profile_token, one line in
 * frame.c, one in 10-default.yaml and one in firmware-profiles/README.md.
 */
#include "pkcs11/profile/field.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const section_names[SECTIONS] = {"match", "load", "token"};

static const char *const login_words[] = {"auto", "always", "never", NULL};
static const char *const hash_words[] = {"host", "token", NULL};
static const char *const params_words[] = {"oid", "name", NULL};
/* What an absent list is called, where it means something else than an empty one. */
static const char *const anywhere[] = {"anywhere", NULL};
/* A number may be given as this word: one for each core. */
static const char *const cores_word[] = {"cores", NULL};
static const char *const point_words[] = {"any", "octet-string", "raw", NULL};

#define MATCH(name, kind, member) {name, kind, offsetof(struct match, member), NULL, 0, 0}
#define LOAD(name, kind, member) {name, kind, offsetof(struct profile_load, member), NULL, 1, 64}
#define TOKEN(name, kind, member)                                                                  \
    {name, kind, offsetof(struct profile_token, member), NULL, 0, 1024}
#define CHOICE(name, member, words)                                                                \
    {name, FIELD_ENUM, offsetof(struct profile_token, member), words, 0, 0}

static const struct field fields[SECTIONS][FIELDS_MAX] = {
    {
        MATCH("module", FIELD_LIST, module),
        MATCH("library-manufacturer", FIELD_TEXT, library_manufacturer),
        MATCH("library-description", FIELD_TEXT, library_description),
        MATCH("library-version", FIELD_RANGE, library),
        MATCH("manufacturer", FIELD_TEXT, manufacturer),
        MATCH("model", FIELD_TEXT, model),
        MATCH("hardware-version", FIELD_RANGE, hardware),
        MATCH("firmware-version", FIELD_RANGE, firmware),
    },
    {
        LOAD("os-locking", FIELD_BOOL, os_locking),
        {"threads-max", FIELD_UNSIGNED, offsetof(struct profile_load, threads_max), cores_word, 1,
         64},
        LOAD("init-string", FIELD_TEXT, init_string),
        LOAD("allow-exec", FIELD_BOOL, allow_exec),
        LOAD("allow-inet", FIELD_BOOL, allow_inet),
        LOAD("finalize", FIELD_BOOL, finalize),
        LOAD("environment", FIELD_LIST, environment),
        {"write-paths", FIELD_LIST, offsetof(struct profile_load, write_paths), anywhere, 0, 0},
    },
    {
        TOKEN("sessions-max", FIELD_UNSIGNED, sessions_max),
        CHOICE("login", login, login_words),
        CHOICE("rsa-hash", rsa_hash, hash_words),
        CHOICE("ecdsa-hash", ecdsa_hash, hash_words),
        TOKEN("ed25519", FIELD_BOOL, ed25519),
        CHOICE("ed25519-params", ed25519_params, params_words),
        CHOICE("ec-point", ec_point, point_words),
        TOKEN("generate", FIELD_BOOL, generate),
        TOKEN("sign-only", FIELD_BOOL, sign_only),
        TOKEN("sensitive-reported", FIELD_BOOL, cka_sensitive_reported),
        TOKEN("sign-timeout", FIELD_DURATION, sign_timeout_ms),
        TOKEN("login-timeout", FIELD_DURATION, login_timeout_ms),
        TOKEN("generate-timeout", FIELD_DURATION, generate_timeout_ms),
        TOKEN("mechanisms-off", FIELD_MECHANISMS, mechanisms_off),
    },
};

const struct field *field_at(unsigned section, size_t i)
{
    return i < FIELDS_MAX && fields[section][i].name != NULL ? &fields[section][i] : NULL;
}

bool field_is_list(const struct field *f)
{
    return f->kind == FIELD_LIST || f->kind == FIELD_MECHANISMS;
}

static struct err *set_bool(const char *text, bool *target)
{
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

    if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0) {
        return err_new(ERR_INPUT, "'%s' is neither yes nor no", text);
    }
    *target = yes;
    return NULL;
}

/* Digits only, up to @max; false otherwise. Moves @at behind them. */
static bool read_number(const char **at, unsigned max, unsigned *ret)
{
    char *end = NULL;

    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    unsigned long n = strtoul(*at, &end, 10);

    if (n > max) {
        return false;
    }
    *at = end;
    *ret = (unsigned)n;
    return true;
}

/* Those that this process may run on. */
static unsigned cores(const struct field *f)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : f->max;

    return n < f->min ? f->min : n > f->max ? f->max : n;
}

static struct err *set_unsigned(const struct field *f, const char *text, unsigned *target)
{
    unsigned n = 0;

    if (f->words != NULL && strcmp(text, f->words[0]) == 0) {
        *target = cores(f);
        return NULL;
    }

    if (!read_number(&text, f->max, &n) || *text != '\0' || n < f->min) {
        return err_new(ERR_INPUT, "not a number from %u to %u", f->min, f->max);
    }
    *target = n;
    return NULL;
}

/* gcc and clang store enumerations without negative values as unsigned int. */
_Static_assert(sizeof(enum profile_login) == sizeof(unsigned), "enumerations are unsigned");

static struct err *set_enum(const struct field *f, const char *text, unsigned *target)
{
    for (unsigned i = 0; f->words[i] != NULL; i++) {
        if (strcmp(f->words[i], text) == 0) {
            *target = i;
            return NULL;
        }
    }
    return err_new(ERR_INPUT, "'%s' is none of the words for this key (%s, %s, ...)", text,
                   f->words[0], f->words[1]);
}

static struct err *set_duration(const char *text, int64_t *target)
{
    int64_t s = 0;
    struct err *e = text_duration(text, &s);

    if (e == NULL && (s < 1 || s > 3600)) {
        e = err_new(ERR_INPUT, "'%s' is not between 1s and 1h", text);
    }
    if (e == NULL) {
        *target = s * 1000;
    }
    return e;
}

static bool read_version(const char **at, uint32_t *ret)
{
    unsigned major = 0;
    unsigned minor = 0;

    if (!read_number(at, UINT16_MAX, &major) || **at != '.') {
        return false;
    }
    (*at)++;
    if (!read_number(at, UINT16_MAX, &minor)) {
        return false;
    }
    *ret = (uint32_t)major << 16 | minor;
    return true;
}

/* "1.9", "1.2..1.9", "..1.4", "2.0.." */
static struct err *set_range(const char *text, struct range *target)
{
    const char *at = text;
    struct range r = {true, 0, UINT32_MAX};
    bool ok = *at == '.' || read_version(&at, &r.low);

    if (ok && *at == '\0') {
        r.high = r.low;
    } else {
        ok = ok && strncmp(at, "..", 2) == 0;
        at += ok ? 2 : 0;
        ok = ok && (*at == '\0' || (read_version(&at, &r.high) && *at == '\0'));
    }
    if (!ok || r.low > r.high || strcmp(text, "..") == 0) {
        return err_new(ERR_INPUT, "'%s' is no version range: write 1.9, 1.2..1.9, ..1.4 or 2.0..",
                       text);
    }
    *target = r;
    return NULL;
}

static struct err *set_text(const char *text, char **target)
{
    char *copy = *text != '\0' ? strdup(text) : NULL;

    if (*text != '\0' && copy == NULL) {
        return err_nomem();
    }
    free(*target);
    *target = copy;
    return NULL;
}

/* An empty list is a list: not the same as none (write-paths: [] means nowhere). */
static struct err *set_list(const struct setting *s, char ***target)
{
    AUTO(text_list_free) char **list = calloc((size_t)s->words_count + 1, sizeof *list);

    for (unsigned i = 0; list != NULL && i < s->words_count; i++) {
        list[i] = text_copy(s->words[i]);
        if (list[i] == NULL) {
            return err_nomem();
        }
    }
    if (list == NULL) {
        return err_nomem();
    }
    text_list_free(target);
    *target = take(&list);
    return NULL;
}

static struct err *set_mechanisms(const struct setting *s, struct profile_token *target)
{
    unsigned long off[PROFILE_MECHANISMS_MAX] = {0};

    if (s->words_count > PROFILE_MECHANISMS_MAX) {
        return err_new(ERR_INPUT, "more than %d mechanisms", PROFILE_MECHANISMS_MAX);
    }
    for (unsigned i = 0; i < s->words_count; i++) {
        if (!ckm_find(s->words[i], &off[i])) {
            return err_new(ERR_INPUT, "'%s' is no mechanism that is known here", s->words[i]);
        }
    }
    memcpy(target->mechanisms_off, off, sizeof off);
    target->mechanisms_off_n = s->words_count;
    return NULL;
}

struct err *field_set(const struct field *f, const struct setting *s, void *target)
{
    void *at = (char *)target + f->offset;
    const char *text = s->text != NULL ? s->text : "";

    switch (f->kind) {
    case FIELD_BOOL:
        return set_bool(text, at);
    case FIELD_UNSIGNED:
        return set_unsigned(f, text, at);
    case FIELD_ENUM:
        return set_enum(f, text, at);
    case FIELD_DURATION:
        return set_duration(text, at);
    case FIELD_TEXT:
        return set_text(text, at);
    case FIELD_LIST:
        return set_list(s, at);
    case FIELD_MECHANISMS:
        return set_mechanisms(s, target);
    case FIELD_RANGE:
        return set_range(text, at);
    }
    return err_new(ERR_BUG, "unknown kind of key");
}

static char *show_words(const char *const *words, size_t n)
{
    char *text = n == 0 ? strdup("-") : NULL;

    for (size_t i = 0; i < n; i++) {
        char *longer = text_fmt("%s%s%s", text != NULL ? text : "", i > 0 ? ", " : "", words[i]);

        free(text);
        text = longer;
        if (text == NULL) {
            return NULL;
        }
    }
    return text;
}

static char *show_mechanisms(const struct profile_token *p)
{
    const char *names[PROFILE_MECHANISMS_MAX] = {0};

    for (size_t i = 0; i < p->mechanisms_off_n; i++) {
        const char *name = ckm_name(p->mechanisms_off[i]);

        names[i] = name != NULL ? name : "CKM_?";
    }
    return show_words(names, p->mechanisms_off_n);
}

static char *show_list(const char *const *list, const char *none)
{
    size_t n = 0;

    while (list != NULL && list[n] != NULL) {
        n++;
    }
    return list == NULL ? strdup(none) : show_words(list, n);
}

char *field_show(const struct field *f, const void *target)
{
    const void *at = (const char *)target + f->offset;
    char duration[TEXT_DURATION_BYTES];

    switch (f->kind) {
    case FIELD_BOOL:
        return strdup(*(const bool *)at ? "yes" : "no");
    case FIELD_UNSIGNED:
        return text_fmt("%u", *(const unsigned *)at);
    case FIELD_ENUM:
        return strdup(f->words[*(const unsigned *)at]);
    case FIELD_DURATION:
        return strdup(text_duration_of(*(const int64_t *)at / 1000, duration));
    case FIELD_TEXT:
        return strdup(*(char *const *)at != NULL ? *(char *const *)at : "-");
    case FIELD_LIST:
        return show_list(*(const char *const *const *)at, f->words != NULL ? f->words[0] : "-");
    case FIELD_MECHANISMS:
        return show_mechanisms(target);
    case FIELD_RANGE:
        break; /* match: is never shown */
    }
    return strdup("-");
}

void field_free_all(unsigned section, void *target)
{
    const struct field *f;

    for (size_t i = 0; (f = field_at(section, i)) != NULL; i++) {
        void *at = (char *)target + f->offset;

        if (f->kind == FIELD_LIST) {
            text_list_free(at);
        } else if (f->kind == FIELD_TEXT) {
            auto_free(at);
        }
    }
}
