"""A whole agent whose identities are signed by one Vault."""

from stage.agent import Agent
from stage.token import SoftToken


def agent_with(place, signer, want, **others):
    """An agent with an identity "web", and others that want something else."""
    others = {"web": {}, **others}
    token = SoftToken(place / "token")
    want = {"signer": signer["name"], "mount": "ssh", "role": "web", "principals": ["deploy"],
            "ttl": "5m", **want}
    identities = [{"name": name, "key": f"{token.uri};object={name}",
                   "certificates": [{**want, **more}]} for name, more in others.items()]
    agent = Agent(place / "a", token, [signer], identities)
    for name in others:
        agent.holdfast("key", "generate", "--label", name, "--type", "p256")
    return agent
