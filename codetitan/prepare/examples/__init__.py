"""A few files of each reason, with the text around what was found: what people look at before they trust a rule.

`collect` is what stages call while the texts are at hand, `places` says where in a text a rule has found something. The
room imports `prepare.file` and `prepare.secrets`.
"""
