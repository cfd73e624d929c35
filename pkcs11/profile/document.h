#ifndef HF_PKCS11_PROFILE_DOCUMENT_H
#define HF_PKCS11_PROFILE_DOCUMENT_H

/* Inside profile/ only: one profile file, read and checked. */
#include "pkcs11/profile/field.h"

struct document {
    char *name; /* the file's name without its folder */
    struct match match;
    struct setting settings[SECTIONS][FIELDS_MAX];
};

/** document_parse() - check a file's text: every key, every value
 * @name: for messages and explanations; INPUT as "NAME:LINE: key: what is wrong" */
struct err *document_parse(const char *name, struct view text, struct document **ret) MUST_CHECK;
void document_free(struct document **d);
/** document_matches() - does the match: section fit
 * @token_phase: false: only the module's file name is known yet, other keys are left aside */
bool document_matches(const struct document *d, const struct profile_facts *facts,
                      bool token_phase);

#endif
