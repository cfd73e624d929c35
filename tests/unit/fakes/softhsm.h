#ifndef HF_TESTS_FAKES_SOFTHSM_H
#define HF_TESTS_FAKES_SOFTHSM_H

/*
 * SoftHSM for tests: where the module is, and a token of its own for each test, in a folder of its
 * own, because SoftHSM rewrites the token's file on every login.
 */
#include <ftw.h>
#include <link.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/** softhsm_path() - the module, at one of the places distributions use; NULL where not installed */
static inline const char *softhsm_path(void)
{
    static const char *const places[] = {
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/lib64/softhsm/libsofthsm2.so",
    };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], R_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

/** softhsm_shim_path() - tests/fakes/p11shim.so of the build this test belongs to */
static inline const char *softhsm_shim_path(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);

    path[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 2; up++) { /* BUILD/tests/unit/unit_x -> BUILD/tests */
        char *slash = strrchr(path, '/');

        if (slash != NULL) {
            *slash = '\0';
        }
    }
    strcat(path, "/fakes/p11shim.so");
    return path;
}

struct softhsm_search {
    const char *name;
    char *found;
};

static inline int softhsm_on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct softhsm_search *search = arg;
    const char *slash = strrchr(info->dlpi_name, '/');

    (void)size;
    if (slash != NULL && strcmp(slash + 1, search->name) == 0) {
        search->found = strdup(info->dlpi_name);
    }
    return search->found != NULL;
}

/** softhsm_find_loaded() - path of a shared object that this process has loaded; caller owns */
static inline char *softhsm_find_loaded(const char *name)
{
    struct softhsm_search search = {name, NULL};

    dl_iterate_phdr(softhsm_on_object, &search);
    return search.found;
}

/** A folder with SoftHSM's configuration and tokens. */
struct softhsm {
    char folder[64];
};

#define SOFTHSM_PIN "24681357"

static inline int softhsm_run(const char *const *argv)
{
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int status = -1;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1, 0);
    if (posix_spawnp(&pid, argv[0], &quiet, NULL, (char *const *)(uintptr_t)argv, environ) == 0) {
        waitpid(pid, &status, 0);
    }
    posix_spawn_file_actions_destroy(&quiet);
    return status;
}

/** softhsm_add() - initialise another token with SOFTHSM_PIN; 0 when it worked */
static inline int softhsm_add(const char *label)
{
    const char *argv[] = {"softhsm2-util", "--init-token", "--free",   "--label",  label,
                          "--pin",         SOFTHSM_PIN,    "--so-pin", "87654321", NULL};

    return softhsm_run(argv);
}

/** softhsm_start() - a fresh folder, SOFTHSM2_CONF pointing into it, one token; 0 when it worked */
static inline int softhsm_start(struct softhsm *h, const char *label)
{
    char path[128];

    strcpy(h->folder, "/tmp/holdfast-softhsm-XXXXXX");
    if (mkdtemp(h->folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/tokens", h->folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/softhsm2.conf", h->folder);
    FILE *f = fopen(path, "w");

    if (f == NULL) {
        return -1;
    }
    fprintf(f, "directories.tokendir = %s/tokens\nlog.level = ERROR\n", h->folder);
    fclose(f);
    setenv("SOFTHSM2_CONF", path, 1);
    return softhsm_add(label);
}

static inline int softhsm_remove_one(const char *path, const struct stat *st, int flag,
                                     struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void softhsm_stop(struct softhsm *h)
{
    nftw(h->folder, softhsm_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
