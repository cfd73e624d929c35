#ifndef HF_REGISTRY_KIND_H
#define HF_REGISTRY_KIND_H

#include "registry/registry.h"

/* For the files of registry/ only: what a spec may hold, as tables, and the one walker over them. */

enum registry_type {
    REGISTRY_TEXT,
    REGISTRY_NUMBER,
    REGISTRY_FLAG,
    REGISTRY_OBJECT,
    REGISTRY_REFERENCE, /* text: "x", "org.x", "account.x" */
};

/** Judges one text; the error says what is wrong and never repeats the text. */
typedef struct err *registry_text_check(const char *text) MUST_CHECK;

/** One member of a spec, or of an object in it. A table ends with a NULL name. */
struct registry_member {
    const char *name;
    enum registry_type type;
    bool required;
    bool list;  /* an array of such values, list_min..list_max of them */
    bool bulky; /* left out in lists of resources */
    bool plain; /* text: judged by the kind alone, who also knows its limit */
    bool
        must_say; /* absent means something else: once its resource was deleted by force, what holds
                      it stays broken until it is given again, be it as null */
    unsigned list_min, list_max;
    long long min, max;                    /* number: its value; text: its length in bytes */
    const char *const *words;              /* text: one of these; ends with NULL */
    registry_text_check *check;            /* text: its form; NULL: printable UTF-8 is enough */
    enum registry_kind to;                 /* reference */
    const struct registry_member *members; /* object */
    const char *preset;                    /* JSON put in where the member is absent; NULL: none */
    const char *about; /* one line for people: openapi.yaml and the manual say the same */
};

/** One kind of resource. */
struct registry_kind_row {
    const char *word, *title;
    const struct registry_member *members;
    /** what the table cannot say; @spec has passed the table. NULL: nothing */
    struct err *(*check)(const json_t *spec);
    /** what is shown beside the spec and costs reading it; NULL: nothing. @ret: new reference */
    struct err *(*facts)(const json_t *spec, json_t **ret);
    /** "warnings" of a resource at a time, from its facts: added to @list. NULL: none */
    struct err *(*warn)(const json_t *facts, struct wall now, json_t *list);
};

extern const struct registry_kind_row registry_kind_certificate;
extern const struct registry_kind_row registry_kind_connector;
extern const struct registry_kind_row registry_kind_secrets_manager;
extern const struct registry_kind_row registry_kind_ssh_key;
extern const struct registry_kind_row registry_kind_infrastructure;

/** registry_kind_row() - never NULL */
const struct registry_kind_row *registry_kind_row(enum registry_kind k);

/**
 * registry_spec_check() - judge a spec and complete it
 * @spec: an object; presets are put in, nulls are taken out (borrowed, changed)
 * @ret_facts: what is shown beside it; new reference, NULL when the kind has none
 * May take long (certificates): not for the loop.
 * Errors: INPUT and DENIED, each with its JSON pointer in the body ("/spec/addresses/0: ..."); LIMIT
 */
struct err *registry_spec_check(enum registry_kind k, json_t *spec, json_t **ret_facts) MUST_CHECK;

/** registry_spec_tidy() - the completing alone: presets in, nulls out */
struct err *registry_spec_tidy(enum registry_kind k, json_t *spec) MUST_CHECK;

/** Called for each reference in a spec: where it stands ("/spec/connector"), the object that holds
 * it and the member's row. An error ends the walk. */
typedef struct err *registry_reference_fn(void *arg, const char *at, json_t *holder,
                                          const struct registry_member *m);
/** registry_spec_references() - in the order of the tables; absent ones are left out */
struct err *registry_spec_references(enum registry_kind k, json_t *spec,
                                     registry_reference_fn *on_reference, void *arg) MUST_CHECK;

#endif
