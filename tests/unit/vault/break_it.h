#ifndef HF_TESTS_VAULT_BREAK_IT_H
#define HF_TESTS_VAULT_BREAK_IT_H

/* For tests of what travels between the agent and holdfast-vault; after cmocka.h. */
#include <stdlib.h>

#include "base/base.h"

/* Parses bytes and frees what came of it; true when they were taken. */
typedef bool parse_fn(struct view bytes);

/* Every truncation and one byte too many are refused; no flipped bit does harm. */
static inline void break_it(struct view good, parse_fn *parse)
{
    uint8_t *bytes = malloc(good.len + 1);

    assert_non_null(bytes);
    assert_true(parse(good));
    for (size_t len = 0; len < good.len; len++) {
        uint8_t *cut = malloc(len + 1); /* its own block, so that ASan sees a read beyond it */

        assert_non_null(cut);
        memcpy(cut, good.p, len);
        assert_false(parse(view_of(cut, len)));
        free(cut);
    }
    memcpy(bytes, good.p, good.len);
    bytes[good.len] = 0;
    assert_false(parse(view_of(bytes, good.len + 1)));
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        parse(view_of(bytes, good.len));
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(bytes);
}

#endif
