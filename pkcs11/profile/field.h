#ifndef HF_PKCS11_PROFILE_FIELD_H
#define HF_PKCS11_PROFILE_FIELD_H

/* Inside profile/ only: the table of keys that a profile may have. */
#include "pkcs11/profile/profile.h"

enum { SECTION_MATCH, SECTION_LOAD, SECTION_TOKEN, SECTIONS };
enum { FIELDS_MAX = 16, FIELD_WORDS_MAX = 64, FIELD_TEXT_MAX_BYTES = 255 };

/** Versions major.minor, both ends included; as major * 65536 + minor. */
struct range {
    bool set;
    uint32_t low, high;
};

/** The match: section. NULL and unset match anything. */
struct match {
    char **module;
    char *library_manufacturer, *library_description;
    char *manufacturer, *model;
    struct range library, hardware, firmware;
};

enum field_kind {
    FIELD_BOOL,
    FIELD_UNSIGNED,
    FIELD_ENUM,
    FIELD_DURATION,
    FIELD_TEXT,
    FIELD_LIST,
    FIELD_MECHANISMS,
    FIELD_RANGE,
};

/** One key: where its value goes in struct match, profile_load or profile_token. */
struct field {
    const char *name; /* NULL ends a section's list */
    enum field_kind kind;
    size_t offset;
    const char *const *words; /* FIELD_ENUM: values 0, 1, ...; FIELD_LIST: word for none;
                                 FIELD_UNSIGNED: word for as many as there are cores */
    unsigned min, max;        /* FIELD_UNSIGNED */
};

/** A value as it stands in a file: a scalar, or a list of them. */
struct setting {
    char *text;
    char **words;
    unsigned words_count;
    unsigned line; /* 0: not set */
};

extern const char *const section_names[SECTIONS];
/** field_at() - key @i of a section, NULL after the last */
const struct field *field_at(unsigned section, size_t i);
bool field_is_list(const struct field *f);
/** field_set() - convert @s and store it in @target, whose old value is freed; INPUT says what is
 * wrong with the value, without naming the key */
struct err *field_set(const struct field *f, const struct setting *s, void *target) MUST_CHECK;
/** field_show() - the value in @target as text (caller owns; NULL when out of memory) */
char *field_show(const struct field *f, const void *target);
/** field_free_all() - free what a section's fields own in @target */
void field_free_all(unsigned section, void *target);

#endif
