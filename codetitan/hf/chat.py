"""A chat format as the Jinja template that an export carries: what transformers renders of it has our ids."""

import json

from codetitan.data.pieces.chat import CHATS, Part, Token
from codetitan.data.pieces.dialects import Sentinels


def template(name: str, sentinels: Sentinels) -> str:
    """Returns chat_template.jinja of a format.

    A prompt ends where a response is generated; a conversation, with the token that ends its last one. Text that spells
    a token is taken for the token by transformers, and for text by the training.
    """
    form = CHATS[name]

    def written(*parts: Part) -> str:
        texts = [(part.name or sentinels.dialect.end) if isinstance(part, Token) else part for part in parts]
        return json.dumps("".join(texts), ensure_ascii=False)

    before, after = form.before, form.after
    ends = after["assistant"].index(form.end) + 1
    system = "messages[0]['role'] == 'system'"
    default = () if form.default_system is None else (*before["system"], form.default_system, *after["system"])
    of_user = written(*before["user"])
    if form.after_system is not None:
        of_user = f"({written(*form.after_system)} if loop.index0 == 1 and {system} else {of_user})"
    response, rest = after["assistant"][:ends], after["assistant"][ends:]
    return "".join(
        (
            f"{{{{ {written(*form.begin)} }}}}",
            f"{{% if not ({system}) %}}{{{{ {written(*default)} }}}}{{% endif %}}",
            "{% for message in messages %}{% set text = message['content'] | trim %}",
            "{% if message['role'] == 'system' %}",
            f"{{{{ {written(*before['system'])} + text + {written(*after['system'])} }}}}",
            "{% elif message['role'] == 'user' %}",
            f"{{{{ {of_user} + text + {written(*after['user'])} }}}}",
            "{% else %}",
            f"{{{{ {written(*before['assistant'])} }}}}{{% generation %}}",
            f"{{{{ {written(form.lead)} + text + {written(*response)} }}}}{{% endgeneration %}}",
            f"{{% if not loop.last or add_generation_prompt %}}{{{{ {written(*rest)} }}}}{{% endif %}}",
            "{% endif %}{% endfor %}",
            f"{{% if add_generation_prompt %}}{{{{ {written(*before['assistant'])} }}}}{{% endif %}}",
        )
    )


def end(name: str, sentinels: Sentinels) -> str:
    """Returns the token that ends a response."""
    return CHATS[name].end.name or sentinels.dialect.end
