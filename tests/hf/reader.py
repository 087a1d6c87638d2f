"""Reads exported folders with transformers alone, whichever is installed: `python reader.py REQUEST ANSWER`.

REQUEST is JSON: {"models": {folder: [ids, …]}, "new_tokens": n, "tokenizers": {folder: [text, …]}}. ANSWER gets, with
torch.save, {"version", "models": {folder: (class, logits, greedy ids)}, "tokenizers": {folder: (ids of each text,
special)}}.
"""

import json
import sys
from pathlib import Path

import torch
import transformers

request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
models, tokenizers = {}, {}
for folder, rows in request["models"].items():
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        ids = torch.tensor(rows)
        ends = {"eos_token_id": None, "do_sample": False, "max_new_tokens": request["new_tokens"]}
        text = model.generate(ids[:1], attention_mask=torch.ones_like(ids[:1]), **ends)
        models[folder] = (type(model).__name__, model(ids).logits, text[0, ids.shape[1] :].tolist())
for folder, texts in request["tokenizers"].items():
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text in texts:
        assert tokenizer.decode(tokenizer(text).input_ids) == text, text[:80]
    assert list(tokenizer("x")) == ["input_ids", "attention_mask"]
    special = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    tokenizers[folder] = ([tokenizer(text).input_ids for text in texts], special)
answer = {"version": transformers.__version__, "models": models, "tokenizers": tokenizers}
torch.save(answer, sys.argv[2])
