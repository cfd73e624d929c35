#ifndef HF_TESTS_SSH_SUPPORT_H
#define HF_TESTS_SSH_SUPPORT_H

/*
 * What the tests of ssh/ share: the real ssh-keygen in a folder of its own, keys in software that
 * sign as a token does (raw r||s), and the two walks that every parser has to survive.
 */
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/support.h"
#include "ssh/ssh.h"

enum { TYPES = 5 };

/* --- the programs of OpenSSH --- */

/* Runs argv; its standard output (or what fits) goes to @out. Returns the exit status. */
static inline int run(char *out, size_t size, const char *const *argv)
{
    int pipes[2];
    size_t len = 0;
    ssize_t n;
    int status = 0;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 0);
        dup2(pipes[1], 1);
        setenv("TZ", "UTC", 1);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_true(pid > 0);
    close(pipes[1]);
    while (len + 1 < size && (n = read(pipes[0], out + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    out[len] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(out, ...) run(out, sizeof(out), (const char *const[]){__VA_ARGS__, NULL})
#define MUST_RUN(...)                                                                              \
    do {                                                                                           \
        char out_[4096];                                                                           \
        assert_int_equal(RUN(out_, __VA_ARGS__), 0);                                               \
    } while (0)

static inline char *slurp(const char *path)
{
    struct buf b;

    buf_init(&b, 0);
    assert_ok(file_read(path, BUF_MAX_BYTES, &b));
    char *text = view_dup(buf_view(&b));

    buf_deinit(&b);
    return text;
}

static inline void spit(const char *path, const char *text)
{
    assert_ok(file_replace(path, view_cstr(text), 0600));
}

static const char *const keygen_type[TYPES] = {"rsa", "ecdsa", "ecdsa", "ecdsa", "ed25519"};
static const char *const keygen_bits[TYPES] = {"2048", "256", "384", "521", "256"};

/* The key pair of each type is in files rsa, p256, ...; the public ones have .pub behind. */
static inline int make_keys(void **state)
{
    if (make_folder(state) != 0) {
        return -1;
    }
    for (int i = 0; i < TYPES; i++) {
        const char *path = in_folder(ssh_key_type_word((enum ssh_key_type)i));

        MUST_RUN("ssh-keygen", "-q", "-t", keygen_type[i], "-b", keygen_bits[i], "-N", "", "-C",
                 "some comment", "-f", path);
    }
    return 0;
}

static inline const char *pub_path(enum ssh_key_type type)
{
    char name[32];

    snprintf(name, sizeof name, "%s.pub", ssh_key_type_word(type));
    return in_folder(name);
}

static inline struct ssh_key *key_of_file(enum ssh_key_type type)
{
    AUTO(auto_free) char *line = slurp(pub_path(type));
    struct ssh_key *k = NULL;

    assert_ok(ssh_key_from_line(line, &k));
    return k;
}

/* --- keys in software --- */

struct soft {
    EVP_PKEY *pkey;
    struct ssh_key *key;
};

static inline void soft_init(struct soft *s, enum ssh_key_type type)
{
    static const char *const group[TYPES] = {NULL, "P-256", "P-384", "P-521", NULL};
    uint8_t bytes[256];
    size_t len = 0;

    memset(s, 0, sizeof *s);
    if (type == SSH_KEY_RSA) {
        BIGNUM *n = NULL, *e = NULL;
        uint8_t exponent[8];

        s->pkey = EVP_RSA_gen(2048);
        assert_int_equal(EVP_PKEY_get_bn_param(s->pkey, "n", &n), 1);
        assert_int_equal(EVP_PKEY_get_bn_param(s->pkey, "e", &e), 1);
        size_t n_len = (size_t)BN_bn2bin(n, bytes);
        size_t e_len = (size_t)BN_bn2bin(e, exponent);

        BN_free(n);
        BN_free(e);
        assert_ok(ssh_key_from_rsa(view_of(bytes, n_len), view_of(exponent, e_len), &s->key));
        return;
    }
    s->pkey =
        group[type] != NULL ? EVP_EC_gen(group[type]) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(s->pkey);
    assert_int_equal(EVP_PKEY_get_octet_string_param(s->pkey, "pub", bytes, sizeof bytes, &len), 1);
    assert_ok(ssh_key_from_point(type, view_of(bytes, len), &s->key));
}

static inline void soft_deinit(struct soft *s)
{
    EVP_PKEY_free(s->pkey);
    ssh_key_free(&s->key);
}

/* Signs as a token does; returns the raw signature's length. */
static inline size_t soft_sign(const struct soft *s, enum ssh_alg alg, struct view data,
                               uint8_t raw[2048])
{
    static const char *const hash[] = {
        [SSH_ALG_RSA_SHA1] = "SHA1",     [SSH_ALG_RSA_SHA256] = "SHA256",
        [SSH_ALG_RSA_SHA512] = "SHA512", [SSH_ALG_P256] = "SHA256",
        [SSH_ALG_P384] = "SHA384",       [SSH_ALG_P521] = "SHA512",
        [SSH_ALG_ED25519] = NULL,
    };
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 2048;

    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, hash[alg], NULL, NULL, s->pkey, NULL), 1);
    assert_int_equal(EVP_DigestSign(ctx, raw, &len, data.p, data.len), 1);
    EVP_MD_CTX_free(ctx);
    if (alg == SSH_ALG_P256 || alg == SSH_ALG_P384 || alg == SSH_ALG_P521) {
        int half = (int)(ssh_key_bits(s->key) + 7) / 8;
        const uint8_t *p = raw;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);

        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, half), half);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, half), half);
        ECDSA_SIG_free(sig);
        len = 2 * (size_t)half;
    }
    return len;
}

/* The signature blob over @data. */
static inline void soft_put_sig(const struct soft *s, enum ssh_alg alg, struct view data,
                                struct buf *out)
{
    uint8_t raw[2048];
    size_t len = soft_sign(s, alg, data, raw);

    assert_ok(ssh_sig_put(out, s->key, alg, view_of(raw, len)));
}

/* --- the two walks --- */

/* Calls @check with each prefix of @v that is shorter, in memory of exactly that size. */
static inline void each_truncation(struct view v, void (*check)(struct view, void *), void *arg)
{
    for (size_t len = 0; len < v.len; len++) {
        uint8_t *copy = malloc(len > 0 ? len : 1);

        memcpy(copy, v.p, len);
        check(view_of(copy, len), arg);
        free(copy);
    }
}

/* Calls @check with @v, one bit of it flipped. */
static inline void each_flip(struct view v, void (*check)(struct view, void *), void *arg)
{
    uint8_t *copy = malloc(v.len);

    memcpy(copy, v.p, v.len);
    for (size_t bit = 0; bit < 8 * v.len; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check(view_of(copy, v.len), arg);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(copy);
}

#endif
