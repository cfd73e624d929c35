/*
 * A harness without a fuzzer: it takes each file of the folders that are named, whole and cut at each
 * byte of its first kilobyte. So every build compiles the harnesses, and every test run holds them.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX_BYTES = 4 * 1024 * 1024, CUTS = 1024 };

/* A copy of exactly the size, so that a sanitizer sees a byte too many being read. */
static void give(const uint8_t *data, size_t size)
{
    char *input = view_dup(view_of(data, size));
    uint8_t *exact = size > 0 ? realloc(input, size) : (uint8_t *)input;

    if (exact == NULL) {
        abort();
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static struct err *replay(const char *path)
{
    AUTO(buf_deinit) struct buf input;

    buf_init(&input, INPUT_MAX_BYTES);
    struct err *e = file_read(path, INPUT_MAX_BYTES, &input);

    for (size_t size = 0; e == NULL && size < input.len && size < CUTS; size++) {
        give(input.data, size);
    }
    if (e == NULL) {
        give(input.data, input.len);
    }
    return e;
}

int main(int argc, char **argv)
{
    size_t files = 0;

    for (int i = 1; i < argc; i++) {
        struct dirent **list = NULL;
        int n = scandir(argv[i], &list, NULL, alphasort);

        for (int k = 0; k < n; k++) {
            AUTO(auto_free) char *path = text_fmt("%s/%s", argv[i], list[k]->d_name);

            if (path == NULL) {
                abort();
            }
            if (list[k]->d_type == DT_REG) {
                AUTO(err_free) struct err *e = replay(path);

                if (e != NULL) {
                    fprintf(stderr, "%s\n", err_text(e));
                    abort();
                }
                files++;
            }
            free(list[k]);
        }
        free(list);
    }
    printf("%zu inputs\n", files);
    return files > 0 ? 0 : 1;
}
