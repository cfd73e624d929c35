/* What a login key is to sign: byte scheme, string SubjectPublicKeyInfo, and the message. Nothing that
 * is allowed is anything of SSH, and a verdict says either what it is or why not. */
#include <stdlib.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rd r = rd_of(view_of(data, len));
    enum scheme scheme = (enum scheme)rd_u8(&r);
    struct view spki = rd_string(&r);
    struct view message = rd_rest(&r);
    enum policy_statement kind = POLICY_STATEMENT_TLS13;
    const char *why = NULL;
    const struct policy_claims claims = {"holdfast", "host1", "vault"}; /* as the seeds have it */
    struct ssh_payload ssh;

    if (rd_failed(&r)) {
        return 0;
    }
    switch (policy_statement(message, scheme, spki, &claims, &kind, &why)) {
    case POLICY_ALLOW:
        ssh_payload_read(message, &ssh);
        if (why != NULL || ssh.kind != SSH_PAYLOAD_UNKNOWN || policy_statement_name(kind) == NULL) {
            abort();
        }
        break;
    case POLICY_DENY:
        if (why == NULL) {
            abort();
        }
        break;
    }
    return 0;
}
